import { throwIfAborted, FreshetError } from '../../src/domain/errors.ts';
import type { Database } from './database.ts';

/** Runs once the transaction is committed, in the order of the writes: memory never shows what the end of the process could take back. */
export type Effect = () => void;

export interface Outcome<T> {
  readonly value: T;
  readonly effect?: Effect | undefined;
}

interface Pending {
  readonly signal: AbortSignal | undefined;
  /** Runs inside the transaction; returns how to settle once it is committed. */
  run(): () => void;
  reject(error: unknown): void;
}

/** One transaction takes no more than this, so that a backlog does not hold the event loop (and every reader) for long. */
const WRITES_MAX = 256;
const SLICE_MS_MAX = 20;

/** How long a patient write waits for a transaction to share. */
const PATIENCE_MS = 25;

/** After so many writes, the next idle moment copies the write-ahead log into the file. */
const WRITES_PER_CHECKPOINT = 32;
/** While there is no idle moment, a commit does it itself once the log has so many pages. */
const LOG_PAGES_MAX = 4_000;

/**
 * Group commit without timers: an idle writer commits on the next turn of the event loop, and what arrives until then, or while a commit
 * runs, shares one transaction (and, where the store syncs each commit, one fsync). Checkpoints go the same way, so a position is never durable before its chunks.
 * The log is checkpointed between commits and not by one, so that no acknowledgement waits for it.
 * A write that fails takes nothing with it; it may run twice, so what it changes besides the file belongs into its effect. A failed disk
 * (full, I/O) fails the whole transaction.
 */
export class GroupCommit {
  readonly #db: Database;
  readonly #queue: Pending[] = [];
  #scheduled = false;
  #patience: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];
  #closed = false;
  #writesInLog = 0;

  constructor(db: Database) {
    this.#db = db;
    this.connected();
  }

  /** To be called whenever the database has a new connection. */
  connected(): void {
    this.#db.pragma(`wal_autocheckpoint = ${LOG_PAGES_MAX}`);
  }

  /**
   * Resolves after COMMIT. `work` runs synchronously inside the transaction and may throw to undo itself alone.
   * @param pace `patient` for what nobody waits for: it shares the next transaction, or has its own a moment later, instead of blocking
   *   with an fsync of its own what is just arriving. Its place in the order is the same.
   */
  write<T>(work: () => Outcome<T>, signal?: AbortSignal, pace: 'prompt' | 'patient' = 'prompt'): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) {
        const { words, path } = this.#db;
        reject(new FreshetError(`${words.code}_CLOSED`, 'aborted', `The ${words.noun} ${path} was closed.`));
        return;
      }
      this.#queue.push({
        signal,
        reject,
        run: () => {
          const outcome = work();
          return () => {
            try {
              outcome.effect?.();
              resolve(outcome.value);
            } catch (error) {
              reject(error instanceof Error ? error : new Error(String(error)));
            }
          };
        },
      });
      if (pace === 'prompt') this.#schedule();
      else this.#patience ??= setTimeout(() => this.#schedule(), PATIENCE_MS);
    });
  }

  /** Takes no more writes, and resolves when those taken are settled. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#queue.length === 0) return;
    const idle = new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#schedule();
    await idle;
  }

  #schedule(): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#commitSlice();
      if (this.#queue.length > 0) return this.#schedule();
      for (const wake of this.#idle.splice(0)) wake();
      if (this.#writesInLog >= WRITES_PER_CHECKPOINT) setImmediate(() => this.#checkpoint());
    });
  }

  #checkpoint(): void {
    if (this.#scheduled || this.#closed) return;
    this.#writesInLog = 0;
    try {
      this.#db.pragma('wal_checkpoint(PASSIVE)');
    } catch {
      // The log keeps everything: a full disk or a reader in the way only puts the copying off.
    }
  }

  #commitSlice(): void {
    const taken: Pending[] = [];
    try {
      const settle = this.#transactionOf(taken);
      this.#writesInLog += taken.length;
      for (const done of settle) done();
    } catch (error) {
      // With no transaction to begin, the writes that wait would fail the same way one by one: they fail together and are retried.
      for (const pending of taken.length > 0 ? taken : this.#queue.splice(0)) pending.reject(error);
    }
  }

  /**
   * First without savepoints, each of which would make FTS5 write its pending words out as a segment of their own. Where a write fails,
   * all that was taken is undone and done once more, now each in its savepoint.
   */
  #transactionOf(taken: Pending[]): readonly (() => void)[] {
    try {
      return this.#transaction(() => this.#runSlice(taken));
    } catch (error) {
      if (taken.length === 0 || isStorageFailure(error)) throw error;
      return this.#transaction(() => taken.map((pending) => this.#attempt(pending)));
    }
  }

  #runSlice(taken: Pending[]): readonly (() => void)[] {
    const settle: (() => void)[] = [];
    const until = performance.now() + SLICE_MS_MAX;
    while (taken.length < WRITES_MAX && performance.now() < until) {
      const pending = this.#queue.shift();
      if (pending === undefined) break;
      taken.push(pending);
      settle.push(run(pending));
    }
    return settle;
  }

  /** One write in its savepoint. Throws only where the transaction as a whole is lost. */
  #attempt(pending: Pending): () => void {
    this.#db.exec('SAVEPOINT one');
    try {
      const settle = run(pending);
      this.#db.exec('RELEASE one');
      return settle;
    } catch (error) {
      if (!this.#db.inTransaction || isStorageFailure(error)) throw error;
      this.#db.exec('ROLLBACK TO one; RELEASE one');
      return () => pending.reject(error);
    }
  }

  #transaction<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  /** SQLite ends some failed transactions itself; a second ROLLBACK would only hide the first error. */
  #rollBack(): void {
    if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
  }
}

function run(pending: Pending): () => void {
  if (pending.signal !== undefined) throwIfAborted(pending.signal);
  return pending.run();
}

const isStorageFailure = (error: unknown): boolean =>
  error instanceof FreshetError && /_(DISK_FULL|IO_ERROR|OUT_OF_MEMORY|CORRUPT)$/.test(error.code);
