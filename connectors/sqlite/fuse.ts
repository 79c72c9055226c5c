import type { Recency } from '../../src/domain/search.ts';
import type { Instant } from '../../src/domain/time.ts';

/** The constant of reciprocal rank fusion as published (Cormack, Clarke, Büttcher, SIGIR 2009): how much a first place counts. */
const RRF_K = 60;

export interface Ranked<E> {
  readonly row: number;
  readonly entry: E;
  readonly score: number;
}

export interface WeightedList<E> {
  readonly hits: readonly Ranked<E>[];
  /** How far to trust the list, 0 … 1. */
  readonly weight: number;
}

/**
 * Weighted reciprocal rank fusion: a row's score is the sum over the lists of weight / (k + its place there, from 1). Scores of different
 * kinds never meet, only places do.
 */
export function fuse<E>(lists: readonly WeightedList<E>[]): readonly Ranked<E>[] {
  const fused = new Map<number, { row: number; entry: E; score: number }>();
  for (const { hits, weight } of lists) {
    hits.forEach(({ row, entry }, place) => {
      const share = weight / (RRF_K + place + 1);
      const known = fused.get(row);
      if (known === undefined) fused.set(row, { row, entry, score: share });
      else known.score += share;
    });
  }
  return [...fused.values()].sort(bestFirst);
}

/** weight × 2^(−age / halfLife), added; what lies in the future counts as now. */
export function withRecency<E>(
  ranked: readonly Ranked<E>[],
  recency: Recency,
  now: Instant,
  committedAt: (entry: E) => Instant,
): readonly Ranked<E>[] {
  return ranked
    .map((hit) => {
      const age = Math.max(0, now - committedAt(hit.entry));
      return { ...hit, score: hit.score + recency.weight * 2 ** (-age / recency.halfLifeMs) };
    })
    .sort(bestFirst);
}

/** Best first; equal scores in the order the rows were written, so that an answer is the same every time. */
export const bestFirst = (a: Ranked<unknown>, b: Ranked<unknown>): number => b.score - a.score || a.row - b.row;

/** Keeps the best `most` rows of each document. */
export function perDocument<E>(ranked: readonly Ranked<E>[], most: number): readonly Ranked<E>[] {
  const taken = new Map<E, number>();
  return ranked.filter(({ entry }) => {
    const count = taken.get(entry) ?? 0;
    taken.set(entry, count + 1);
    return count < most;
  });
}
