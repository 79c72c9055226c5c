import type { Head } from '../../domain/document.ts';
import { kindOf } from '../../domain/errors.ts';
import type { DocumentId, RowKey, TableId } from '../../domain/ids.ts';
import type { Instant } from '../../domain/time.ts';
import type { EmbedQueue } from '../../ingest/embed-queue.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Index, StoredChunk } from '../../ports/index-store.ts';
import type { LiveSource } from '../live-source.ts';
import type { Progress, VerifyReport } from '../services.ts';
import { currentToken, tokenReached } from '../tokens.ts';
import { compareDocument, type Problem, type StoredState } from './compare.ts';
import type { ExpectedDocument, Expectations } from './expected.ts';
import type { Repair } from './repair.ts';
import { readOne, readStored, textHash } from './stored.ts';

export interface VerifyDeps {
  readonly index: Index;
  readonly sources: () => readonly LiveSource[];
  readonly expectations: Expectations;
  readonly embedQueue: EmbedQueue;
  readonly tokensOf: (text: string) => number;
  readonly clock: Clock;
  readonly random: () => number;
  /** Writes an expected document, or removes one that must not exist, so that it beats whatever is stored. */
  readonly repair: Repair;
}

export interface VerifyOptions {
  readonly repair: boolean;
  /** How many stored vectors are embedded anew and compared. */
  readonly vectorSample: number;
}

/** A document whose stored state differs from its row, and where to look again. */
interface Suspect {
  readonly id: DocumentId;
  readonly table: TableId;
  /** Unknown for a document whose row was not found: heads hold no keys. */
  readonly row: { readonly live: LiveSource; readonly key: RowKey } | undefined;
  readonly problems: readonly Problem[];
  readonly vectorsWrong: boolean;
  /** Not later than when its state in the index was read first. */
  readonly foundAt: Instant;
}

const CATCH_UP_MS = 60_000;
const RECHECK_MS = 5_000;
const RECHECKS = 3;
const COSINE_MIN = 0.999;
const PROBLEMS_LISTED = 1_000;

/**
 * Compares the live index with a rebuild from the source's current rows, while both go on changing: what differs is looked at again, after
 * the index has caught up with a new token, before it is called a problem.
 */
