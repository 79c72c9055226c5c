import { close, fdatasync, open } from 'node:fs';
import { promisify } from 'node:util';
import { FreshetError } from '../../src/domain/errors.ts';
import type { StorageWords } from './storage-error.ts';

const openFile = promisify(open);
const syncFile = promisify(fdatasync);
const closeFile = promisify(close);

/**
 * Makes everything committed so far survive a power cut: fdatasync of the write-ahead log on a thread of its own, instead of inside COMMIT
 * on the event loop. Who asks while one is running shares the next. The log is the same file for as long as the store is open, and holds
 * no lock that a second descriptor could lose.
 */
export class LogSync {
  readonly #path: string;
  readonly #words: StorageWords;
  #file: Promise<number> | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(path: string, words: StorageWords) {
    this.#path = `${path}-wal`;
    this.#words = words;
  }

  /** Resolves once all that was committed before the call is on disk. */
  sync(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    return (this.#next ??= this.#running.then(
      () => this.#startNext(),
      () => this.#startNext(),
    ));
  }

  async close(): Promise<void> {
    await this.#running?.catch(() => undefined);
    if (this.#file !== undefined) await this.#file.then(closeFile, () => undefined);
    this.#file = undefined;
  }

  #startNext(): Promise<void> {
    this.#next = undefined;
    return this.#start();
  }

  #start(): Promise<void> {
    this.#running = this.#sync().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #sync(): Promise<void> {
    try {
      await syncFile(await (this.#file ??= openFile(this.#path, 'r')));
    } catch (error) {
      this.#file = undefined;
      // The system may have dropped what it could not write, and a second call would then succeed for nothing. What is not on disk was
      // not acknowledged to the source either: a restart gets it again.
      throw new FreshetError(
        `${this.#words.code}_SYNC_FAILED`,
        'fatal',
        `The disk did not take what was written to the ${this.#words.noun} (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}). ` +
          'Check the disk, then start again: nothing acknowledged is lost.',
        { cause: error, details: { path: this.#path } },
      );
    }
  }
}
