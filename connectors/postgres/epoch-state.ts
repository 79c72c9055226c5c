import { partitionId, type PartitionId } from '../../src/domain/ids.ts';
import type { Position } from '../../src/domain/change.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { Acknowledger } from './acknowledge.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { Lsn } from './lsn.ts';
import { Watermark } from './marks.ts';
import { TableSnapshot } from './snapshot.ts';
import type { StreamProgress } from './stream.ts';
import type { TablePlan } from './table-plan.ts';
import type { Numbering } from './transaction.ts';

/**
 * What lives as long as an epoch does in this process, across reconnects. Partitions carry the epoch in their name: after a restore the
 * log's numbers start lower, and a partition's may not.
 */
export class EpochState {
  readonly checkpoint: Checkpoint;
  readonly partition: PartitionId;
  readonly numbering: Numbering;
  readonly acknowledger: Acknowledger;
  readonly progress: StreamProgress;
  #snapshots: readonly TableSnapshot[];
  /** Per partition, the last position that was handed over whole, and the last committed. */
  readonly #taken = new Map<PartitionId, bigint>();
  readonly #committed = new Map<PartitionId, bigint>();
  readonly #commits: Watermark;
  #commitCount = 0n;

  constructor(name: string, checkpoint: Checkpoint, plans: readonly TablePlan[], clock: Clock) {
    const { epoch, base, position } = checkpoint;
    this.checkpoint = checkpoint;
    this.partition = partitionId(`${name}@${epoch}`);
    this.numbering = { partition: this.partition, epoch, base };
    this.acknowledger = new Acknowledger(position);
    this.progress = { end: position, partial: undefined };
    this.#snapshots = plans.flatMap((plan) => {
      const state = checkpoint.tables[plan.id];
      return state === undefined ? [] : [new TableSnapshot(this.partition, plan, epoch, state, clock)];
    });
    this.#commits = new Watermark(clock);
  }

  get snapshots(): readonly TableSnapshot[] {
    return this.#snapshots;
  }

  /** A table that is gone is not copied any further. */
  keepOnly(plans: readonly TablePlan[]): void {
    this.#snapshots = this.#snapshots.filter(({ plan }) => plans.some(({ id }) => id === plan.id));
  }

  get snapshotFinished(): boolean {
    return this.snapshots.every(({ isFinished }) => isFinished);
  }

  took({ partition, offset }: Position, endsPosition: boolean): void {
    if (endsPosition) this.#taken.set(partition, offset);
  }

  /** True when the checkpoint must be saved. Positions of an earlier epoch say nothing about this one. */
  commit({ partition, offset }: Position): boolean {
    const before = this.#committed.get(partition);
    if (before !== undefined && offset <= before) return false;
    let changed = false;
    if (partition === this.partition) {
      this.acknowledger.commit(offset);
      changed = this.notePosition();
    } else {
      const snapshot = this.snapshots.find((candidate) => candidate.partition === partition);
      if (snapshot === undefined) return false;
      changed = snapshot.commit(offset);
    }
    this.#committed.set(partition, offset);
    this.#commits.set((this.#commitCount += 1n));
    return changed;
  }

  /** Takes the settled mark over into the checkpoint. */
  notePosition(): boolean {
    const { mark } = this.acknowledger;
    if (mark <= this.checkpoint.position) return false;
    this.checkpoint.position = mark;
    return true;
  }

  /** Resolves once everything handed over is committed. */
  async drained(signal: AbortSignal): Promise<void> {
    const isOpen = ([partition, offset]: [PartitionId, Lsn]): boolean =>
      (this.#committed.get(partition) ?? -1n) < offset;
    while ([...this.#taken].some(isOpen)) await this.#commits.moved(200, signal);
  }
}
