/**
 * Ranking measures over binary judgments. A ranking is a list of ids, best first, each at most once; what is not in it counts as not found.
 * Formulas: Manning, Raghavan, Schütze, "Introduction to Information Retrieval", chapter 8.
 */

/** How many of the relevant ones are among the first `depth`, as a share of all relevant ones: 0 … 1. */
export function recall(ranking: readonly string[], relevant: ReadonlySet<string>, depth: number): number {
  if (relevant.size === 0) return 0;
  return ranking.slice(0, depth).filter((id) => relevant.has(id)).length / relevant.size;
}

/** Normalised discounted cumulative gain, 1 / log2(place + 1) per relevant one from place 1, against the best order possible: 0 … 1. */
export function ndcg(ranking: readonly string[], relevant: ReadonlySet<string>, depth: number): number {
  const ideal = discounted(Array.from({ length: Math.min(depth, relevant.size) }, (_, place) => place));
  if (ideal === 0) return 0;
  const places = ranking.slice(0, depth).flatMap((id, place) => (relevant.has(id) ? [place] : []));
  return discounted(places) / ideal;
}

/** 1 / place of the first relevant one; 0 without one. */
export function reciprocalRank(ranking: readonly string[], relevant: ReadonlySet<string>): number {
  const place = ranking.findIndex((id) => relevant.has(id));
  return place === -1 ? 0 : 1 / (place + 1);
}

/** 1 when any relevant one is among the first `depth`, else 0. */
export function hit(ranking: readonly string[], relevant: ReadonlySet<string>, depth: number): number {
  return ranking.slice(0, depth).some((id) => relevant.has(id)) ? 1 : 0;
}

/** NaN of nothing. */
export const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;

const discounted = (places: readonly number[]): number =>
  places.reduce((sum, place) => sum + 1 / Math.log2(place + 2), 0);
