import PQueue from 'p-queue';
import type { Head } from '../domain/document.ts';
import { kindOf } from '../domain/errors.ts';
import type { ChunkId, DocumentId, TableId } from '../domain/ids.ts';
import { isLaterTruncation } from '../domain/source-position.ts';
import type { Instant } from '../domain/time.ts';
import { isBelow } from '../domain/version.ts';
import type { EmbedQueue } from '../ingest/embed-queue.ts';
import type { Checkpoints } from '../ports/checkpoints.ts';
import type { Clock } from '../ports/clock.ts';
import type { DocumentWrite, Index } from '../ports/index-store.ts';
import { rowScanOf, type LiveSource } from './live-source.ts';
import type { Progress } from './services.ts';
import type { ExpectedDocument, Expectations } from './verify/expected.ts';
import { visiblePlace } from './verify/placement.ts';

/** Which documents were written to the live index since they were taken last, or since it was begun. Until it is disposed of, nothing is swept. */
export interface WriteWatch extends Disposable {
  /** True from before a reader can see the write. */
  has(id: DocumentId): boolean;
  take(): readonly DocumentId[];
}

export interface RebuildDeps {
  readonly live: Index & Checkpoints;
  readonly sources: () => readonly LiveSource[];
  readonly expectations: Expectations;
  readonly embedQueue: EmbedQueue;
  readonly settingsFingerprint: string;
  readonly clock: Clock;
  /** What is kept with the sources' positions besides them. */
  readonly alsoCopied?: readonly string[];
  /** An empty index beside the live one. */
  readonly openAside: () => Promise<Index & Checkpoints>;
  /** Removes it again, after a rebuild that failed. */
  readonly discardAside: () => Promise<void>;
  readonly watchWrites: () => WriteWatch;
  /**
   * Runs `last` while nothing reads or writes the live index, then puts the new one in its place, atomically: after a crash either the old
   * or the new one is there, whole. When it fails, one of them goes on.
   */
  readonly swap: (aside: Index & Checkpoints, last: (live: Index & Checkpoints) => Promise<void>) => Promise<void>;
}

const DOCUMENTS_AT_ONCE = 64;
/** Once this few documents changed since they were copied, the rest is done while the index stands still. */
const SMALL_DELTA = 50;
const CATCH_UP_ROUNDS = 20;
const HEADS_AT_ONCE = 500;

/**
 * Builds the index anew from the source's current rows beside the live one, which stays fed and searchable, and swaps it in. Documents take
 * the stamps their live heads have, so that the stream goes on where it is; what is written meanwhile is watched and copied over until
 * little is left. So what has to be done while the index stands still does not depend on its size.
 */
