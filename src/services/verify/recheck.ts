import type { StoredChunk } from '../../ports/index-store.ts';
import type { DocumentId } from '../../domain/ids.ts';
import { currentToken, tokenReached } from '../tokens.ts';
import { compareDocument } from './compare.ts';
import type { VerifyDeps } from './deps.ts';
import { expectedNow } from './rows-now.ts';
import { readOne, textHash } from './stored.ts';
import { inBatches, type Expected, type Suspect } from './suspects.ts';
import { wrongVectors } from './vectors.ts';

type Look = Pick<Suspect, 'problems' | 'vectorsWrong'>;

const RECHECK_MS = 5_000;
/** A document is a problem once it was found wrong so many times … */
const FOUND_WRONG = 3;
/** … within so many looks. One that is edited faster than it can be looked at is not called one: each of its edits rewrites it. */
const LOOKS_MAX = 10;

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
  for (const some of inBatches(suspects)) problems.push(...(await recheckSome(deps, some, signal)));
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
    const before = await expectedNow(deps.expectations, suspectsOf(left), signal);
    const sources = deps.sources();
    await tokenReached(await currentToken(sources, signal), sources, RECHECK_MS, signal);
    const looks = new Map<Suspect, Look>();
    for (const { suspect } of left) {
      looks.set(suspect, await lookAgain(deps, suspect, before.get(suspect), signal));
    }
    const differing = suspectsOf(left).filter((suspect) => looks.get(suspect)?.problems.length !== 0);
    const after = await expectedNow(deps.expectations, differing, signal);
    const next: typeof left = [];
    for (const { suspect, foundWrong } of left) {
      const seen = looks.get(suspect) ?? FINE;
      const isConclusive = !after.has(suspect) || isSame(before.get(suspect), after.get(suspect));
      if (!isConclusive) next.push({ suspect, foundWrong });
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

const suspectsOf = (left: readonly { readonly suspect: Suspect }[]): readonly Suspect[] =>
  left.map(({ suspect }) => suspect);

async function lookAgain(deps: VerifyDeps, suspect: Suspect, expected: Expected, signal: AbortSignal): Promise<Look> {
  // Edited meanwhile into something that cannot be indexed: its dead letter says so.
  if (expected === 'poison') return FINE;
  const state = await readOne(deps.index, suspect.id, signal);
  const vectorsWrong = suspect.vectorsWrong && (await hasWrongVectors(deps, suspect.id, signal));
  // Deleted when the scan came by and inserted again since: written since, so its row exists.
  if (suspect.row === undefined && state.head !== undefined && state.head.indexedAt >= suspect.foundAt) return FINE;
  return { problems: compareDocument(expected, state, textHash), vectorsWrong };
}

/** The hash covers all that a mapping takes from a row. */
function isSame(before: Expected, after: Expected): boolean {
  return before !== 'poison' && after !== 'poison' && before?.rowHash === after?.rowHash;
}

/** Text and vector of a chunk are read together, so this says something whatever is edited meanwhile. */
async function hasWrongVectors(deps: VerifyDeps, id: DocumentId, signal: AbortSignal): Promise<boolean> {
  const chunks: StoredChunk[] = [];
  for await (const chunk of deps.index.scanChunks({ vectors: true, document: id }, signal)) {
    if (chunk.document === id && !chunk.deleted) chunks.push(chunk);
  }
  return (await wrongVectors(deps, chunks, signal)).size > 0;
}
