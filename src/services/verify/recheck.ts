import { kindOf } from '../../domain/errors.ts';
import type { DocumentId, RowKey, TableId } from '../../domain/ids.ts';
import type { Instant } from '../../domain/time.ts';
import type { StoredChunk } from '../../ports/index-store.ts';
import type { LiveSource } from '../live-source.ts';
import { currentToken, tokenReached } from '../tokens.ts';
import { compareDocument, type Problem } from './compare.ts';
import type { VerifyDeps } from './deps.ts';
import type { ExpectedDocument } from './expected.ts';
import { readOne, textHash } from './stored.ts';
import { wrongVectors } from './vectors.ts';

/** A document whose stored state differs from its row, and where to look again. */
export interface Suspect {
  readonly id: DocumentId;
  readonly table: TableId;
  /** Unknown for a document whose row was not found: heads hold no keys. */
  readonly row: { readonly live: LiveSource; readonly key: RowKey } | undefined;
  readonly problems: readonly Problem[];
  readonly vectorsWrong: boolean;
  /** Not later than when its state in the index was read first. */
  readonly foundAt: Instant;
}

/** What a suspect's row gives; undefined when it must not be indexed. */
type Expected = ExpectedDocument | undefined | 'poison';
type Look = Pick<Suspect, 'problems' | 'vectorsWrong'>;

const RECHECK_MS = 5_000;
/** A document is a problem once it was found wrong so many times … */
const FOUND_WRONG = 3;
/** … within so many looks. One that is edited faster than it can be looked at is not called one: each of its edits rewrites it. */
const LOOKS_MAX = 10;
/** Suspects that wait for one token: what their rows give is held meanwhile. */
const SUSPECTS_AT_ONCE = 200;

/**
 * Looks at every suspect again and again; only what stays wrong is a problem. A look reads the row, waits until the index has caught up
 * with a token taken after that, reads the index, and reads the row once more: only where the row is the same before and after does a
 * difference say anything.
 */
export async function recheck(
  deps: VerifyDeps,
  suspects: readonly Suspect[],
  signal: AbortSignal,
): Promise<readonly Suspect[]> {
  const problems: Suspect[] = [];
  for (let from = 0; from < suspects.length; from += SUSPECTS_AT_ONCE) {
    problems.push(...(await recheckSome(deps, suspects.slice(from, from + SUSPECTS_AT_ONCE), signal)));
  }
  return problems;
}

async function recheckSome(
  deps: VerifyDeps,
  suspects: readonly Suspect[],
  signal: AbortSignal,
): Promise<readonly Suspect[]> {
  const problems: Suspect[] = [];
  let left = suspects.map((suspect) => ({ suspect, foundWrong: 0 }));
  for (let look = 0; look < LOOKS_MAX && left.length > 0; look += 1) {
    const before: Expected[] = [];
    for (const { suspect } of left) before.push(await orPoison(() => expectedNow(deps, suspect, signal)));
    const sources = deps.sources();
    await tokenReached(await currentToken(sources, signal), sources, RECHECK_MS, signal);
    const next: typeof left = [];
    for (const [at, { suspect, foundWrong }] of left.entries()) {
      const seen = await lookAgain(deps, suspect, before[at], signal);
      if (seen === 'inconclusive') next.push({ suspect, foundWrong });
      else if (seen.problems.length === 0 && !seen.vectorsWrong) continue;
      else if (foundWrong + 1 < FOUND_WRONG)
        next.push({ suspect: { ...suspect, ...seen }, foundWrong: foundWrong + 1 });
      else problems.push({ ...suspect, ...seen });
    }
    left = next;
  }
  return problems;
}

const FINE: Look = { problems: [], vectorsWrong: false };

async function lookAgain(
  deps: VerifyDeps,
  suspect: Suspect,
  before: Expected,
  signal: AbortSignal,
): Promise<Look | 'inconclusive'> {
  // Edited meanwhile into something that cannot be indexed: its dead letter says so.
  if (before === 'poison') return FINE;
  const state = await readOne(deps.index, suspect.id, signal);
  const vectorsWrong = suspect.vectorsWrong && (await hasWrongVectors(deps, suspect.id, signal));
  // Deleted when the scan came by and inserted again since: written since, so its row exists.
  if (suspect.row === undefined && state.head !== undefined && state.head.indexedAt >= suspect.foundAt) return FINE;
  const problems = compareDocument(before, state, textHash);
  if (problems.length === 0) return { problems, vectorsWrong };
  const after = await orPoison(() => expectedNow(deps, suspect, signal));
  return isSame(before, after) ? { problems, vectorsWrong } : 'inconclusive';
}

/** The hash covers all that a mapping takes from a row. */
function isSame(before: ExpectedDocument | undefined, after: Expected): boolean {
  return after !== 'poison' && before?.rowHash === after?.rowHash;
}

/** Text and vector of a chunk are read together, so this says something whatever is edited meanwhile. */
async function hasWrongVectors(deps: VerifyDeps, id: DocumentId, signal: AbortSignal): Promise<boolean> {
  const chunks: StoredChunk[] = [];
  for await (const chunk of deps.index.scanChunks({ vectors: true, document: id }, signal)) {
    if (chunk.document === id && !chunk.deleted) chunks.push(chunk);
  }
  return (await wrongVectors(deps, chunks, signal)).size > 0;
}

export async function expectedNow(
  { expectations }: Pick<VerifyDeps, 'expectations'>,
  { id, table, row }: Suspect,
  signal: AbortSignal,
): Promise<ExpectedDocument | undefined> {
  if (row === undefined) return undefined;
  const mapping = row.live.mappings.get(table);
  const current = await row.live.source.row(table, row.key, signal);
  return mapping === undefined || current === undefined ? undefined : expectations.of(current, id, row.key, mapping);
}

export async function orPoison<T>(work: () => Promise<T>): Promise<T | 'poison'> {
  try {
    return await work();
  } catch (error) {
    if (kindOf(error) === 'poison') return 'poison';
    throw error;
  }
}
