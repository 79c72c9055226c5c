import type { Head } from '../../src/domain/document.ts';
import type { PartitionId, TableId } from '../../src/domain/ids.ts';
import type { Truncation } from '../../src/domain/source-position.ts';
import { compareStamps, type Version } from '../../src/domain/version.ts';
import { isTruncated } from '../../src/domain/visibility.ts';
import type { SweepLimits } from '../../src/ports/index-store.ts';
import { all, any, at, atOrBelow, hasId, is, truncated, within, type Filter } from './filters.ts';
import { raiseFloor } from './ledger.ts';
import { packText, unpackText } from './pack.ts';
import { headOf, headPayload, stampOf, type Payload } from './points.ts';
import type { PointReader } from './reader.ts';
import { scroll } from './scan.ts';
import type { QdrantStore } from './store.ts';

const PAGE = 200;

export interface SweepDeps {
  readonly store: QdrantStore;
  readonly reader: PointReader;
}

/** Of the chunks written at or before it, those that stayed have a head. */
export interface SweepProgress {
  lookedAt: number | undefined;
}

/**
 * Deletes what no reader can need any more. Everything is seen first and deleted by a filter that holds only for what was seen, for writers
 * run in between: a stamp that has moved is somebody's newer write. Three steps:
 *  1. heads under a truncation become tombstones, keeping their version: a later re-creation of the row must still be above it
 *  2. old tombstones at or below their partition's committed mark go, once the partition's floor stands above them
 *  3. old chunks go that are deleted, below their head, not in its list, or without one and at or below the mark; never one above its head
 */
export async function sweep(
  deps: SweepDeps,
  truncations: ReadonlyMap<TableId, Truncation>,
  limits: SweepLimits,
  progress: SweepProgress,
  signal: AbortSignal,
): Promise<{ heads: number; chunks: number }> {
  for (const [table, truncation] of truncations) await buryTruncated(deps, table, truncation, limits, signal);
  let heads = 0;
  for (const [partition, mark] of limits.committed) heads += await forget(deps, partition, mark, limits, signal);
  const oldest = limits.now - limits.horizonMs;
  const garbage = all(is('kind', 'chunk'), within('indexed', { lte: oldest }), is('deleted', true));
  const marked = await collect(deps, garbage, limits, signal);
  // What a zombie left is not marked as deleted. It comes within a horizon of its decision, so what was looked at a horizon after it was
  // written need not be looked at again: only the chunks written since.
  const since = progress.lookedAt === undefined ? {} : { gt: progress.lookedAt };
  const unseen = all(is('kind', 'chunk'), within('indexed', { ...since, lte: oldest }), is('deleted', false));
  const unmarked = await collect(deps, unseen, limits, signal);
  if (unmarked.undecided === 0) progress.lookedAt = oldest;
  return { heads, chunks: marked.gone + unmarked.gone };
}

async function buryTruncated(
  { store }: SweepDeps,
  table: TableId,
  truncation: Truncation,
  { now }: SweepLimits,
  signal: AbortSignal,
): Promise<void> {
  const filter = all(is('kind', 'head'), is('deleted', false), truncated(table, truncation));
  for await (const page of scroll(store, filter, { page: PAGE }, signal)) {
    for (const { payload } of page) {
      const head = headOf(payload);
      if (head.deleted || !isTruncated(head, truncation)) continue;
      await store.write(
        [
          {
            upsert: {
              points: [{ id: head.id, vector: {}, payload: headPayload(tombstoneOf(head, now)) }],
              update_filter: all(at(head), is('deleted', false)),
            },
          },
          {
            set_payload: {
              payload: { deleted: true, indexed: now },
              filter: all(is('doc', head.id), is('kind', 'chunk'), is('deleted', false), atOrBelow(head)),
            },
          },
        ],
        signal,
      );
    }
  }
}

function tombstoneOf({ rowHash: _gone, ...head }: Head, now: number): Head {
  const attributes = { tenant: head.attributes.tenant, access: [], title: '', uri: '', metadata: {} };
  return { ...head, attributes, chunks: [], deleted: true, indexedAt: now };
}

/** Deletes by stamp: what was seen, and nothing that has moved since. */
const exactly = (points: readonly { readonly id: string; readonly payload: Payload }[]): Filter =>
  any(
    ...points.map(({ id, payload }) =>
      all(hasId([id]), at(stampOf(payload)), is('deleted', payload['deleted'] === true)),
    ),
  );

async function forget(
  { store, reader }: SweepDeps,
  partition: PartitionId,
  mark: Version,
  { now, horizonMs }: SweepLimits,
  signal: AbortSignal,
): Promise<number> {
  const filter = all(
    is('kind', 'head'),
    is('deleted', true),
    is('partition', packText(partition)),
    within('ver', { lte: mark }),
    within('indexed', { lte: now - horizonMs }),
  );
  let gone = 0;
  for await (const page of scroll(store, filter, { page: PAGE }, signal)) {
    if (page.length === 0) continue;
    // The floor first: between the two, an event finds the head or the floor, never neither.
    const floors = page.map(({ payload }) => headOf(payload));
    await raiseFloor(store, partition, floors, signal);
    await store.write([{ delete: { filter: exactly(page) } }], signal);
    const left = await reader.read(
      page.map(({ id }) => id),
      signal,
    );
    gone += page.filter(({ id }) => !left.has(id)).length;
  }
  return gone;
}

const LEDGER_FIELDS = ['doc', 'ver', 'gen', 'partition', 'deleted', 'indexed'];

async function collect(
  { store, reader }: SweepDeps,
  filter: Filter,
  limits: SweepLimits,
  signal: AbortSignal,
): Promise<{ gone: number; undecided: number }> {
  let gone = 0;
  let undecided = 0;
  for await (const page of scroll(store, filter, { page: PAGE, payload: LEDGER_FIELDS }, signal)) {
    const documents = [...new Set(page.map(({ payload }) => payload['doc'] as string))];
    const heads = await reader.read(documents, signal);
    const garbage = page.filter(({ id, payload }) => {
      const head = heads.get(payload['doc'] as string);
      return isUnreachable(id, payload, head === undefined ? undefined : headOf(head), limits);
    });
    // Without a head and above the mark: a first write under way, or what is left of one.
    undecided += page.filter((one) => !heads.has(one.payload['doc'] as string) && !garbage.includes(one)).length;
    if (garbage.length === 0) continue;
    await store.write([{ delete: { filter: exactly(garbage) } }], signal);
    const left = await store.retrieve(
      garbage.map(({ id }) => id),
      signal,
      ['ver'],
    );
    gone += garbage.length - left.length;
  }
  return { gone, undecided };
}

/** Never a chunk above its head: that is a commit under way. Without a head only at or below the committed mark, for the same reason. */
export function isUnreachable(
  id: string,
  payload: Payload,
  head: Head | undefined,
  { now, horizonMs, committed }: SweepLimits,
): boolean {
  if (now - (payload['indexed'] as number) < horizonMs) return false;
  const stamp = stampOf(payload);
  if (head === undefined) {
    const mark = committed.get(unpackText(payload['partition'] as string) as PartitionId);
    return mark !== undefined && stamp.version <= mark;
  }
  const order = compareStamps(stamp, head);
  if (order > 0) return false;
  return order < 0 || payload['deleted'] === true || !head.chunks.some((ref) => ref.id === id);
}
