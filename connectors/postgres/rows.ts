import type { ColumnValue, Row } from '../../src/domain/change.ts';
import { throwIfAborted } from '../../src/domain/errors.ts';
import type { RowKey } from '../../src/domain/ids.ts';
import { quoteIdentifier, type Database, type RawResult } from './connection.ts';
import type { Decoders } from './decode.ts';
import { fromClause, keyOf, keyParameters, type TablePlan } from './table-plan.ts';

export interface ReadRow {
  readonly key: RowKey;
  readonly row: Row;
  readonly bytes: number;
}

export interface Chunk {
  readonly rows: readonly ReadRow[];
  /** Key of the last row as the server wrote it: where the next chunk starts. */
  readonly cursor: readonly string[] | undefined;
  /** Nothing follows. */
  readonly last: boolean;
}

const ROWS_MAX = 1_000;
const ROWS_FIRST = 100;

/** Reads rows by SELECT and decodes them exactly as the stream does. */
export class RowReader {
  readonly #database: Database;
  readonly #decoders: Decoders;
  readonly #chunkBytes: number;
  /** Rows that fitted last time, per table. */
  readonly #limits = new Map<string, number>();

  constructor(database: Database, decoders: Decoders, chunkBytes: number) {
    this.#database = database;
    this.#decoders = decoders;
    this.#chunkBytes = chunkBytes;
  }

  /** The row as it is now; undefined when there is none. */
  async row(plan: TablePlan, key: RowKey): Promise<Row | undefined> {
    const where = plan.key.map((column, i) => `${quoteIdentifier(column)} = $${i + 1}`).join(' AND ');
    const text = `SELECT * FROM ${fromClause(plan)} WHERE ${where}`;
    const result = await this.#database.raw(`reading a row of ${plan.id}`, text, keyParameters(key), Infinity);
    // Equal to the server is not always the same to us (1.0 and 1.00, case-insensitive text): those are other documents.
    return (await this.#decode(plan, result)).find((read) => read.key === key)?.row;
  }

  /** The rows that follow `cursor` in key order, as many as fit in a chunk. */
  async chunk(plan: TablePlan, cursor: readonly string[] | undefined): Promise<Chunk> {
    const limit = this.#limits.get(plan.id) ?? ROWS_FIRST;
    const columns = plan.key.map(quoteIdentifier).join(', ');
    const parameters = plan.key.map((_, i) => `$${i + 1}`).join(', ');
    const after = cursor === undefined ? '' : `WHERE (${columns}) > (${parameters})`;
    const text = `SELECT * FROM ${fromClause(plan)} ${after} ORDER BY ${columns} LIMIT ${limit}`;
    const result = await this.#database.raw(`reading rows of ${plan.id}`, text, cursor ?? [], this.#chunkBytes);
    const rows = await this.#decode(plan, result);
    this.#limits.set(plan.id, result.cut ? Math.max(1, rows.length) : Math.min(ROWS_MAX, limit * 2));
    return { rows, cursor: this.#cursor(plan, result), last: !result.cut && rows.length < limit };
  }

  async *scan(plan: TablePlan, signal: AbortSignal): AsyncGenerator<{ readonly key: RowKey; readonly row: Row }> {
    for (let cursor: readonly string[] | undefined, last = false; !last; ) {
      throwIfAborted(signal);
      const chunk = await this.chunk(plan, cursor);
      for (const { key, row } of chunk.rows) yield { key, row };
      cursor = chunk.cursor;
      last = chunk.last;
    }
  }

  #cursor(plan: TablePlan, { fields, rows }: RawResult): readonly string[] | undefined {
    const row = rows.at(-1);
    if (row === undefined) return undefined;
    return plan.key.map((column) => row[fields.findIndex(({ name }) => name === column)] ?? '');
  }

  async #decode(plan: TablePlan, { fields, rows }: RawResult): Promise<ReadRow[]> {
    await this.#decoders.learn(fields.map(({ oid }) => oid));
    const columns = fields.map(({ name, oid }) => ({
      name,
      decode: this.#decoders.of(oid),
      kept: !plan.omitted.has(name),
    }));
    return rows.map((values) => {
      const row: Record<string, ColumnValue> = {};
      let bytes = 200;
      for (const [i, { name, decode, kept }] of columns.entries()) {
        const value = values[i] ?? null;
        if (!kept) continue;
        row[name] = value === null ? null : decode(value);
        bytes += value?.length ?? 0;
      }
      return { key: keyOf(plan, row), row, bytes };
    });
  }
}
