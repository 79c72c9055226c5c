import type { SearchQuery } from '../../src/domain/search.ts';
import type { MemoryChunk } from './store.ts';

/** Cormack, Clarke and Büttcher 2009. */
const RRF_K = 60;
/** Robertson and Zaragoza 2009: term saturation and length normalisation at their usual values. */
const BM25_K1 = 1.2;
const BM25_B = 0.75;

export interface Scored {
  readonly chunk: MemoryChunk;
  readonly score: number;
}

/** Best first; equal scores by chunk id, so that one state gives one answer. */
export function rank(chunks: readonly MemoryChunk[], query: SearchQuery): readonly Scored[] {
  const dense = query.mode === 'lexical' || query.vector === undefined ? undefined : byCosine(chunks, query.vector);
  if (query.mode === 'dense' && dense !== undefined) return dense;
  const lexical = byBm25(chunks, query.text);
  if (query.mode !== 'hybrid') return lexical;
  return fuse([...(dense === undefined ? [] : [dense]), lexical], query);
}

function sorted(scored: Scored[]): readonly Scored[] {
  return scored.sort((a, b) => b.score - a.score || (a.chunk.id < b.chunk.id ? -1 : 1));
}

function byCosine(chunks: readonly MemoryChunk[], vector: Float32Array): readonly Scored[] {
  return sorted(
    chunks.map((chunk) => ({ chunk, score: chunk.vector.reduce((sum, x, i) => sum + x * (vector[i] ?? 0), 0) })),
  );
}

export function words(text: string): readonly string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

function byBm25(chunks: readonly MemoryChunk[], text: string): readonly Scored[] {
  const terms = [...new Set(words(text))];
  const documents = chunks.map((chunk) => ({ chunk, words: words(chunk.text) }));
  const averageLength = documents.reduce((sum, d) => sum + d.words.length, 0) / (documents.length || 1);
  const scores = new Map<MemoryChunk, number>();
  for (const term of terms) {
    const found = documents.map((d) => ({ ...d, count: d.words.filter((word) => word === term).length }));
    const matching = found.filter((d) => d.count > 0);
    const idf = Math.log(1 + (documents.length - matching.length + 0.5) / (matching.length + 0.5));
    for (const d of matching) {
      const norm = BM25_K1 * (1 - BM25_B + (BM25_B * d.words.length) / averageLength);
      const score = (idf * d.count * (BM25_K1 + 1)) / (d.count + norm);
      scores.set(d.chunk, (scores.get(d.chunk) ?? 0) + score);
    }
  }
  return sorted([...scores].map(([chunk, score]) => ({ chunk, score })));
}

function fuse(lists: readonly (readonly Scored[])[], query: SearchQuery): readonly Scored[] {
  const scores = new Map<MemoryChunk, number>();
  for (const list of lists) {
    list.forEach(({ chunk }, i) => scores.set(chunk, (scores.get(chunk) ?? 0) + 1 / (RRF_K + i + 1)));
  }
  const { recency, now } = query;
  const bonus = (chunk: MemoryChunk): number =>
    recency === undefined ? 0 : recency.weight * 2 ** (-Math.max(0, now - chunk.committedAt) / recency.halfLifeMs);
  return sorted([...scores].map(([chunk, score]) => ({ chunk, score: score + bonus(chunk) })));
}
