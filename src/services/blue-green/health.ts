import type { Instant } from '../../domain/time.ts';
import type { Clock } from '../../ports/clock.ts';
import type { IndexStats } from '../../ports/index-store.ts';
import type { SourceFreshness } from '../../ports/source.ts';
import { agesOf, oldestAsOf } from '../source-freshness.ts';
import type { Line } from './line.ts';

/** How far an index is: whether the first copy of every source is in it, and how far it is behind. */
export interface LineHealth {
  /** To every source. */
  readonly isConnected: boolean;
  readonly isBuilt: boolean;
  /** Share of the first copy that is in, 0 … 1; undefined where neither the sources nor the live index tell how much there is. */
  readonly progress: number | undefined;
  readonly asOf: Instant | undefined;
  readonly lagMs: number | undefined;
  readonly stats: IndexStats;
  readonly deadLetters: number;
}

/** @param documentsOfLive to estimate by, where sources do not count their rows */
export async function healthOf(
  line: Line,
  clock: Clock,
  documentsOfLive: number | undefined,
  signal: AbortSignal,
): Promise<LineHealth> {
  const states = await Promise.all(line.sources.map(({ source }) => source.freshness()));
  const stats = await line.index.stats(signal);
  const isBuilt = states.every((state) => state.snapshotFinished);
  const { asOf, lagMs } = oldestAsOf(agesOf(states), clock.now());
  return {
    isConnected: states.every((state) => state.connected),
    isBuilt,
    progress: isBuilt ? 1 : progressOf(states, stats.documents, documentsOfLive),
    asOf,
    lagMs,
    stats,
    deadLetters: await line.deadLetters.count(),
  };
}

/** Never 1 before the end is known. */
const ALMOST = 0.99;

export function progressOf(
  states: readonly Pick<SourceFreshness, 'snapshotFinished' | 'snapshots'>[],
  documents: number,
  documentsOfLive: number | undefined,
): number | undefined {
  const snapshots = states.flatMap((state) => state.snapshots);
  const uncounted = states.some((state) => !state.snapshotFinished && state.snapshots.length === 0);
  const total = sum(snapshots.map(({ rowsRead, rowsTotal, finished }) => (finished ? rowsRead : rowsTotal)));
  const read = sum(snapshots.map(({ rowsRead }) => rowsRead)) ?? 0;
  if (!uncounted && total !== undefined && total > 0) return Math.min(ALMOST, read / total);
  if (documentsOfLive === undefined || documentsOfLive === 0) return undefined;
  return Math.min(ALMOST, documents / documentsOfLive);
}

const sum = (values: readonly (number | undefined)[]): number | undefined =>
  values.reduce<number | undefined>(
    (all, each) => (all === undefined || each === undefined ? undefined : all + each),
    0,
  );
