import { kindOf } from '../domain/errors.ts';
import type { PartitionId } from '../domain/ids.ts';
import type { Version } from '../domain/version.ts';
import type { Observer } from '../observability/events.ts';
import type { Clock } from '../ports/clock.ts';
import type { DeadLetters } from '../ports/dead-letters.ts';
import type { Index } from '../ports/index-store.ts';
import { createAgedTime } from './aged-time.ts';
import type { LiveSource } from './live-source.ts';

/**
 * Removes tombstones that no reader can need any more, from time to time, until the signal fires. Only while no snapshot is unfinished,
 * and never above a committed mark; a dead letter that was not retried counts as uncommitted (design rule "sweeper and floors").
 */
export async function sweepRegularly(
  deps: {
    readonly index: Index;
    readonly sources: () => readonly LiveSource[];
    readonly deadLetters: DeadLetters;
    readonly clock: Clock;
    readonly observer: Observer;
    readonly intervalMs: number;
    readonly horizonMs: number;
  },
  signal: AbortSignal,
): Promise<void> {
  const { index, clock, observer, horizonMs } = deps;
  const agedNow = createAgedTime(clock, horizonMs);
  while (!signal.aborted) {
    try {
      await clock.sleep(deps.intervalMs, signal);
      const now = agedNow();
      const committed = await sweepable(deps);
      if (committed === undefined) continue;
      const swept = await index.sweep({ horizonMs, now, committed }, signal);
      if (swept.heads + swept.chunks > 0) observer.emit({ type: 'swept', ...swept });
    } catch (error) {
      // What cannot be swept now is swept the next time; the clock's history must outlive that.
      if (kindOf(error) !== 'transient' && kindOf(error) !== 'aborted') throw error;
    }
  }
}

async function sweepable(deps: {
  readonly sources: () => readonly LiveSource[];
  readonly deadLetters: DeadLetters;
}): Promise<ReadonlyMap<PartitionId, Version> | undefined> {
  const committed = new Map<PartitionId, Version>();
  for (const { source, pipeline } of deps.sources()) {
    if (!(await source.freshness()).snapshotFinished) return undefined;
    for (const [partition, version] of pipeline.committedVersions()) committed.set(partition, version);
  }
  return belowDeadLetters(committed, await deps.deadLetters.lowestVersions());
}

/** A floor above a dead letter would make its retry nothing to do. `lowest`: see DeadLetters.lowestVersions. */
export function belowDeadLetters(
  marks: ReadonlyMap<PartitionId, Version>,
  lowest: ReadonlyMap<PartitionId, Version>,
): ReadonlyMap<PartitionId, Version> {
  return new Map(
    [...marks].map(([partition, mark]) => {
      const letter = lowest.get(partition);
      return [partition, letter !== undefined && letter <= mark ? ((letter - 1) as Version) : mark];
    }),
  );
}
