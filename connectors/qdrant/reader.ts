import { abortedError, throwIfAborted } from '../../src/domain/errors.ts';
import type { Payload } from './points.ts';
import type { QdrantStore } from './store.ts';

/** Points asked for in one request. */
const BATCH_MAX = 512;

interface Waiting {
  readonly ids: readonly string[];
  readonly signal: AbortSignal;
  readonly done: (found: ReadonlyMap<string, Payload>) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Points by id, asked for by many at once: idle asks at once, what arrives while a request is under way is the next one. A request never
 * serves who came after it began, so what it answers is never older than the question.
 */
export class PointReader {
  readonly #store: QdrantStore;
  #waiting: Waiting[] = [];
  #running = 0;
  readonly #lanes: number;

  /** @param lanes requests under way at a time */
  constructor(store: QdrantStore, lanes = 2) {
    this.#store = store;
    this.#lanes = lanes;
  }

  read(ids: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, Payload>> {
    throwIfAborted(signal);
    if (ids.length === 0) return Promise.resolve(new Map());
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(abortedError(signal));
      };
      const waiting: Waiting = {
        ids,
        signal,
        done: (found) => {
          signal.removeEventListener('abort', leave);
          resolve(found);
        },
        failed: (error) => {
          signal.removeEventListener('abort', leave);
          reject(error as Error);
        },
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.push(waiting);
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    if (this.#running >= this.#lanes) return;
    this.#running += 1;
    try {
      while (this.#waiting.length > 0) await this.#next();
    } finally {
      this.#running -= 1;
    }
  }

  async #next(): Promise<void> {
    const batch: Waiting[] = [];
    const ids = new Set<string>();
    while (this.#waiting.length > 0 && (batch.length === 0 || ids.size + this.#waiting[0]!.ids.length <= BATCH_MAX)) {
      const next = this.#waiting.shift()!;
      for (const id of next.ids) ids.add(id);
      batch.push(next);
    }
    // A request shared by several goes on as long as one of them still waits for it.
    const shared = new AbortController();
    const settle = (): void => {
      if (batch.every(({ signal }) => signal.aborted)) shared.abort();
    };
    for (const { signal } of batch) signal.addEventListener('abort', settle, { once: true });
    try {
      settle();
      const found = new Map((await this.#all([...ids], shared.signal)).map(({ id, payload }) => [id, payload]));
      for (const { done } of batch) done(found);
    } catch (error) {
      for (const { failed } of batch) failed(error);
    } finally {
      for (const { signal } of batch) signal.removeEventListener('abort', settle);
    }
  }

  async #all(ids: readonly string[], signal: AbortSignal): ReturnType<QdrantStore['retrieve']> {
    if (ids.length <= BATCH_MAX) return this.#store.retrieve(ids, signal);
    const found = [];
    for (let from = 0; from < ids.length; from += BATCH_MAX) {
      found.push(...(await this.#store.retrieve(ids.slice(from, from + BATCH_MAX), signal)));
    }
    return found;
  }
}
