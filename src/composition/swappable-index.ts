import { FreshetError } from '../domain/errors.ts';
import type { DocumentId } from '../domain/ids.ts';
import type { Checkpoints } from '../ports/checkpoints.ts';
import type { Index } from '../ports/index-store.ts';
import { SharedLock } from '../runtime/shared-lock.ts';
import type { WriteWatch } from '../services/rebuild.ts';

export type FullIndex = Index & Checkpoints;

export interface SwappableIndex extends FullIndex {
  /**
   * Waits until nothing uses the index and holds newcomers back, runs `work` with the index of now, and carries on with the one that it
   * said to `use`, also when it fails. With an error instead of an index there is none any more: every later use fails with that error.
   */
  swap(work: (current: FullIndex, use: (next: FullIndex | FreshetError) => void) => Promise<void>): Promise<void>;
  watchWrites(): WriteWatch;
}

/** An index that can be exchanged for another while it is in use. */
export function createSwappableIndex(first: FullIndex): SwappableIndex {
  const lock = new SharedLock();
  let current: FullIndex | FreshetError = first;
  const watches = new Set<Set<DocumentId>>();

  const usable = (): FullIndex => {
    if (current instanceof FreshetError) throw current;
    return current;
  };
  const call = <T>(use: (index: FullIndex) => Promise<T>): Promise<T> => lock.shared(async () => use(usable()));
  /** Noted before the write, so that who reads a head it wrote knows, and after it, for who took the note while it was under way. */
  const noted = async <T>(id: DocumentId, write: () => Promise<T>): Promise<T> => {
    const note = (): void => watches.forEach((written) => written.add(id));
    note();
    try {
      return await write();
    } finally {
      note();
    }
  };
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
    apply: (write, signal) => call((index) => noted(write.head.id, () => index.apply(write, signal))),
    truncate: (table, truncation, signal) => call((index) => index.truncate(table, truncation, signal)),
    truncations: (signal) => call((index) => index.truncations(signal)),
    search: (query, signal) => call((index) => index.search(query, signal)),
    document: (id, tenant, signal) => call((index) => index.document(id, tenant, signal)),
    scanHeads: (filter, signal) => scan((index) => index.scanHeads(filter, signal)),
    scanChunks: (options, signal) => scan((index) => index.scanChunks(options, signal)),
    // A tombstone that was swept before it was copied would leave its document in the copy.
    sweep: (limits, signal) =>
      call((index) => (watches.size > 0 ? Promise.resolve({ heads: 0, chunks: 0 }) : index.sweep(limits, signal))),
    deleteChunks: (ids, signal) => call((index) => index.deleteChunks(ids, signal)),
    stats: (signal) => call((index) => index.stats(signal)),
    load: (source) => call((index) => index.load(source)),
    save: (source, state) => call((index) => index.save(source, state)),
    swap: (work) => lock.exclusive(() => work(usable(), (next) => (current = next))),
    watchWrites: () => {
      const written = new Set<DocumentId>();
      watches.add(written);
      return {
        has: (id) => written.has(id),
        take: () => {
          const taken = [...written];
          written.clear();
          return taken;
        },
        [Symbol.dispose]: () => void watches.delete(written),
      };
    },
    [Symbol.asyncDispose]: () =>
      lock.exclusive(async () => {
        if (!(current instanceof FreshetError)) await current[Symbol.asyncDispose]();
      }),
  };
}
