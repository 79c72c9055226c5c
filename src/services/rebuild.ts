import PQueue from 'p-queue';
import type { Head } from '../domain/document.ts';
import { kindOf } from '../domain/errors.ts';
import type { DocumentId, TableId } from '../domain/ids.ts';
import type { Instant } from '../domain/time.ts';
import { compareStamps } from '../domain/version.ts';
import type { EmbedQueue } from '../ingest/embed-queue.ts';
import type { Checkpoints } from '../ports/checkpoints.ts';
import type { Clock } from '../ports/clock.ts';
import type { DocumentWrite, Index } from '../ports/index-store.ts';
import type { LiveSource } from './live-source.ts';
import type { Progress } from './services.ts';
import type { ExpectedDocument, Expectations } from './verify/expected.ts';
import { visiblePlace } from './verify/placement.ts';

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
  /**
   * Runs `last` while nothing reads or writes the live index, then puts the new one in its place, atomically: after a crash either the old
   * or the new one is there, whole.
   */
  readonly swap: (aside: Index & Checkpoints, last: (live: Index & Checkpoints) => Promise<void>) => Promise<void>;
}

const DOCUMENTS_AT_ONCE = 64;
/** Once this few documents changed since they were copied, the rest is done while the index stands still. */
const SMALL_DELTA = 50;
const CATCH_UP_ROUNDS = 20;

/**
 * Builds the index anew from the source's current rows beside the live one, which stays fed and searchable, and swaps it in. Documents take
 * the stamps their live heads have, so that the stream goes on where it is; what changes meanwhile is copied over until little is left.
 */
export async function rebuild(
  deps: RebuildDeps,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<{ readonly documents: number; readonly chunks: number }> {
  const startedAt = deps.clock.now();
  const aside = await deps.openAside();
  try {
    for (const [table, truncation] of await deps.live.truncations(signal))
      await aside.truncate(table, truncation, signal);
    await carryGenerations(deps, aside, signal);
    const fromRows = await buildFromRows(deps, aside, startedAt, onProgress, signal);
    const tables = new Set(deps.sources().flatMap(({ mappings }) => [...mappings.keys()]));
    const copy = (live: Index): Promise<number> => copyChanged(live, aside, { fromRows, tables, startedAt }, signal);
    for (let round = 0; round < CATCH_UP_ROUNDS && (await copy(deps.live)) > SMALL_DELTA; round += 1) {
      onProgress({ phase: 'catching up', done: round + 1, total: undefined });
    }
    onProgress({ phase: 'swapping in', done: 0, total: undefined });
    await deps.swap(aside, async (live) => {
      await copyTruncations(live, aside, signal);
      await copy(live);
      for (const name of [...deps.sources().map(({ source }) => source.name), ...(deps.alsoCopied ?? [])]) {
        const state = await live.load(name);
        if (state !== undefined) await aside.save(name, state);
      }
    });
  } catch (error) {
    await aside[Symbol.asyncDispose]();
    throw error;
  }
  const { documents, chunks } = await deps.live.stats(signal);
  return { documents, chunks };
}

async function copyTruncations(live: Index, aside: Index, signal: AbortSignal): Promise<void> {
  for (const [table, truncation] of await live.truncations(signal)) await aside.truncate(table, truncation, signal);
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
  startedAt: Instant,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<ReadonlySet<DocumentId>> {
  const done = new Set<DocumentId>();
  const total = (await live.stats(signal)).documents;
  const truncations = await live.truncations(signal);
  const queue = new PQueue({ concurrency: DOCUMENTS_AT_ONCE });
  let failure: unknown;

  const build = async (expected: ExpectedDocument, source: string): Promise<void> => {
    const head = (await live.heads([expected.id], signal)).get(expected.id);
    // Deleted or changed since: copied with the rest. Its row was read before, and must not stand under the stamp of the newer change.
    if (head?.deleted === true || (head !== undefined && head.indexedAt >= startedAt)) return;
    const vectors = await embedQueue.embedDocument(expected.chunks, 'backfill', signal);
    const insert = expected.chunks.map((chunk, at) => ({ chunk, vector: vectors[at] as Float32Array }));
    const known = head ?? unknownHead(expected, source, clock.now());
    const place = visiblePlace(head, truncations.get(expected.table));
    const { attributes, rowHash, refs: chunks } = expected;
    await aside.apply(
      { head: { ...known, ...place, attributes, rowHash, chunks, deleted: false }, keep: [], insert },
      signal,
    );
    done.add(expected.id);
    if (done.size % 100 === 0) onProgress({ phase: 'rebuilding', done: done.size, total: Math.max(total, done.size) });
  };

  for (const { source, mappings, documentId } of sources()) {
    for (const [table, mapping] of mappings) {
      for await (const { key, row } of source.rows(table, signal)) {
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
  return done;
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

/** What of the live index is copied. */
interface Copied {
  readonly fromRows: ReadonlySet<DocumentId>;
  readonly tables: ReadonlySet<TableId>;
  readonly startedAt: Instant;
}

/**
 * Copies tombstones and every document that was written since the rebuild began, as the live pipeline wrote it. What the live index held
 * before and no row accounts for stays behind: mending that is what a rebuild is for. So do tombstones of tables that left the configuration:
 * with the position of their source gone, one that comes back starts at epoch 0, below them.
 */
async function copyChanged(
  live: Index,
  aside: Index,
  { fromRows, tables, startedAt }: Copied,
  signal: AbortSignal,
): Promise<number> {
  const heads: Head[] = [];
  for await (const head of live.scanHeads({}, signal)) {
    if (!tables.has(head.table)) continue;
    if (head.deleted || head.indexedAt >= startedAt || fromRows.has(head.id)) heads.push(head);
  }
  let copied = 0;
  for (const head of heads) {
    const there = (await aside.heads([head.id], signal)).get(head.id);
    if (there !== undefined && compareStamps(there, head) >= 0) continue;
    await aside.apply(await copyOf(live, head, signal), signal);
    copied += 1;
  }
  return copied;
}

async function copyOf(live: Index, head: Head, signal: AbortSignal): Promise<DocumentWrite> {
  if (head.deleted) return { head, keep: [], insert: [] };
  const refs = new Map(head.chunks.map((ref) => [ref.id, ref]));
  const insert: DocumentWrite['insert'][number][] = [];
  for await (const chunk of live.scanChunks({ vectors: true, document: head.id }, signal)) {
    const ref = refs.get(chunk.id);
    if (chunk.document !== head.id || ref === undefined || chunk.vector === undefined) continue;
    insert.push({ chunk: { ...ref, text: chunk.text, tokens: 0 }, vector: chunk.vector });
  }
  return { head, keep: [], insert };
}
