import type { Chunk, ChunkRef, Head, IdentifiedChunk } from '../domain/document.ts';
import { chunkId, type ChunkId, type DocumentId } from '../domain/ids.ts';

export interface ChunkDiff {
  /** The whole new list, in order. */
  readonly refs: readonly ChunkRef[];
  /** Chunks the previous head already lists: their vectors stay. */
  readonly keep: readonly ChunkId[];
  /** Chunks to embed and insert (invariant 5: only text absent from the previous version). */
  readonly fresh: readonly IdentifiedChunk[];
}

/**
 * Compares the new chunks with the previous head's list. Ids come from the text, so a chunk that only moved keeps its vector.
 * @param embedderFingerprint part of every id: the same id means the same vector
 */
export function diffChunks(
  document: DocumentId,
  embedderFingerprint: string,
  chunks: readonly Chunk[],
  previous: Head | undefined,
): ChunkDiff {
  const known = new Set(previous === undefined || previous.deleted ? [] : previous.chunks.map((ref) => ref.id));
  const occurrences = new Map<string, number>();
  const refs: ChunkRef[] = [];
  const keep: ChunkId[] = [];
  const fresh: IdentifiedChunk[] = [];
  for (const chunk of chunks) {
    const occurrence = occurrences.get(chunk.text) ?? 0;
    occurrences.set(chunk.text, occurrence + 1);
    const id = chunkId(document, embedderFingerprint, chunk.text, occurrence);
    refs.push({ id, start: chunk.start, end: chunk.end, headings: chunk.headings });
    if (known.has(id)) keep.push(id);
    else fresh.push({ ...chunk, id });
  }
  return { refs, keep, fresh };
}
