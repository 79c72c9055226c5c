import type { Head } from '../../domain/document.ts';
import { tableId, type ChunkId, type DocumentId } from '../../domain/ids.ts';
import { compareStamps, type Generation } from '../../domain/version.ts';
import type { EmbedQueue } from '../../ingest/embed-queue.ts';
import type { Clock } from '../../ports/clock.ts';
import type { DocumentWrite, Index } from '../../ports/index-store.ts';
import type { ExpectedDocument } from './expected.ts';
import { visiblePlace } from './placement.ts';

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

export type Repair = (
  id: DocumentId,
  /** What its row gives now; undefined when it must not be indexed. Asked again whenever the document changed meanwhile. */
  expected: () => Promise<ExpectedDocument | undefined>,
  signal: AbortSignal,
) => Promise<void>;

/** A document that changes faster than this is mended by its own changes. */
const ATTEMPTS = 5;

/**
 * Mends one document: wrong chunks are deleted by id, whatever their stamp, and the right ones written at the head's own version in a new
 * generation, which beats what is there and is beaten by the next change of the row.
 */
export function createRepair(deps: RepairDeps): Repair {
  const { index, clock } = deps;
  let generation = 0;
  let registered = 0;
  /** A write that is not above what is stored is nothing to do, and would leave a document whose chunks were just deleted. */
  const generationAbove = async (head: Head | undefined, signal: AbortSignal): Promise<Generation> => {
    if (generation === 0 || (head !== undefined && head.generation >= generation)) {
      registered += 1;
      const fingerprint = `${deps.settingsFingerprint}/repair/${clock.now()}/${registered}`;
      generation = await index.registerSettings(fingerprint, signal);
    }
    return generation;
  };
  return async (id, expectedNow, signal) => {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      // The head before the row: what is written at the head's version must not be older than it.
      const head = (await index.heads([id], signal)).get(id);
      const expected = await expectedNow();
      const write = await repairWrite(deps, id, expected, head, await generationAbove(head, signal), signal);
      await index.deleteChunks(await storedIds(index, id, signal), signal);
      await index.apply(write, signal);
      deps.forgetHeads();
      const now = (await index.heads([id], signal)).get(id);
      if (now !== undefined && compareStamps(now, write.head) === 0) return;
      // The pipeline wrote a change meanwhile, perhaps keeping a chunk that was deleted under it: mend that one.
    }
  };
}

async function storedIds(index: Index, id: DocumentId, signal: AbortSignal): Promise<readonly ChunkId[]> {
  const ids: ChunkId[] = [];
  for await (const chunk of index.scanChunks({ vectors: false, document: id }, signal)) {
    if (chunk.document === id) ids.push(chunk.id);
  }
  return ids;
}

async function repairWrite(
  { index, embedQueue, clock, sourceOf }: RepairDeps,
  id: DocumentId,
  expected: ExpectedDocument | undefined,
  head: Head | undefined,
  generation: Generation,
  signal: AbortSignal,
): Promise<DocumentWrite> {
  const now = clock.now();
  const source = head?.source ?? (expected === undefined ? 'unknown' : sourceOf(expected));
  const table = head?.table ?? expected?.table ?? tableId('unknown');
  const base = {
    id,
    source,
    table,
    partition: head?.partition ?? (source as Head['partition']),
    ...visiblePlace(head, (await index.truncations(signal)).get(table)),
    generation,
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