export async function verify(
  deps: VerifyDeps,
  options: VerifyOptions,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<VerifyReport> {
  const started = deps.clock.monotonic();
  const sources = deps.sources();
  onProgress({ phase: 'waiting for the index to catch up', done: 0, total: undefined });
  const token = await currentToken(sources, signal);
  await tokenReached(token, sources, CATCH_UP_MS, signal);

  const readAt = deps.clock.now();
  onProgress({ phase: 'reading the index', done: 0, total: undefined });
  const stored = await readStored(deps.index, { vectorSample: options.vectorSample, random: deps.random }, signal);
  const scan = await compareRows(deps, stored.states, onProgress, signal);
  // A chunk that is wrong anyway says nothing about its document's vectors.
  const wrong = new Set(scan.suspects.flatMap(({ problems }) => problems.map(({ chunk }) => chunk)));
  const sample = stored.sample.filter(({ id }) => !wrong.has(id));
  const wrongVectors = await checkVectors(deps, sample, onProgress, signal);
  const unseen = [...stored.states].filter(([id]) => !scan.seen.has(id));
  const suspects: Suspect[] = [
    ...withVectors(scan, wrongVectors),
    ...unseen.flatMap(([id, state]): Suspect[] => {
      const problems = compareDocument(undefined, state, textHash);
      return problems.length === 0
        ? []
        : [
            {
              id,
              table: tableOf(state.head),
              row: undefined,
              problems,
              vectorsWrong: false,
              foundAt: readAt,
            },
          ];
    }),
  ];

  let found = await recheck(deps, suspects, signal);
  let repaired = 0;
  if (options.repair && found.length > 0) {
    repaired = await repairAll(deps, found, onProgress, signal);
    found = await recheck(
      deps,
      found.map((suspect) => ({ ...suspect, vectorsWrong: false })),
      signal,
    );
  }
  return report(found, {
    documents: scan.seen.size,
    chunks: stored.chunks,
    vectorsChecked: sample.length,
    unindexable: scan.unindexable,
    tookMs: deps.clock.monotonic() - started,
    token,
    repaired,
  });
}

type Place = Omit<Suspect, 'problems' | 'vectorsWrong'>;

interface RowScanResult {
  readonly seen: ReadonlyMap<DocumentId, Place>;
  readonly suspects: readonly Suspect[];
  readonly unindexable: number;
}

async function compareRows(
  { sources, expectations, clock }: VerifyDeps,
  states: ReadonlyMap<DocumentId, StoredState>,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<RowScanResult> {
  const seen = new Map<DocumentId, Place>();
  const suspects: Suspect[] = [];
  let unindexable = 0;
  for (const live of sources()) {
    for (const [table, mapping] of live.mappings) {
      for await (const { key, row } of live.source.rows(table, signal)) {
        const id = live.documentId(table, key);
        const place = { id, table, row: { live, key }, foundAt: clock.now() };
        seen.set(id, place);
        if (seen.size % 500 === 0) onProgress({ phase: 'comparing', done: seen.size, total: states.size });
        try {
          const expected = expectations.of(row, id, key, mapping);
          const state = states.get(id) ?? { head: undefined, chunks: [] };
          const problems = compareDocument(expected, state, textHash);
          if (problems.length > 0) suspects.push({ ...place, problems, vectorsWrong: false });
        } catch (error) {
          if (kindOf(error) !== 'poison') throw error;
          unindexable += 1;
        }
      }
    }
  }
  return { seen, suspects, unindexable };
}

/** Embeds a sample anew: the ids of the documents whose stored vector is not the text's. */
async function checkVectors(
  { embedQueue, tokensOf }: VerifyDeps,
  sample: readonly StoredChunk[],
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<ReadonlySet<DocumentId>> {
  if (sample.length === 0) return new Set();
  onProgress({ phase: 'checking vectors', done: 0, total: sample.length });
  const inputs = sample.map(({ text }) => ({ text, tokens: tokensOf(text) }));
  const vectors = await embedQueue.embedDocument(inputs, 'backfill', signal);
  const wrong = sample.filter((chunk, at) => cosine(chunk.vector, vectors[at]) < COSINE_MIN);
  return new Set(wrong.map((chunk) => chunk.document));
}

/** Cosine of two unit vectors; of different or no lengths it is −1. */
function cosine(a: Float32Array | undefined, b: Float32Array | undefined): number {
  if (a === undefined || b === undefined || a.length !== b.length) return -1;
  return a.reduce((sum, value, at) => sum + value * (b[at] as number), 0);
}

function withVectors(scan: RowScanResult, wrong: ReadonlySet<DocumentId>): readonly Suspect[] {
  const known = new Set(scan.suspects.map((suspect) => suspect.id));
  const more = [...wrong].flatMap((id): Suspect[] => {
    const place = scan.seen.get(id);
    return place === undefined || known.has(id) ? [] : [{ ...place, problems: [], vectorsWrong: true }];
  });
  return [...scan.suspects.map((suspect) => ({ ...suspect, vectorsWrong: wrong.has(suspect.id) })), ...more];
}

/** Looks at every suspect again after the index caught up; only what stays wrong each time is a problem. */
async function recheck(
  deps: VerifyDeps,
  suspects: readonly Suspect[],
  signal: AbortSignal,
): Promise<readonly Suspect[]> {
  let left = suspects;
  for (let round = 0; round < RECHECKS && left.length > 0; round += 1) {
    const sources = deps.sources();
    await tokenReached(await currentToken(sources, signal), sources, RECHECK_MS, signal);
    const next: Suspect[] = [];
    for (const suspect of left) {
      const problems = await lookAgain(deps, suspect, signal);
      if (problems.length > 0 || suspect.vectorsWrong) next.push({ ...suspect, problems });
    }
    left = next;
  }
  return left;
}

async function lookAgain(deps: VerifyDeps, suspect: Suspect, signal: AbortSignal): Promise<readonly Problem[]> {
  const expected = await orPoison(() => expectedNow(deps, suspect, signal));
  // Edited meanwhile into something that cannot be indexed: its dead letter says so.
  if (expected === 'poison') return [];
  const state = await readOne(deps.index, suspect.id, signal);
  // Deleted when the scan came by and inserted again since: written since, so its row exists.
  if (suspect.row === undefined && state.head !== undefined && state.head.indexedAt >= suspect.foundAt) return [];
  return compareDocument(expected, state, textHash);
}

async function expectedNow(
  { expectations }: VerifyDeps,
  { id, table, row }: Suspect,
  signal: AbortSignal,
): Promise<ExpectedDocument | undefined> {
  if (row === undefined) return undefined;
  const mapping = row.live.mappings.get(table);
  const current = await row.live.source.row(table, row.key, signal);
  return mapping === undefined || current === undefined ? undefined : expectations.of(current, id, row.key, mapping);
}

async function repairAll(
  deps: VerifyDeps,
  found: readonly Suspect[],
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<number> {
  let repaired = 0;
  for (const suspect of found) {
    onProgress({ phase: 'repairing', done: repaired, total: found.length });
    // One that the redactor or the embedder refuses stays as it is, and is reported; the others are mended all the same.
    const outcome = await orPoison(() => deps.repair(suspect.id, () => expectedNow(deps, suspect, signal), signal));
    if (outcome !== 'poison') repaired += 1;
  }
  return repaired;
}

async function orPoison<T>(work: () => Promise<T>): Promise<T | 'poison'> {
  try {
    return await work();
  } catch (error) {
    if (kindOf(error) === 'poison') return 'poison';
    throw error;
  }
}

function tableOf(head: Head | undefined): TableId {
  return head?.table ?? ('unknown' as TableId);
}

function report(
  found: readonly Suspect[],
  facts: Pick<
    VerifyReport,
    'documents' | 'chunks' | 'vectorsChecked' | 'unindexable' | 'tookMs' | 'token' | 'repaired'
  >,
): VerifyReport {
  const problems = found.flatMap(({ id, table, problems: own, vectorsWrong }) => [
    ...own.map((problem) => ({ ...problem, table, document: id })),
    ...(vectorsWrong ? [{ kind: 'stale', table, document: id, detail: 'vector' } as const] : []),
  ]);
  const count = (kind: Problem['kind']): number => problems.filter((problem) => problem.kind === kind).length;
  return {
    missing: count('missing'),
    stale: count('stale'),
    ghost: count('ghost'),
    duplicate: count('duplicate'),
    ...facts,
    problems: problems.slice(0, PROBLEMS_LISTED),
  };
}
