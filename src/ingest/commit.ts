import type { Delivery, Position } from '../domain/change.ts';
import { FreshetError, kindOf } from '../domain/errors.ts';
import type { PartitionId } from '../domain/ids.ts';
import { snapshotVersion, type Version } from '../domain/version.ts';
import type { Observer } from '../observability/events.ts';
import type { Source } from '../ports/source.ts';
import { LowWaterMark, type Ticket } from '../runtime/low-water-mark.ts';
import type { OutageGate } from '../runtime/outage-gate.ts';

export interface Tracked {
  readonly partition: PartitionId;
  readonly ticket: Ticket;
}

/**
 * Tracks every delivery and commits each partition's low-water mark to the source: one commit at a time, whatever settled meanwhile goes
 * into the next (no timers).
 */
export interface Committer {
  track(delivery: Delivery): Tracked;
  settle(tracked: Tracked): void;
  /** Resolves once everything delivered before it in its partition is settled: for events that mean "all of the above". */
  turnOf(tracked: Tracked): Promise<void>;
  /** Resolves when everything settled so far is committed. */
  flush(): Promise<void>;
  /** The longest uncommitted span of any partition, in deliveries. */
  readonly span: number;
  /** Highest version at or below each partition's mark, for the sweeper. */
  committedVersions(): ReadonlyMap<PartitionId, Version>;
}

export function createCommitter(deps: {
  readonly source: Source;
  readonly observer: Observer;
  readonly gate: OutageGate;
  readonly signal: AbortSignal;
  readonly onFailure: (error: unknown) => void;
}): Committer {
  const { source, observer, gate, signal, onFailure } = deps;
  const marks = new Map<PartitionId, LowWaterMark>();
  const committedVersions = new Map<PartitionId, Version>();
  const dirty = new Set<PartitionId>();
  let running: Promise<void> | undefined;
  let turnWaiters: (() => void)[] = [];

  const commitDirty = async (): Promise<void> => {
    while (dirty.size > 0) {
      const positions: Position[] = [];
      const versions: [PartitionId, Version][] = [];
      for (const partition of dirty) {
        const mark = marks.get(partition);
        if (mark?.mark === undefined) continue;
        positions.push({ partition, offset: mark.mark });
        if (mark.version !== undefined) versions.push([partition, mark.version]);
      }
      dirty.clear();
      await gate.run(() => source.commit(positions), signal);
      for (const [partition, version] of versions) committedVersions.set(partition, version);
      for (const { partition, offset } of positions) {
        observer.emit({ type: 'committed', source: source.name, partition, offset });
      }
    }
  };

  const start = (): void => {
    running ??= commitDirty()
      .catch((error: unknown) => {
        if (kindOf(error) !== 'aborted') onFailure(error);
      })
      .finally(() => {
        running = undefined;
        if (dirty.size > 0 && !signal.aborted) start();
      });
  };

  return {
    track(delivery) {
      const { partition, offset } = delivery.position;
      let mark = marks.get(partition);
      if (mark === undefined) {
        mark = new LowWaterMark();
        marks.set(partition, mark);
      }
      try {
        return { partition, ticket: mark.track(offset, delivery.endsPosition, versionOf(delivery)) };
      } catch (cause) {
        throw new FreshetError(
          'SOURCE_OUT_OF_ORDER',
          'fatal',
          `Source ${source.name} delivered offset ${offset} of ${partition} out of order. This is a bug of the source adapter; nothing was committed past it.`,
          { cause },
        );
      }
    },
    settle({ partition, ticket }) {
      const moved = marks.get(partition)?.settle(ticket) === true;
      const waiters = turnWaiters;
      turnWaiters = [];
      for (const wake of waiters) wake();
      if (!moved) return;
      dirty.add(partition);
      start();
    },
    async turnOf({ partition, ticket }) {
      while (marks.get(partition)?.oldest !== ticket) await new Promise<void>((resolve) => turnWaiters.push(resolve));
    },
    async flush() {
      while (running !== undefined) await running;
    },
    get span() {
      return Math.max(0, ...[...marks.values()].map((mark) => mark.span));
    },
    committedVersions: () => committedVersions,
  };
}

function versionOf({ event }: Delivery): Version | undefined {
  if (event.kind === 'row-upserted' || event.kind === 'row-deleted') return event.version;
  if (event.kind === 'snapshot-finished') return snapshotVersion(event.epoch);
  return undefined;
}
