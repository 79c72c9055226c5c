import type { Head } from '../domain/document.ts';
import type { DocumentId, PartitionId, TableId } from '../domain/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { Index } from '../ports/index-store.ts';
import type { OutageGate } from '../runtime/outage-gate.ts';
import type { Situation } from './decide.ts';

export interface LedgerLimits {
  /** Heads of hot documents are cached at most this long; another writer may have written meanwhile. */
  readonly cacheMs: number;
  readonly cacheEntries: number;
  /** A write not begun this long after its head became too old to trust is decided again. */
  readonly writeDeadlineMs: number;
}

type KnownHead = Pick<KnownSituation, 'head' | 'readAt'>;

export interface KnownSituation extends Situation {
  /** Monotonic milliseconds at which the head was read from the index (never when it was last written by us). */
  readonly readAt: number;
}

/** Reads what the index says about a document, through a bounded cache of heads. */
export interface HeadLedger {
  read(id: DocumentId, table: TableId, partition: PartitionId, signal: AbortSignal): Promise<KnownSituation>;
  remember(head: Head, readAt: number): void;
  forget(id: DocumentId): void;
  /** The cache dies with a partition: whoever has it now writes heads this one knows nothing of. What was read before is not taken in later. */
  forgetAll(): void;
  tooOld(readAt: number): boolean;
}

export function createHeadLedger(index: Index, gate: OutageGate, clock: Clock, limits: LedgerLimits): HeadLedger {
  const cache = new Map<DocumentId, KnownHead>();

  let forgottenAt = -Infinity;

  const remember = (id: DocumentId, head: Head | undefined, readAt: number): void => {
    cache.delete(id);
    if (readAt <= forgottenAt) return;
    cache.set(id, { head, readAt });
    if (cache.size > limits.cacheEntries) {
      const oldest = cache.keys().next();
      if (!oldest.done) cache.delete(oldest.value);
    }
  };

  const cached = (id: DocumentId): KnownHead | undefined => {
    const known = cache.get(id);
    return known !== undefined && clock.monotonic() - known.readAt <= limits.cacheMs ? known : undefined;
  };

  const readHead = async (id: DocumentId, signal: AbortSignal): Promise<KnownHead> => {
    const readAt = clock.monotonic();
    const head = (await index.heads([id], signal)).get(id);
    remember(id, head, readAt);
    return { head, readAt };
  };

  return {
    read: (id, table, partition, signal) =>
      gate.run(async () => {
        const known = cached(id) ?? (await readHead(id, signal));
        // The floor is read after the head was found absent and never cached: a sweep may have taken the head a moment ago.
        const floor = known.head === undefined ? await index.floor(partition, signal) : undefined;
        const truncation = (await index.truncations(signal)).get(table);
        return { head: known.head, readAt: known.readAt, floor, truncation };
      }, signal),
    remember: (head, readAt) => remember(head.id, head, readAt),
    forget: (id) => void cache.delete(id),
    forgetAll() {
      cache.clear();
      forgottenAt = clock.monotonic();
    },
    tooOld: (readAt) => clock.monotonic() - readAt > limits.cacheMs + limits.writeDeadlineMs,
  };
}
