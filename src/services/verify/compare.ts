import { canonicalJson } from '../../domain/canonical-json.ts';
import type { DocumentAttributes, Head } from '../../domain/document.ts';
import type { ChunkId } from '../../domain/ids.ts';
import type { VerifyReport } from '../services.ts';
import type { ExpectedDocument } from './expected.ts';

export type Problem = Pick<VerifyReport['problems'][number], 'kind' | 'chunk' | 'detail'>;

/** A chunk as stored; texts are compared by hash, so that a whole index fits in memory. */
export interface StoredDigest {
  readonly id: ChunkId;
  readonly textHash: string;
  readonly attributes: DocumentAttributes;
}

export interface StoredState {
  readonly head: Head | undefined;
  /** Chunks that readers show. */
  readonly chunks: readonly StoredDigest[];
}

/** Names every difference between what is stored of a document and what a rebuild would write. `undefined`: it must not be indexed. */
export function compareDocument(
  expected: ExpectedDocument | undefined,
  { head, chunks }: StoredState,
  hash: (text: string) => string,
): readonly Problem[] {
  const live = head !== undefined && !head.deleted ? head : undefined;
  if (expected === undefined) return ghosts(live, chunks);
  return [
    ...(live === undefined ? [{ kind: 'missing', detail: 'the document has no live head' } as const] : []),
    ...missing(expected, live, chunks),
    ...extra(expected, live, chunks, hash),
    ...(live === undefined ? [] : stale(expected, live, chunks, hash)),
  ];
}

function ghosts(live: Head | undefined, chunks: readonly StoredDigest[]): readonly Problem[] {
  const ids = new Set([...(live?.chunks ?? []), ...chunks].map((chunk) => chunk.id));
  const all = [...ids].map((chunk): Problem => ({ kind: 'ghost', chunk, detail: 'its row does not exist' }));
  return live !== undefined && all.length === 0 ? [{ kind: 'ghost', detail: 'its row does not exist' }] : all;
}

function missing(
  expected: ExpectedDocument,
  live: Head | undefined,
  chunks: readonly StoredDigest[],
): readonly Problem[] {
  const listed = new Set(live?.chunks.map((ref) => ref.id));
  const stored = new Set(chunks.map((chunk) => chunk.id));
  return expected.refs
    .filter(({ id }) => !listed.has(id) || !stored.has(id))
    .map(({ id }) => ({
      kind: 'missing',
      chunk: id,
      detail: stored.has(id) ? 'not in its head’s list' : 'not stored',
    }));
}

function extra(
  expected: ExpectedDocument,
  live: Head | undefined,
  chunks: readonly StoredDigest[],
  hash: (text: string) => string,
): readonly Problem[] {
  const wanted = new Set(expected.refs.map((ref) => ref.id));
  const texts = new Set(expected.chunks.map((chunk) => hash(chunk.text)));
  const unexpected = chunks.filter((chunk) => !wanted.has(chunk.id));
  const listed = live?.chunks.map((ref) => ref.id) ?? [];
  const stored = new Set(chunks.map((chunk) => chunk.id));
  return [
    ...unexpected.map((chunk): Problem => {
      const twin = texts.has(chunk.textHash);
      const detail = twin ? 'another chunk of the document holds its text' : 'its text is not in the document';
      return { kind: twin ? 'duplicate' : 'ghost', chunk: chunk.id, detail };
    }),
    ...listed
      .filter((id) => !wanted.has(id) && !stored.has(id))
      .map(
        (chunk): Problem => ({ kind: 'ghost', chunk, detail: 'listed by its head, but neither stored nor expected' }),
      ),
    ...listed
      .filter((id, at) => listed.indexOf(id) !== at)
      .map((chunk): Problem => ({ kind: 'duplicate', chunk, detail: 'listed twice by its head' })),
  ];
}

function stale(
  expected: ExpectedDocument,
  live: Head,
  chunks: readonly StoredDigest[],
  hash: (text: string) => string,
): readonly Problem[] {
  const problems: Problem[] = [];
  const attributes = canonicalJson(expected.attributes);
  if (canonicalJson(live.attributes) !== attributes) problems.push({ kind: 'stale', detail: 'attributes of the head' });
  if (canonicalJson(live.chunks) !== canonicalJson(expected.refs) && sameIds(live, expected)) {
    problems.push({ kind: 'stale', detail: 'order, offsets or headings in the head’s list' });
  }
  const texts = new Map(expected.chunks.map((chunk) => [chunk.id, hash(chunk.text)]));
  for (const chunk of chunks) {
    const text = texts.get(chunk.id);
    if (text === undefined) continue;
    if (text !== chunk.textHash) problems.push({ kind: 'stale', chunk: chunk.id, detail: 'text' });
    else if (canonicalJson(chunk.attributes) !== attributes) {
      problems.push({ kind: 'stale', chunk: chunk.id, detail: 'attributes' });
    }
  }
  return problems;
}

/** Lists of different ids are reported as missing and ghost chunks already. */
function sameIds(live: Head, expected: ExpectedDocument): boolean {
  const sorted = (refs: Head['chunks']): string =>
    refs
      .map((ref) => ref.id)
      .sort()
      .join();
  return sorted(live.chunks) === sorted(expected.refs);
}
