import type { Head } from '../../src/domain/document.ts';
import type { DocumentId, TableId } from '../../src/domain/ids.ts';
import type { SearchHit } from '../../src/domain/search.ts';
import type { Truncation } from '../../src/domain/source-position.ts';
import type { judge as domainJudge } from '../../src/domain/visibility.ts';
import type { MemoryChunk, MemoryStore } from './store.ts';

export type Judge = typeof domainJudge;

/** What a reader judges chunks by, read after them. */
export interface Heads {
  readonly heads: ReadonlyMap<DocumentId, Head>;
  readonly truncations: ReadonlyMap<TableId, Truncation>;
}

export function readHeads(store: MemoryStore, documents: Iterable<DocumentId>): Heads {
  const heads = new Map<DocumentId, Head>();
  for (const id of documents) {
    const head = store.heads.get(id);
    if (head !== undefined) heads.set(id, head);
  }
  return { heads, truncations: new Map(store.truncations) };
}

/**
 * Chunks, then their heads, then the verdicts. Where a chunk is older than its head, the chunks are read once more and judged by the
 * heads in hand: heads must be older than chunks, or a commit between the two reads looks like a hole.
 */
export async function readVisible(
  store: MemoryStore,
  find: () => readonly MemoryChunk[],
  judge: Judge,
  step: (what: string) => Promise<void>,
): Promise<{ readonly visible: readonly MemoryChunk[]; readonly inHand: Heads }> {
  await step('read chunks');
  const first = find();
  await step('read heads');
  const inHand = readHeads(store, new Set(first.map((chunk) => chunk.document)));
  const verdict = (chunk: MemoryChunk): ReturnType<Judge> =>
    judge(chunk, inHand.heads.get(chunk.document), inHand.truncations.get(chunk.table));
  if (!first.some((chunk) => verdict(chunk) === 'retry')) {
    return { visible: first.filter((chunk) => verdict(chunk) === 'show'), inHand };
  }
  await step('read chunks again');
  return { visible: find().filter((chunk) => verdict(chunk) === 'show'), inHand };
}

export function toHit(chunk: MemoryChunk, score: number, head: Head): SearchHit {
  // The head's list is the truth about places; a chunk of a commit under way is not in it yet and knows its own.
  const place = head.chunks.find((ref) => ref.id === chunk.id) ?? chunk.chunk;
  const { attributes } = chunk;
  return {
    chunk: chunk.id,
    document: chunk.document,
    table: chunk.table,
    score,
    text: chunk.text,
    start: place.start,
    end: place.end,
    headings: place.headings,
    title: attributes.title,
    uri: attributes.uri,
    metadata: attributes.metadata,
    version: chunk.version,
    committedAt: chunk.committedAt,
    indexedAt: chunk.indexedAt,
  };
}
