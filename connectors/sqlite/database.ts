import { renameSync } from 'node:fs';
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

interface Compiled {
  readonly connection: Libsql.Database;
  readonly statement: Libsql.Statement;
  raw: boolean;
}

/**
 * One connection to one file, through libsql's synchronous API, with what that API gets wrong kept in here:
 * a lone `null` or Buffer argument is taken for an object of named parameters (so values always go in one array), `pluck` is ignored by
 * `get` (so rows are arrays), and TEXT comes back cut at its first NUL (see odd-text.ts). Rows are never iterated half-way: an open
 * iterator keeps a read transaction alive and the write-ahead log from being checkpointed.
 */
export class Database {
  readonly words: StorageWords;
  #path: string;
  #db: Libsql.Database;
  readonly #statements = new Map<string, Statement>();

  constructor(path: string, words: StorageWords, timeoutSeconds = 0) {
    this.#path = path;
    this.words = words;
    this.#db = this.#guard(() => new Libsql(path, { timeout: timeoutSeconds }));
  }

  get path(): string {
    return this.#path;
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
    const compile = (): Compiled => ({
      connection: this.#db,
      statement: this.#guard(() => this.#db.prepare(sql)),
      raw: false,
    });
    let compiled: Compiled | undefined = compile();
    // A statement whose step failed reports that failure once more when it is next used, whatever it is used for. So it is only put back
    // once it succeeded, and compiled anew otherwise.
    const use = <T>(action: (statement: Libsql.Statement) => T, reads: boolean): T => {
      const current = compiled?.connection === this.#db ? compiled : compile();
      compiled = undefined;
      const result = this.#guard(() => {
        // `raw()` throws on statements without columns, so it waits for the first read.
        if (reads && !current.raw) current.statement.raw();
        current.raw ||= reads;
        return action(current.statement);
      });
      compiled = current;
      return result;
    };
    return {
      run: (...values) => use((statement) => statement.run(values).changes, false),
      get: (...values) => use((statement) => statement.get(values) as Cells | undefined, true),
      all: (...values) => use((statement) => statement.all(values) as readonly Cells[], true),
    };
  }

  /**
   * libsql ends a connection only once its statements are collected as garbage, and SQLite then deletes the log beside the file by its
   * name: whatever file has that name by then (after a rebuild was swapped in: the new index) would lose its log. Leaving WAL mode here
   * writes the log back, removes it now, and leaves nothing to do for later.
   */
  close(): void {
    this.#statements.clear();
    try {
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
      this.#db.pragma('journal_mode = DELETE');
    } catch {
      // A damaged file, a full disk or a second connection: the log stays beside the file, and the next opening takes it from there.
    }
    this.#guard(() => this.#db.close());
  }

  /**
   * Gives the file another name, in place of the file that has it, and goes on with it there; when that fails, where it was. Connections do
   * not follow a file whose name changes (the log beside it keeps the old one), so it is closed for that moment and opened anew. What a
   * connection is told by pragmas has to be told again.
   */
  moveTo(path: string): void {
    this.close();
    try {
      renameSync(this.#path, path);
      this.#path = path;
    } finally {
      this.#db = this.#guard(() => new Libsql(this.#path));
    }
  }

  #guard<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw storageError(error, this.path, this.words);
    }
  }
}
