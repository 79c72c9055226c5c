import type { DocumentId, PartitionId, RowKey } from '../../src/domain/ids.ts';
import type { Version } from '../../src/domain/version.ts';
import type { DeadLetter, DeadLetters, StoredDeadLetter } from '../../src/ports/dead-letters.ts';
import type { Seal } from '../../src/runtime/seal.ts';
import type { Cells, Database } from './database.ts';
import { packJson, unpackJson } from './odd-text.ts';
import type { GroupCommit } from './writer.ts';

const COLUMNS = 'number, identity, attempts, sealed_key, letter';

/** Everything of a letter but its key (sealed) and its attempts (they add up). The offset as text: JSON has no bigint. */
type PackedLetter = Omit<DeadLetter, 'key' | 'attempts' | 'position'> & {
  readonly position: { readonly partition: DeadLetter['position']['partition']; readonly offset: string };
};

/** Dead letters in the state file. Ids are `dl_<number>`, in the order the records first failed. */
export class SqliteDeadLetters implements DeadLetters {
  readonly #db: Database;
  readonly #writer: GroupCommit;
  readonly #seal: Seal;
  /** Whose letters there are, so that `resolve`, which every indexed document calls, costs nothing while there are none. */
  readonly #identities: Set<string>;

  constructor(db: Database, writer: GroupCommit, seal: Seal) {
    this.#db = db;
    this.#writer = writer;
    this.#seal = seal;
    this.#identities = new Set(
      db
        .prepare('SELECT identity FROM dead_letters')
        .all()
        .map(([identity]) => identity as string),
    );
  }

  put(letter: DeadLetter): Promise<void> {
    const identity = identityOf(letter);
    return this.#writer.write(() => {
      const stored = this.#db.prepare('SELECT version, attempts FROM dead_letters WHERE identity = ?').get(identity);
      const attempts = letter.attempts + ((stored?.[1] as number | undefined) ?? 0);
      const storedVersion = (stored?.[0] as Version | null | undefined) ?? null;
      if (storedVersion !== null && letter.version !== undefined && letter.version < storedVersion) {
        // An older failure that comes late (a replay) counts, but what is to be retried is the newer one.
        this.#db.prepare('UPDATE dead_letters SET attempts = ? WHERE identity = ?').run(attempts, identity);
        return { value: undefined };
      }
      const sealed = letter.key === undefined ? null : this.#seal.seal(letter.key, identity);
      this.#db
        .prepare(
          `INSERT INTO dead_letters (identity, source, document, version, attempts, sealed_key, letter) VALUES (?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (identity) DO UPDATE SET version = excluded.version, attempts = excluded.attempts,
             sealed_key = excluded.sealed_key, letter = excluded.letter`,
        )
        .run(
          identity,
          letter.source,
          letter.document ?? null,
          letter.version ?? null,
          attempts,
          sealed,
          packJson(packed(letter)),
        );
      return { value: undefined, effect: () => void this.#identities.add(identity) };
    });
  }

  async list(options: { readonly limit: number; readonly after?: string }): Promise<readonly StoredDeadLetter[]> {
    return this.#db
      .prepare(`SELECT ${COLUMNS} FROM dead_letters WHERE number > ? ORDER BY number LIMIT ?`)
      .all(numberOf(options.after) ?? -1, options.limit)
      .map((cells) => this.#unpacked(cells));
  }

  async get(id: string): Promise<StoredDeadLetter | undefined> {
    const number = numberOf(id);
    if (number === undefined) return undefined;
    const cells = this.#db.prepare(`SELECT ${COLUMNS} FROM dead_letters WHERE number = ?`).get(number);
    return cells === undefined ? undefined : this.#unpacked(cells);
  }

  async ofDocument(document: DocumentId): Promise<StoredDeadLetter | undefined> {
    if (this.#identities.size === 0) return undefined;
    const cells = this.#db
      .prepare(`SELECT ${COLUMNS} FROM dead_letters WHERE document = ? ORDER BY number DESC LIMIT 1`)
      .get(document);
    return cells === undefined ? undefined : this.#unpacked(cells);
  }

  async lowestVersions(): Promise<ReadonlyMap<PartitionId, Version>> {
    const rows = this.#db
      .prepare(
        `SELECT letter -> '$.position.partition' AS partition, min(version) FROM dead_letters WHERE version IS NOT NULL GROUP BY partition`,
      )
      .all();
    return new Map(rows.map(([partition, version]) => [unpackJson<PartitionId>(partition), version as Version]));
  }

  async remove(id: string): Promise<void> {
    const number = numberOf(id);
    if (number !== undefined) await this.#delete('number = ?', number);
  }

  async resolve(source: string, document: DocumentId, version: Version): Promise<void> {
    const identity = documentIdentity(source, document);
    if (!this.#identities.has(identity)) return;
    await this.#delete('identity = ? AND version <= ?', identity, version);
  }

  async count(): Promise<number> {
    return this.#identities.size;
  }

  #delete(condition: string, ...values: readonly (string | number)[]): Promise<void> {
    return this.#writer.write(() => {
      const gone = this.#db.prepare(`DELETE FROM dead_letters WHERE ${condition} RETURNING identity`).all(...values);
      return {
        value: undefined,
        effect: () => gone.forEach(([identity]) => this.#identities.delete(identity as string)),
      };
    });
  }

  #unpacked([number, identity, attempts, sealed, json]: Cells): StoredDeadLetter {
    const { position, ...letter } = unpackJson<PackedLetter>(json);
    const key = sealed === null ? undefined : (this.#seal.open(sealed as Uint8Array, identity as string) as RowKey);
    const stored = {
      source: letter.source,
      table: letter.table,
      document: letter.document,
      version: letter.version,
      sourcePosition: letter.sourcePosition,
      committedAt: letter.committedAt,
      stage: letter.stage,
      code: letter.code,
      message: letter.message,
      failedAt: letter.failedAt,
      id: `dl_${number as number}`,
      position: { partition: position.partition, offset: BigInt(position.offset) },
      attempts: attempts as number,
      key,
    } satisfies StoredDeadLetter;
    // There for whoever reads the row again, but not for JSON.stringify, console.log or a spread: a key can be personal data.
    return Object.defineProperty(stored, 'key', { enumerable: false });
  }
}

function packed({ key: _key, attempts: _attempts, position, ...letter }: DeadLetter): PackedLetter {
  return { ...letter, position: { partition: position.partition, offset: String(position.offset) } };
}

const documentIdentity = (source: string, document: DocumentId): string => packJson([source, 'document', document]);

/** One letter per document of a source; a record whose document is not known stands for itself. */
function identityOf({ source, document, position }: DeadLetter): string {
  return document === undefined
    ? packJson([source, 'position', position.partition, String(position.offset)])
    : documentIdentity(source, document);
}

function numberOf(id: string | undefined): number | undefined {
  const digits = id === undefined ? undefined : /^dl_(\d{1,15})$/.exec(id)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
