import type { Instant } from '../domain/time.ts';
import type { LiveSource } from './live-source.ts';

export interface SourceAge {
  readonly source: string;
  readonly asOf: Instant | undefined;
  readonly lagMs: number | undefined;
}

/** The oldest over a source's partitions; unknown as soon as one of them is, for silence proves nothing (invariant 9). */
export async function sourceFreshness({ source }: LiveSource): Promise<SourceAge> {
  const { partitions } = await source.freshness();
  const asOfs = partitions.map((partition) => partition.asOf);
  const lags = partitions.map((partition) => partition.lagMs);
  return { source: source.name, asOf: lowest(asOfs), lagMs: highest(lags) };
}

/** Over several sources. */
export function oldestAsOf(
  sources: readonly SourceAge[],
  now: Instant,
): { readonly asOf: Instant | undefined; readonly lagMs: number | undefined } {
  const asOf = lowest(sources.map((source) => source.asOf));
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
