import type { Instant } from '../../src/domain/time.ts';
import type { PartitionFreshness } from '../../src/ports/source.ts';
import type { PartitionProgress } from './partition-progress.ts';
import type { KafkaRecord } from './record.ts';

/**
 * - `asOf`: a settled change may have company of the same millisecond that comes after it, so one less. A quiet partition proves nothing
 *   (invariant 9): only the horizon, which all partitions passed, moves it on.
 * - `lagMs`: how long the oldest unsettled change has waited since it was committed, 0 where nothing is unsettled; unknown while it has
 *   not been fetched.
 */
export function freshnessOf(
  partition: PartitionProgress,
  waiting: KafkaRecord | undefined,
  horizon: Instant | undefined,
  now: Instant,
): PartitionFreshness {
  const { settledTime, oldestOpenTime } = partition;
  const known = [settledTime, horizon].filter((time) => time !== undefined);
  const oldest = oldestOpenTime ?? waiting?.timestamp;
  const lagEvents = Number(partition.lag);
  return {
    partition: partition.id,
    asOf: known.length === 0 ? undefined : Math.max(...known) - 1,
    lagEvents,
    lagMs: oldest !== undefined ? Math.max(0, now - oldest) : lagEvents === 0 ? 0 : undefined,
  };
}
