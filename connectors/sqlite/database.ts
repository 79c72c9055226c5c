import Libsql from 'libsql';
import { storageError, type StorageWords } from './storage-error.ts';

export type Bind = string | number | bigint | null | Uint8Array | Float32Array;
export type Cells = readonly unknown[];

/** A prepared statement. Values are bound by place, rows come back as arrays in the order of the selected columns. */
export interface Statement {
  /** Returns how many rows it changed. */
  run(...values: readonly Bind[]): number;
  /** The first row. Also for `INSERT … RETURNING`. */
  get(...values: readonly Bind[]): Cells | undefined;
  all(...values: readonly Bind[]): readonly Cells[];
}

/**
 * One connection to one file, through libsql's synchronous API, with what that API gets wrong kept in here:
 * a lone `null` or Buffer argument is taken for an object of named parameters (so values always go in one array), `pluck` is ignored by
 * `get` (so rows are arrays), and TEXT comes back cut at its first NUL (see odd-text.ts). Rows are never iterated half-way: an open
 * iterator keeps a read transaction alive and the write-ahead log from being checkpointed.
 */
export class Database {
  readonly path: string;
  readonly words: StorageWords;
  readonly #db: Libsql.Database;
  readonly #statements = new Map<string, Statement>();

  constructor(path: string, words: StorageWords, timeoutSeconds = 0) {
    this.path = path;
    this.words = words;
    this.#db = this.#guard(() => new Libsql(path, { timeout: timeoutSeconds }));
  }

  get inTransaction(): boolean {
    return this.#db.inTransaction;
  }

  exec(sql: string): void {
    this.#guard(() => this.#db.exec(sql));
  }

  /** The first cell of a pragma's answer. */
  pragma(source: string): unknown {
    return this.#compile(`PRAGMA ${source}`).get()?.[0];
  }

  /** Compiled once per connection. Statements read all their rows before they return, so sharing one is safe. */
  prepare(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, (statement = this.#compile(sql)));
    return statement;
  }

  #compile(sql: string): Statement {
    const statement = this.#guard(() => this.#db.prepare(sql));
    let raw = false;
    const rows = (): Libsql.Statement => {
      // `raw()` throws on statements without columns, so it waits for the first read.
      if (!raw) statement.raw();
      raw = true;
      return statement;
    };
    return {
      run: (...values) => this.#guard(() => statement.run(values).changes),
      get: (...values) => this.#guard(() => rows().get(values) as Cells | undefined),
      all: (...values) => this.#guard(() => rows().all(values) as readonly Cells[]),
    };
  }

  /**
   * libsql ends a connection only when its statements are collected as garbage: the log is written back first, so that the file is whole
   * by itself from here on (to be moved, or opened again).
   */
  close(): void {
    this.#statements.clear();
    try {
      if (!this.#db.inTransaction) this.#db.pragma('wal_checkpoint(TRUNCATE)');
    } catch {
      // A damaged file or a full disk: the log stays beside the file, and the next opening takes it from there.
    }
    this.#guard(() => this.#db.close());
  }

  #guard<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw storageError(error, this.path, this.words);
    }
  }
}
