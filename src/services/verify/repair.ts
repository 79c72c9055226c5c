import type { Head } from '../../domain/document.ts';
import { tableId, type ChunkId, type DocumentId } from '../../domain/ids.ts';
import { epochOf, snapshotVersion, type Generation, type Version } from '../../domain/version.ts';
import type { EmbedQueue } from '../../ingest/embed-queue.ts';
import type { Clock } from '../../ports/clock.ts';
import type { DocumentWrite, Index } from '../../ports/index-store.ts';
import type { ExpectedDocument } from './expected.ts';

export interface RepairDeps {
  readonly index: Index;
  readonly embedQueue: EmbedQueue;
  readonly clock: Clock;
  readonly settingsFingerprint: string;
  /** Which source a document without a head belongs to. */
  readonly sourceOf: (expected: ExpectedDocument) => string;
  /** Heads that pipelines hold in memory are wrong after a repair. */
  readonly forgetHeads: () => void;
}

/**
 * Mends one document: wrong chunks are deleted by id, whatever their stamp, and the right ones written at the head's own version in a new
 * generation, which beats what is there and is beaten by the next change of the row.
 */
export function createRepair(
  deps: RepairDeps,
): (id: DocumentId, expected: ExpectedDocument | undefined, signal: AbortSignal) => Promise<void> {
  let generation: Promise<Generation> | undefined;
  return async (id, expected, signal) => {
    const { index, clock } = deps;
    generation ??= index.registerSettings(`${deps.settingsFingerprint}/repair/${clock.now()}`, signal);
    const head = (await index.heads([id], signal)).get(id);
    await index.deleteChunks(await storedIds(index, id, signal), signal);
    const stamp = {
      version: head?.version ?? (await newestEpoch(index, expected, signal)),
      generation: await generation,
    };
    await index.apply(await repairWrite(deps, id, expected, head, stamp, signal), signal);
    deps.forgetHeads();
  };
}

async function storedIds(index: Index, id: DocumentId, signal: AbortSignal): Promise<readonly ChunkId[]> {
  const ids: ChunkId[] = [];
  for await (const chunk of index.scanChunks({ vectors: false, document: id }, signal)) {
    if (chunk.document === id) ids.push(chunk.id);
  }
  return ids;
}

/** A document without a head takes the lowest version of its table's newest epoch: any streamed change beats it. */
async function newestEpoch(
  index: Index,
  expected: ExpectedDocument | undefined,
  signal: AbortSignal,
): Promise<Version> {
  let newest: Version = snapshotVersion(0);
  if (expected === undefined) return newest;
  for await (const head of index.scanHeads({ table: expected.table }, signal)) {
    if (head.version > newest) newest = head.version;
  }
  return snapshotVersion(epochOf(newest));
}

async function repairWrite(
  { embedQueue, clock, sourceOf }: RepairDeps,
  id: DocumentId,
  expected: ExpectedDocument | undefined,
  head: Head | undefined,
  stamp: { readonly version: Version; readonly generation: Generation },
  signal: AbortSignal,
): Promise<DocumentWrite> {
  const now = clock.now();
  const source = head?.source ?? (expected === undefined ? 'unknown' : sourceOf(expected));
  const base = {
    id,
    source,
    table: head?.table ?? expected?.table ?? tableId('unknown'),
    partition: head?.partition ?? (source as Head['partition']),
    ...stamp,
    ...(head?.sourcePosition === undefined ? {} : { sourcePosition: head.sourcePosition }),
    committedAt: head?.committedAt ?? now,
    receivedAt: now,
    indexedAt: now,
  };
  if (expected === undefined) {
    const attributes = { ...(head?.attributes ?? EMPTY), title: '', uri: '', metadata: {} };
    return { head: { ...base, attributes, chunks: [], deleted: true }, keep: [], insert: [] };
  }
  const vectors = await embedQueue.embedDocument(expected.chunks, 'backfill', signal);
  const insert = expected.chunks.map((chunk, at) => ({ chunk, vector: vectors[at] as Float32Array }));
  const { attributes, rowHash, refs } = expected;
  return { head: { ...base, attributes, rowHash, chunks: refs, deleted: false }, keep: [], insert };
}

const EMPTY = { tenant: 'default' as Head['attributes']['tenant'], access: [] };
