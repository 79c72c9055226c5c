import { FreshetError } from '../domain/errors.ts';
import type { Checkpoints } from '../ports/checkpoints.ts';
import type { Index } from '../ports/index-store.ts';
import { SharedLock } from '../runtime/shared-lock.ts';

export type FullIndex = Index & Checkpoints;

export interface SwappableIndex extends FullIndex {
  /**
   * Waits until nothing uses the index and holds newcomers back, runs `work` with the index of now, and carries on with the one it returns.
   */
  swap(work: (current: FullIndex) => Promise<FullIndex>): Promise<void>;
}

/** An index that can be exchanged for another while it is in use. */
export function createSwappableIndex(first: FullIndex): SwappableIndex {
  const lock = new SharedLock();
  let current = first;

  const call = <T>(use: (index: FullIndex) => Promise<T>): Promise<T> => lock.shared(() => use(current));
  async function* scan<T>(use: (index: FullIndex) => AsyncIterable<T>): AsyncGenerator<T> {
    // A scan does not hold the lock: its consumer may use the index between two steps, and would wait for the swap that waits for it.
    const scanned = await call((index) => Promise.resolve(index));
    for await (const item of use(scanned)) {
      yield item;
      if (current !== scanned) {
        throw new FreshetError(
          'INDEX_SWAPPED',
          'stale',
          'The index was exchanged by a rebuild during a scan; scan it again.',
        );
      }
    }
  }

  return {
    dimensions: first.dimensions,
    registerSettings: (fingerprint, signal) => call((index) => index.registerSettings(fingerprint, signal)),
    heads: (ids, signal) => call((index) => index.heads(ids, signal)),
    floor: (partition, signal) => call((index) => index.floor(partition, signal)),
    apply: (write, signal) => call((index) => index.apply(write, signal)),
    truncate: (table, truncation, signal) => call((index) => index.truncate(table, truncation, signal)),
    truncations: (signal) => call((index) => index.truncations(signal)),
    search: (query, signal) => call((index) => index.search(query, signal)),
    document: (id, tenant, signal) => call((index) => index.document(id, tenant, signal)),
    scanHeads: (filter, signal) => scan((index) => index.scanHeads(filter, signal)),
    scanChunks: (options, signal) => scan((index) => index.scanChunks(options, signal)),
    sweep: (limits, signal) => call((index) => index.sweep(limits, signal)),
    deleteChunks: (ids, signal) => call((index) => index.deleteChunks(ids, signal)),
    stats: (signal) => call((index) => index.stats(signal)),
    load: (source) => call((index) => index.load(source)),
    save: (source, state) => call((index) => index.save(source, state)),
    swap: (work) =>
      lock.exclusive(async () => {
        current = await work(current);
      }),
    [Symbol.asyncDispose]: () => lock.exclusive(() => Promise.resolve(current[Symbol.asyncDispose]())),
  };
}
