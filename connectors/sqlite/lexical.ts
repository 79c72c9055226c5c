import type { Catalogue, CatalogueEntry } from './catalogue.ts';
import type { Database, Statement } from './database.ts';
import type { Ranked } from './fuse.ts';
import { matchExpression } from './words.ts';

/** FTS5's `bm25` is lower for better matches; ours is higher. The scope column only filters: its weight is 0. */
const MATCH = `SELECT rowid, -bm25(words, 0.0, 1.0) AS score FROM words WHERE words MATCH ? ORDER BY score DESC, rowid LIMIT ?`;
const GROWTH = 32;

export interface LexicalResult {
  readonly hits: readonly Ranked<CatalogueEntry>[];
  /** Nothing that passes lies beyond these. */
  readonly exhausted: boolean;
}

export class LexicalSearch {
  readonly #catalogue: Catalogue;
  readonly #match: Statement;

  constructor(db: Database, catalogue: Catalogue) {
    this.#catalogue = catalogue;
    this.#match = db.prepare(MATCH);
  }

  /** The best `count` rows that pass. What fails is made up for by reading further: a filter never shortens the answer. */
  best(text: string, tenant: number, count: number, passes: (entry: CatalogueEntry) => boolean): LexicalResult {
    // The scope token costs a walk over all rows of the tenant, so it is only worth it where the tenant is a part of the whole.
    const scoped = this.#catalogue.chunksOf(tenant) * 2 < this.#catalogue.chunks;
    const expression = matchExpression(text, scoped ? scopeOf(tenant) : undefined);
    if (expression === undefined) return { hits: [], exhausted: true };
    for (let fetch = count; ; fetch *= GROWTH) {
      const rows = this.#match.all(expression, fetch);
      const hits = this.#passing(rows as readonly (readonly [number, number])[], tenant, passes);
      const exhausted = rows.length < fetch;
      if (exhausted || hits.length >= count)
        return { hits: hits.slice(0, count), exhausted: exhausted && hits.length <= count };
    }
  }

  #passing(
    rows: readonly (readonly [number, number])[],
    tenant: number,
    passes: (entry: CatalogueEntry) => boolean,
  ): readonly Ranked<CatalogueEntry>[] {
    const hits: Ranked<CatalogueEntry>[] = [];
    for (const [row, score] of rows) {
      const entry = this.#catalogue.entryOfRow(row);
      if (entry !== undefined && entry.facts.tenant === tenant && passes(entry)) hits.push({ row, entry, score });
    }
    return hits;
  }
}

export const scopeOf = (tenant: number): string => `t${tenant}`;
