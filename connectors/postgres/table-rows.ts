import type { Row } from '../../src/domain/change.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import type { RowKey, TableId } from '../../src/domain/ids.ts';
import type { RowLookup, RowScan } from '../../src/ports/rows.ts';
import { inspectTable, tableMissing, type TablePlace, type TableUse } from './catalog.ts';
import { Database, type ConnectionConfig } from './connection.ts';
import { Decoders } from './decode.ts';
import { isDefinitionGone, isTableError, stateOf } from './errors.ts';
import { DEFAULT_LIMITS } from './options.ts';
import { RowReader } from './rows.ts';
import type { TablePlan } from './table-plan.ts';

/** The rows of configured tables as they stand in the database now. What a table is, is looked up when it is first needed. */
export class TableRows implements RowLookup, RowScan {
  readonly origin = 'the database';
  readonly #database: Database;
  readonly #reader: RowReader;
  readonly #tables: readonly TablePlace[];
  readonly #use: TableUse;
  #plans = new Map<TableId, TablePlan>();

  constructor(database: Database, reader: RowReader, tables: readonly TablePlace[], use: TableUse = 'changes') {
    this.#database = database;
    this.#reader = reader;
    this.#tables = tables;
    this.#use = use;
  }

  /** Someone has just looked. */
  know(plans: readonly TablePlan[]): void {
    this.#plans = new Map(plans.map((plan) => [plan.id, plan]));
  }

  async row(table: TableId, key: RowKey, _signal: AbortSignal): Promise<Row | undefined> {
    const known = this.#plans.get(table) ?? (await this.#find(table));
    if (known === undefined) {
      // Of a table that another log tells of, a missing one is a wrong name or database, not rows that were deleted.
      if (this.#use === 'rows') throw tableMissing(table);
      return undefined;
    }
    try {
      return await this.#reader.row(known, key);
    } catch (error) {
      // A value that is none of the column's type (any more) names no row, now or later.
      const state = stateOf(error) ?? '';
      if (state.startsWith('22')) throw poison(error as FreshetError);
      if (!isDefinitionGone(error)) throw error;
      const plan = await this.#find(table);
      return plan === undefined || plan.key.join() === known.key.join() ? undefined : this.#reader.row(plan, key);
    }
  }

  async *rows(table: TableId, signal: AbortSignal): AsyncGenerator<{ readonly key: RowKey; readonly row: Row }> {
    const plan = await this.#find(table);
    if (plan === undefined) throw tableMissing(table);
    yield* this.#reader.scan(plan, signal);
  }

  async #find(id: TableId): Promise<TablePlan | undefined> {
    const table = this.#tables.find((candidate) => candidate.id === id);
    const plan = table === undefined ? undefined : await inspectTable(this.#database, table, this.#use);
    if (plan !== undefined) this.#plans.set(id, plan);
    return plan;
  }
}

const poison = ({ code, message, details }: FreshetError): FreshetError =>
  new FreshetError(code, 'poison', message, { details });

/** The same over connections of its own, for a source that is not this database's log. Nothing is connected before the first look-up. */
export function openPostgresRows(options: {
  /** Of the source, for the server's list of connections. */
  readonly name: string;
  readonly connectionString: ConnectionConfig;
  readonly tables: readonly TablePlace[];
}): RowLookup & RowScan & AsyncDisposable {
  const database = new Database(options.connectionString, options.name);
  const reader = new RowReader(database, new Decoders(database), DEFAULT_LIMITS.chunkBytes);
  const rows = new TableRows(database, reader, options.tables, 'rows');
  return {
    origin: rows.origin,
    async row(table, key, signal) {
      try {
        return await rows.row(table, key, signal);
      } catch (error) {
        // The log goes on without this database: the record waits in the dead letters until the table is mended.
        throw isTableError(error) ? poison(error) : error;
      }
    },
    rows: (table, signal) => rows.rows(table, signal),
    [Symbol.asyncDispose]: () => database.end(),
  };
}
