import type { Head } from '../../src/domain/document.ts';
import type { SourcePosition } from '../../src/domain/source-position.ts';
import { compareStamps, isBelow, type Version } from '../../src/domain/version.ts';
import { isTruncated } from '../../src/domain/visibility.ts';
import type { Floor, SweepLimits } from '../../src/ports/index-store.ts';
import type { MemoryChunk, MemoryStore } from './store.ts';

type Step = (what: string) => Promise<void>;

/** Deletes in two looks: find, then check again in the deleting step what was seen, since writers run in between. */
export async function sweep(
  store: MemoryStore,
  limits: SweepLimits,
  step: Step,
  unreachable: typeof isUnreachable = isUnreachable,
): Promise<{ heads: number; chunks: number }> {
  const swept = { heads: 0, chunks: 0 };
  for (const id of [...store.heads.keys()]) {
    const head = store.heads.get(id);
    if (head === undefined) continue;
    if (!head.deleted && isTruncated(head, store.truncations.get(head.table))) {
      await step('tombstone a truncated head');
      tombstoneTruncated(store, head, limits);
    } else if (isOldTombstone(head, limits)) {
      store.floors.set(head.partition, raisedFloor(store.floors.get(head.partition), head));
      await step('delete a tombstone');
      const now = store.heads.get(id);
      if (now?.deleted === true && compareStamps(now, head) === 0) {
        store.heads.delete(id);
        swept.heads++;
      }
    }
  }
  for (const [document, chunks] of store.chunks) {
    for (const id of [...chunks.keys()]) {
      const isGarbage = (): boolean => {
        const chunk = chunks.get(id);
        return chunk !== undefined && unreachable(chunk, store.heads.get(document), limits);
      };
      if (!isGarbage()) continue;
      await step('delete a chunk');
      if (isGarbage() && chunks.delete(id)) swept.chunks++;
    }
    // Another sweep may have dropped this map meanwhile, and a writer have begun a new one.
    if (chunks.size === 0 && store.chunks.get(document) === chunks) store.chunks.delete(document);
  }
  return swept;
}

/** Keeps its version: the truncation has none, and a later re-creation of the row must still be above it. */
function tombstoneTruncated(store: MemoryStore, seen: Head, { now }: SweepLimits): void {
  const head = store.heads.get(seen.id);
  if (head === undefined || head.deleted || compareStamps(head, seen) !== 0) return;
  const { rowHash: _gone, ...rest } = head;
  store.heads.set(head.id, { ...rest, chunks: [], deleted: true, indexedAt: now });
  const chunks = store.chunks.get(head.id);
  for (const [id, chunk] of chunks ?? []) {
    if (!isBelow(head, chunk)) chunks?.set(id, { ...chunk, deleted: true, indexedAt: now });
  }
}

const isCommitted = (
  record: { version: Version; partition: Head['partition'] },
  { committed }: SweepLimits,
): boolean => {
  const mark = committed.get(record.partition);
  return mark !== undefined && record.version <= mark;
};

const isOld = (record: { indexedAt: number }, { now, horizonMs }: SweepLimits): boolean =>
  now - record.indexedAt >= horizonMs;

const isOldTombstone = (head: Head, limits: SweepLimits): boolean =>
  head.deleted && isOld(head, limits) && isCommitted(head, limits);

function raisedFloor(floor: Floor | undefined, head: Head): Floor {
  const sourcePosition = later(floor?.sourcePosition, head.sourcePosition);
  return {
    version: Math.max(floor?.version ?? 0, head.version) as Version,
    committedAt: Math.max(floor?.committedAt ?? head.committedAt, head.committedAt),
    ...(sourcePosition === undefined ? {} : { sourcePosition }),
  };
}

function later(a: SourcePosition | undefined, b: SourcePosition | undefined): SourcePosition | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a > b ? a : b;
}

/** Never a chunk above its head: that is a commit under way. Without a head only below the committed mark, for the same reason. */
export function isUnreachable(chunk: MemoryChunk, head: Head | undefined, limits: SweepLimits): boolean {
  if (!isOld(chunk, limits)) return false;
  if (head === undefined) return isCommitted(chunk, limits);
  const order = compareStamps(chunk, head);
  if (order > 0) return false;
  return order < 0 || chunk.deleted || !head.chunks.some((ref) => ref.id === chunk.id);
}
