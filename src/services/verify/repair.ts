import type { Head } from '../../domain/document.ts';
import { tableId, type ChunkId, type DocumentId } from '../../domain/ids.ts';
import { compareStamps, type Generation } from '../../domain/version.ts';
import type { EmbedQueue } from '../../ingest/embed-queue.ts';
import type { Clock } from '../../ports/clock.ts';
import type { DocumentWrite, Index } from '../../ports/index-store.ts';
import type { ExpectedDocument } from './expected.ts';
import { visiblePlace } from './placement.ts';
import { orPoison, type Expected } from './suspects.ts';

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
 * Mends documents. Resolves with how many: not those whose rows cannot be indexed as they are, which stay as they were and are reported.
 * @param expectedOf what the rows of some documents give now; asked again for those that changed meanwhile
 */
export type Repair = (
  ids: readonly DocumentId[],
  expectedOf: (ids: readonly DocumentId[]) => Promise<ReadonlyMap<DocumentId, Expected>>,
  signal: AbortSignal,
) => Promise<number>;

/** A document that changes faster than this is mended by its own changes. */
const ATTEMPTS = 5;

/**
 * Wrong chunks are deleted by id, whatever their stamp, and the right ones written at the head's own version in a new generation, which
 * beats what is there and is beaten by the next change of the row.
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
  const headOf = async (id: DocumentId, signal: AbortSignal): Promise<Head | undefined> =>
    (await index.heads([id], signal)).get(id);

  /** False when the document changed meanwhile, perhaps keeping a chunk that was deleted under it. */
  const mend = async (
    id: DocumentId,
    head: Head | undefined,
    expected: ExpectedDocument | undefined,
    signal: AbortSignal,
  ): Promise<boolean> => {
    // The documents before this one took their time.
    if (!isSameStamp(await headOf(id, signal), head)) return false;
    const write = await repairWrite(deps, id, expected, head, await generationAbove(head, signal), signal);
    await index.deleteChunks(await storedIds(index, id, signal), signal);
    await index.apply(write, signal);
    deps.forgetHeads();
    return isSameStamp(await headOf(id, signal), write.head);
  };

  return async (ids, expectedOf, signal) => {
    let left = ids;
    let refused = 0;
    for (let attempt = 1; attempt <= ATTEMPTS && left.length > 0; attempt += 1) {
      // The heads before the rows: what is written at a head's version must not be older than it.
      const heads = await index.heads(left, signal);
      const expected = await expectedOf(left);
      const changed: DocumentId[] = [];
      for (const id of left) {
        const wanted = expected.get(id);
        // One that the redactor or the embedder refuses keeps no other from being mended.
        const done = wanted === 'poison' ? wanted : await orPoison(() => mend(id, heads.get(id), wanted, signal));
        if (done === 'poison') refused += 1;
        else if (!done) changed.push(id);
      }
      left = changed;
    }
    return ids.length - refused;
  };
}

const isSameStamp = (a: Head | undefined, b: Head | undefined): boolean =>
  a === undefined || b === undefined ? a === b : compareStamps(a, b) === 0;

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
