import type { Instant } from '../domain/time.ts';
import type { SourceFreshness } from '../ports/source.ts';

export interface SourceAge {
  readonly source: string;
  readonly asOf: Instant | undefined;
  readonly lagMs: number | undefined;
}

/** The oldest over a source's partitions; unknown as soon as one of them is, for silence proves nothing (invariant 9). */
export function ageOf({ source, partitions }: SourceFreshness): SourceAge {
  const asOfs = partitions.map((partition) => partition.asOf);
  const lags = partitions.map((partition) => partition.lagMs);
  return { source, asOf: lowest(asOfs), lagMs: highest(lags) };
}

/** Of those that are read here. */
export const agesOf = (states: readonly SourceFreshness[]): readonly SourceAge[] =>
  states.filter(({ isElsewhere }) => isElsewhere !== true).map(ageOf);

/** Over several sources. Never later than our own clock: after that jumped back, a moment noted before would lie in its future. */
export function oldestAsOf(
  sources: readonly SourceAge[],
  now: Instant,
): { readonly asOf: Instant | undefined; readonly lagMs: number | undefined } {
  const oldest = lowest(sources.map((source) => source.asOf));
  const asOf = oldest === undefined ? undefined : Math.min(oldest, now);
  return { asOf, lagMs: asOf === undefined ? undefined : Math.max(0, now - asOf) };
}

function lowest(values: readonly (number | undefined)[]): number | undefined {
  return reduce(values, Math.min);
}

function highest(values: readonly (number | undefined)[]): number | undefined {
  return reduce(values, Math.max);
}

function reduce(values: readonly (number | undefined)[], pick: (...all: number[]) => number): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 || known.length < values.length ? undefined : pick(...known);
}
