import type { Database } from './database.ts';
import { packJson } from './odd-text.ts';

/**
 * Small numbers for names that repeat on every row (tenants, embedders). A name gets its number in the transaction that first needs it;
 * the cache is filled from rows only, so a rolled-back number is never believed.
 */
export class Names {
  readonly #find: (name: string) => number | undefined;
  readonly #insert: (name: string) => number;
  readonly #cache = new Map<string, number>();

  constructor(db: Database) {
    const find = db.prepare('SELECT number FROM tenants WHERE name = ?');
    const insert = db.prepare('INSERT INTO tenants (name) VALUES (?) RETURNING number');
    this.#find = (name) => find.get(packJson(name))?.[0] as number | undefined;
    this.#insert = (name) => insert.get(packJson(name))?.[0] as number;
  }

  /** The number of a name that was committed. Call it outside a transaction. */
  known(name: string): number | undefined {
    const cached = this.#cache.get(name);
    if (cached !== undefined) return cached;
    const found = this.#find(name);
    if (found !== undefined) this.#cache.set(name, found);
    return found;
  }

  /** Inside a transaction. */
  number(name: string): number {
    return this.#cache.get(name) ?? this.#find(name) ?? this.#insert(name);
  }
}

/** The number of an embedder, by what shapes its vectors. */
export function embedderNumber(db: Database, fingerprint: string, dimensions: number): number {
  const find = db.prepare('SELECT number FROM embedders WHERE fingerprint = ? AND dimensions = ?');
  const insert = db.prepare('INSERT INTO embedders (fingerprint, dimensions) VALUES (?, ?) RETURNING number');
  return (find.get(fingerprint, dimensions) ?? insert.get(fingerprint, dimensions))?.[0] as number;
}