export async function rebuild(
  deps: RebuildDeps,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<{ readonly documents: number; readonly chunks: number }> {
  for (const live of deps.sources()) rowScanOf(live, 'The index cannot be built anew from its sources');
  const watch = deps.watchWrites();
  try {
    await buildAside(deps, await deps.openAside(), watch, onProgress, signal);
  } catch (error) {
    await deps.discardAside();
    throw error;
  } finally {
    watch[Symbol.dispose]();
  }
  const { documents, chunks } = await deps.live.stats(signal);
  return { documents, chunks };
}

async function buildAside(
  deps: RebuildDeps,
  aside: Index & Checkpoints,
  watch: WriteWatch,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<void> {
  await copyTruncations(deps.live, aside, signal);
  await carryGenerations(deps, aside, signal);
  await buildFromRows(deps, aside, watch, onProgress, signal);
  const tables = new Set(deps.sources().flatMap(({ mappings }) => [...mappings.keys()]));
  await copyTombstones(deps.live, aside, tables, signal);
  const catchUp = (live: Index): Promise<number> => copyWritten(live, aside, watch.take(), tables, signal);
  for (let round = 0; round < CATCH_UP_ROUNDS && (await catchUp(deps.live)) > SMALL_DELTA; round += 1) {
    onProgress({ phase: 'catching up', done: round + 1, total: undefined });
  }
  onProgress({ phase: 'swapping in', done: 0, total: undefined });
  await deps.swap(aside, async (live) => {
    const kept = [...deps.sources().map(({ source }) => source.name), ...(deps.alsoCopied ?? [])];
    const copyState = async (name: string): Promise<void> => {
      const state = await live.load(name);
      if (state !== undefined) await aside.save(name, state);
    };
    // All at once, to share transactions: what is there in part is not swapped in.
    await Promise.all([copyTruncations(live, aside, signal), catchUp(live), ...kept.map(copyState)]);
  });
}

async function copyTruncations(live: Index, aside: Index, signal: AbortSignal): Promise<void> {
  const known = await aside.truncations(signal);
  for (const [table, truncation] of await live.truncations(signal)) {
    if (isLaterTruncation(truncation, known.get(table))) await aside.truncate(table, truncation, signal);
  }
}

/**
 * Generations count on: the copied heads carry the live index's, and were the new one to begin at 1 again, a later start under other
 * settings would not get a higher one than they have, and would change nothing.
 */
async function carryGenerations(
  { live, settingsFingerprint }: RebuildDeps,
  aside: Index,
  signal: AbortSignal,
): Promise<void> {
  const newest = await live.registerSettings(settingsFingerprint, signal);
  for (let generation = 1; generation < newest; generation += 1) {
    await aside.registerSettings(`before a rebuild/${generation}`, signal);
  }
  await aside.registerSettings(settingsFingerprint, signal);
}

/** Every current row, redacted, chunked and embedded anew. */
async function buildFromRows(
  { live, sources, expectations, embedQueue, clock }: RebuildDeps,
  aside: Index,
  watch: WriteWatch,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<void> {
  let done = 0;
  const total = (await live.stats(signal)).documents;
  const truncations = await live.truncations(signal);
  const queue = new PQueue({ concurrency: DOCUMENTS_AT_ONCE });
  let failure: unknown;

  const build = async (expected: ExpectedDocument, source: string): Promise<void> => {
    const head = (await live.heads([expected.id], signal)).get(expected.id);
    // Deleted or written since: copied with the rest. Its row was read before, and must not stand under the stamp of the newer change.
    if (head?.deleted === true || watch.has(expected.id)) return;
    const vectors = await embedQueue.embedDocument(expected.chunks, 'backfill', signal);
    const insert = expected.chunks.map((chunk, at) => ({ chunk, vector: vectors[at] as Float32Array }));
    const known = head ?? unknownHead(expected, source, clock.now());
    const place = visiblePlace(head, truncations.get(expected.table));
    const { attributes, rowHash, refs: chunks } = expected;
    await aside.apply(
      { head: { ...known, ...place, attributes, rowHash, chunks, deleted: false }, keep: [], insert },
      signal,
    );
    done += 1;
    if (done % 100 === 0) onProgress({ phase: 'rebuilding', done, total: Math.max(total, done) });
  };

  for (const live of sources()) {
    const { source, mappings, documentId } = live;
    const scan = rowScanOf(live, 'The index cannot be built anew from its sources');
    for (const [table, mapping] of mappings) {
      for await (const { key, row } of scan.rows(table, signal)) {
        if (failure !== undefined) throw failure;
        const expected = orPoison(() => expectations.of(row, documentId(table, key), key, mapping));
        if (expected === undefined) continue;
        await queue.onSizeLessThan(DOCUMENTS_AT_ONCE);
        queue
          .add(() => build(expected, source.name))
          .catch((error: unknown) => {
            if (kindOf(error) !== 'poison') failure ??= error;
          });
      }
    }
  }
  await queue.onIdle();
  if (failure !== undefined) throw failure;
}

/** A poison row is in the dead letters, which say so. */
function orPoison<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (kindOf(error) === 'poison') return undefined;
    throw error;
  }
}

/** What a head says besides its document's content, of one the live index had lost. */
function unknownHead(
  { id, table }: ExpectedDocument,
  source: string,
  now: Instant,
): Omit<Head, 'version' | 'sourcePosition' | 'attributes' | 'rowHash' | 'chunks' | 'deleted'> {
  return {
    id,
    source,
    table,
    partition: source as Head['partition'],
    generation: 0,
    committedAt: now,
    receivedAt: now,
    indexedAt: now,
  };
}

/**
 * What the live index held before, and neither a row nor a tombstone accounts for, stays behind: mending that is what a rebuild is for. So
 * do tombstones of tables that left the configuration: with the position of their source gone, one that comes back starts at epoch 0, below
 * them.
 */
async function copyTombstones(
  live: Index,
  aside: Index,
  tables: ReadonlySet<TableId>,
  signal: AbortSignal,
): Promise<void> {
  for await (const head of live.scanHeads({}, signal)) {
    if (head.deleted && tables.has(head.table)) await aside.apply({ head, keep: [], insert: [] }, signal);
  }
}

/** Copies what the live pipeline wrote, as it wrote it. Returns how many documents the new index did not have at their newest. */
async function copyWritten(
  live: Index,
  aside: Index,
  written: readonly DocumentId[],
  tables: ReadonlySet<TableId>,
  signal: AbortSignal,
): Promise<number> {
  let copied = 0;
  for (let from = 0; from < written.length; from += HEADS_AT_ONCE) {
    const ids = written.slice(from, from + HEADS_AT_ONCE);
    const known = await aside.heads(ids, signal);
    for (const head of (await live.heads(ids, signal)).values()) {
      const there = known.get(head.id);
      if (!tables.has(head.table) || (there !== undefined && !isBelow(there, head))) continue;
      await aside.apply(await copyOf(live, head, signal), signal);
      copied += 1;
    }
  }
  return copied;
}

/**
 * A document written between the reading of its head and that of its chunks comes out in part, and whole with the next pass: that write is
 * watched, and stands above this one.
 */
async function copyOf(live: Index, head: Head, signal: AbortSignal): Promise<DocumentWrite> {
  if (head.deleted) return { head, keep: [], insert: [] };
  const refs = new Map(head.chunks.map((ref) => [ref.id, ref]));
  const insert = new Map<ChunkId, DocumentWrite['insert'][number]>();
  for await (const { id, text, vector } of live.scanChunks({ vectors: true, document: head.id }, signal)) {
    const ref = refs.get(id);
    if (ref !== undefined && vector !== undefined) insert.set(id, { chunk: { ...ref, text, tokens: 0 }, vector });
  }
  const chunks = head.chunks.filter(({ id }) => insert.has(id));
  return { head: { ...head, chunks }, keep: [], insert: [...insert.values()] };
}
