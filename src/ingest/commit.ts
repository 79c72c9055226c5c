import type { Delivery, Position } from '../domain/change.ts';
import { FreshetError, kindOf, throwIfAborted } from '../domain/errors.ts';
import type { PartitionId } from '../domain/ids.ts';
import { snapshotVersion, type Version } from '../domain/version.ts';
import type { Observer } from '../observability/events.ts';
import type { Source } from '../ports/source.ts';
import { Changes } from '../runtime/changes.ts';
import { LowWaterMark, type Ticket } from '../runtime/low-water-mark.ts';
import type { OutageGate } from '../runtime/outage-gate.ts';

/** A partition from its first delivery until it is taken away. One that comes back is another assignment, from the committed offset on. */
interface Assignment {
  readonly partition: PartitionId;
  readonly mark: LowWaterMark;
  committed: bigint | undefined;
  version: Version | undefined;
  isGone: boolean;
}

export interface Tracked {
  readonly assignment: Assignment;
  readonly ticket: Ticket;
}

/**
 * Tracks every delivery and commits each partition's low-water mark to the source: one commit at a time, whatever settled meanwhile goes
 * into the next (no timers). What is settled after its partition was forgotten is committed by nobody: it is another's now.
 */
export interface Committer {
  track(delivery: Delivery): Tracked;
  settle(tracked: Tracked): void;
  /** Its partition was taken away: another process reads it again. */
  isForgotten(tracked: Tracked): boolean;
  /** True once everything delivered before it in its partition is settled, false once the partition is forgotten. */
  turnOf(tracked: Tracked): Promise<boolean>;
  /** Resolves once everything delivered of these partitions is settled and committed, or the signal fires. */
  drained(partitions: readonly PartitionId[], signal: AbortSignal): Promise<void>;
  /** Nothing is committed for these partitions any more until they are delivered from again. */
  forget(partitions: readonly PartitionId[]): void;
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
  const assignments = new Map<PartitionId, Assignment>();
  const dirty = new Set<Assignment>();
  const changes = new Changes();
  let running: Promise<void> | undefined;

  /** Looks at the marks anew in each attempt: in an outage a partition may be taken away between two of them. */
  const commitOnce = async (): Promise<void> => {
    const moved = [...dirty].flatMap((assignment) => {
      const { mark, version } = assignment.mark;
      return mark === undefined ? [] : [{ assignment, offset: mark, version }];
    });
    if (moved.length > 0) {
      await source.commit(
        moved.map(({ assignment, offset }): Position => ({ partition: assignment.partition, offset })),
      );
    }
    for (const { assignment, offset, version } of moved) {
      if (assignment.isGone) continue;
      assignment.committed = offset;
      assignment.version = version;
      if (assignment.mark.mark === offset) dirty.delete(assignment);
      observer.emit({ type: 'committed', source: source.name, partition: assignment.partition, offset });
    }
    changes.happened();
  };

  const commitDirty = async (): Promise<void> => {
    while (dirty.size > 0) await gate.run(commitOnce, signal);
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
      let assignment = assignments.get(partition);
      if (assignment === undefined) {
        const mark = new LowWaterMark();
        assignment = { partition, mark, committed: undefined, version: undefined, isGone: false };
        assignments.set(partition, assignment);
      }
      try {
        return { assignment, ticket: assignment.mark.track(offset, delivery.endsPosition, versionOf(delivery)) };
      } catch (cause) {
        throw new FreshetError(
          'SOURCE_OUT_OF_ORDER',
          'fatal',
          `Source ${source.name} delivered offset ${offset} of ${partition} out of order. This is a bug of the source adapter; nothing was committed past it.`,
          { cause },
        );
      }
    },
    settle({ assignment, ticket }) {
      const moved = assignment.mark.settle(ticket);
      changes.happened();
      if (!moved || assignment.isGone) return;
      dirty.add(assignment);
      start();
    },
    isForgotten: ({ assignment }) => assignment.isGone,
    async turnOf({ assignment, ticket }) {
      await changes.until(() => assignment.isGone || assignment.mark.oldest === ticket, signal);
      if (assignment.isGone) return false;
      throwIfAborted(signal);
      return true;
    },
    async drained(partitions, deadline) {
      const ours = partitions.flatMap((partition) => assignments.get(partition) ?? []);
      await changes.until(() => ours.every(isDrained), AbortSignal.any([signal, deadline]));
    },
    forget(partitions) {
      for (const partition of partitions) {
        const assignment = assignments.get(partition);
        if (assignment === undefined) continue;
        assignment.isGone = true;
        assignments.delete(partition);
        dirty.delete(assignment);
      }
      changes.happened();
    },
    async flush() {
      while (running !== undefined) await running;
    },
    get span() {
      let longest = 0;
      for (const { mark } of assignments.values()) longest = Math.max(longest, mark.span);
      return longest;
    },
    committedVersions() {
      const known = [...assignments.values()].flatMap(({ partition, version }) =>
        version === undefined ? [] : [[partition, version] as const],
      );
      return new Map(known);
    },
  };
}

function isDrained({ mark, committed, isGone }: Assignment): boolean {
  return isGone || (mark.span === 0 && mark.mark === committed);
}

function versionOf({ event }: Delivery): Version | undefined {
  if (event.kind === 'row-upserted' || event.kind === 'row-deleted') return event.version;
  if (event.kind === 'snapshot-finished') return snapshotVersion(event.epoch);
  return undefined;
}
