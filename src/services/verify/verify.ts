import type { Head } from '../../domain/document.ts';
import { kindOf } from '../../domain/errors.ts';
import type { DocumentId, TableId } from '../../domain/ids.ts';
import type { StoredChunk } from '../../ports/index-store.ts';
import type { RowScan } from '../../ports/rows.ts';
import { rowScanOf, whyNoRows, type LiveSource } from '../live-source.ts';
import type { Progress, VerifyReport } from '../services.ts';
import { currentToken, tokenReached } from '../tokens.ts';
import { compareDocument, type Problem, type StoredState } from './compare.ts';
import type { VerifyDeps } from './deps.ts';
import { recheck } from './recheck.ts';
import { expectedNow } from './rows-now.ts';
import { readStored, textHash } from './stored.ts';
import { inBatches, type Expected, type Suspect } from './suspects.ts';
import { wrongVectors } from './vectors.ts';

export type { VerifyDeps } from './deps.ts';

export interface VerifyOptions {
  readonly repair: boolean;
  /** How many stored vectors are embedded anew and compared. */
  readonly vectorSample: number;
}

const CATCH_UP_MS = 60_000;
const PROBLEMS_LISTED = 1_000;

/**
 * Compares the live index with a rebuild from the source's current rows, while both go on changing: what differs is looked at again before
 * it is called a problem (recheck.ts).
 */
export async function verify(
  deps: VerifyDeps,
  options: VerifyOptions,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<VerifyReport> {
  const started = deps.clock.monotonic();
  const sources = deps.sources();
  const compared = comparable(sources);
  const notCompared = sources.filter(({ rowScan }) => rowScan === undefined);
  onProgress({ phase: 'waiting for the index to catch up', done: 0, total: undefined });
  const token = await currentToken(sources, signal);
  await tokenReached(token, sources, CATCH_UP_MS, signal);

  const readAt = deps.clock.now();
  onProgress({ phase: 'reading the index', done: 0, total: undefined });
  const stored = await readStored(deps.index, { vectorSample: options.vectorSample, random: deps.random }, signal);
  const scan = await compareRows(deps, compared, stored.states, onProgress, signal);
  // A chunk that is wrong anyway says nothing about its document's vectors.
  const wrong = new Set(scan.suspects.flatMap(({ problems }) => problems.map(({ chunk }) => chunk)));
  const sample = stored.sample.filter(({ id }) => !wrong.has(id));
  const vectorsWrong = await checkSample(deps, sample, onProgress, signal);
  const unread = new Set(notCompared.map(({ source }) => source.name));
  const unseen = [...stored.states].filter(([id, { head }]) => !scan.seen.has(id) && !unread.has(head?.source ?? ''));
  const suspects: Suspect[] = [
    ...withVectors(scan, vectorsWrong),
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
    found = await recheck(deps, found, signal);
  }
  return report(found, {
    documents: scan.seen.size,
    chunks: stored.chunks,
    vectorsChecked: sample.length,
    unindexable: scan.unindexable,
    tookMs: deps.clock.monotonic() - started,
    token,
    repaired,
    comparedWith: compared.map(({ source, rowScan }) => ({ source: source.name, origin: rowScan.origin })),
    notCompared: notCompared.map((live) => ({ source: live.source.name, reason: whyNoRows(live) })),
  });
}

interface ComparableSource extends LiveSource {
  readonly rowScan: RowScan;
}

/** Those whose rows can be read. @throws poison SOURCE_ROWS_UNAVAILABLE where there is none. */
function comparable(sources: readonly LiveSource[]): readonly ComparableSource[] {
  const compared = sources.filter((live): live is ComparableSource => live.rowScan !== undefined);
  const [first] = sources;
  if (compared.length === 0 && first !== undefined) rowScanOf(first, 'There is nothing to compare the index with');
  return compared;
}

type Place = Omit<Suspect, 'problems' | 'vectorsWrong'>;

interface RowScanResult {
  readonly seen: ReadonlyMap<DocumentId, Place>;
  readonly suspects: readonly Suspect[];
  readonly unindexable: number;
}

async function compareRows(
  { expectations, clock }: VerifyDeps,
  sources: readonly ComparableSource[],
  states: ReadonlyMap<DocumentId, StoredState>,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<RowScanResult> {
  const seen = new Map<DocumentId, Place>();
  const suspects: Suspect[] = [];
  let unindexable = 0;
  for (const live of sources) {
    for (const [table, mapping] of live.mappings) {
      for await (const { key, row } of live.rowScan.rows(table, signal)) {
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

async function checkSample(
  deps: VerifyDeps,
  sample: readonly StoredChunk[],
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<ReadonlySet<DocumentId>> {
  if (sample.length > 0) onProgress({ phase: 'checking vectors', done: 0, total: sample.length });
  return wrongVectors(deps, sample, signal);
}

function withVectors(scan: RowScanResult, wrong: ReadonlySet<DocumentId>): readonly Suspect[] {
  const known = new Set(scan.suspects.map((suspect) => suspect.id));
  const more = [...wrong].flatMap((id): Suspect[] => {
    const place = scan.seen.get(id);
    return place === undefined || known.has(id) ? [] : [{ ...place, problems: [], vectorsWrong: true }];
  });
  return [...scan.suspects.map((suspect) => ({ ...suspect, vectorsWrong: wrong.has(suspect.id) })), ...more];
}

async function repairAll(
  { expectations, repair }: VerifyDeps,
  found: readonly Suspect[],
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<number> {
  const byId = new Map(found.map((suspect) => [suspect.id, suspect]));
  const expectedOf = async (ids: readonly DocumentId[]): Promise<ReadonlyMap<DocumentId, Expected>> => {
    const suspects = ids.flatMap((id) => byId.get(id) ?? []);
    const expected = await expectedNow(expectations, suspects, signal);
    return new Map([...expected].map(([{ id }, gives]) => [id, gives]));
  };
  let repaired = 0;
  for (const some of inBatches(found)) {
    onProgress({ phase: 'repairing', done: repaired, total: found.length });
    repaired += await repair(
      some.map(({ id }) => id),
      expectedOf,
      signal,
    );
  }
  return repaired;
}

function tableOf(head: Head | undefined): TableId {
  return head?.table ?? ('unknown' as TableId);
}

function report(
  found: readonly Suspect[],
  facts: Pick<
    VerifyReport,
    | 'documents'
    | 'chunks'
    | 'vectorsChecked'
    | 'unindexable'
    | 'tookMs'
    | 'token'
    | 'repaired'
    | 'comparedWith'
    | 'notCompared'
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
