import { setImmediate as macrotask } from 'node:timers/promises';
import type { Position } from '../../src/domain/change.ts';
import { kindOf, type FreshetError } from '../../src/domain/errors.ts';
import type { PartitionId } from '../../src/domain/ids.ts';
import type { RevokedListener } from '../../src/ports/source.ts';
import {
  partitionKey,
  type FetchedBatch,
  type GroupMember,
  type LogReader,
  type TopicPartition,
} from './client/client.ts';
import { within } from './client/deadline.ts';
import type { Say } from './identify.ts';
import { inParallel } from './in-parallel.ts';
import type { KafkaLimits, KafkaSourceOptions } from './options.ts';
import type { PartitionProgress } from './partition-progress.ts';
import { RecordBuffer } from './record-buffer.ts';
import type { SourceState, StateStore } from './state.ts';
import { Suspicions } from './suspicions.ts';
import { takeUp } from './take-up.ts';

/** The partitions this process has, from their assignment until they were given up. */
interface Assignment {
  readonly partitions: ReadonlyMap<string, PartitionProgress>;
  readonly byId: ReadonlyMap<PartitionId, PartitionProgress>;
  /** Records are delivered. */
  isActive: boolean;
}

/** Why a membership is over. */
export type End =
  | { readonly how: 'failed'; readonly error: unknown }
  | { readonly how: 'rejoin'; readonly why: string };

export interface HoldingDeps {
  readonly options: KafkaSourceOptions;
  readonly limits: KafkaLimits;
  readonly log: LogReader;
  readonly store: StateStore;
  readonly say: Say;
  /** What `identify` told; nothing is assigned before. */
  readonly own: () => SourceState;
  readonly member: () => GroupMember | undefined;
  readonly end: (end: End) => void;
  /** A position moved, or an end. */
  readonly settled: () => void;
  readonly backOff: (error: FreshetError, attempt: number, signal: AbortSignal) => Promise<void>;
}

/**
 * The partitions that are ours: taken up after everything about them was checked, read, committed, and given up. Assignments and their ends
 * take effect one after another, whatever the group does meanwhile.
 */
export class Holding {
  readonly buffer: RecordBuffer;
  readonly #deps: HoldingDeps;
  #listener: RevokedListener = async () => undefined;
  #assignment: Assignment | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** Counts what makes an assignment that is being taken up obsolete. */
  #newest = 0;
  #isOver = false;
  readonly #suspicions = new Suspicions();

  constructor(deps: HoldingDeps) {
    this.#deps = deps;
    this.buffer = new RecordBuffer(
      deps.limits,
      (partitions) => deps.member()?.pause(partitions),
      (partitions) => deps.member()?.resume(partitions),
    );
  }

  get partitions(): readonly PartitionProgress[] {
    return [...(this.#assignment?.partitions.values() ?? [])];
  }

  get hasAssignment(): boolean {
    return this.#assignment !== undefined;
  }

  onRevoked(listener: RevokedListener): void {
    this.#listener = listener;
  }

  isActive(partition: PartitionProgress): boolean {
    const assignment = this.#assignment;
    return assignment?.isActive === true && assignment.partitions.get(partition.key) === partition;
  }

  assigned(
    partitions: readonly TopicPartition[],
    membership: Promise<GroupMember | undefined>,
    signal: AbortSignal,
  ): void {
    const mine = (this.#newest += 1);
    const isCurrent = (): boolean => this.#newest === mine && !this.#isOver;
    this.#inTurn(async () => {
      const member = await membership;
      for (let attempt = 1; isCurrent() && member !== undefined; attempt += 1) {
        try {
          await this.#takeUp(partitions, member, isCurrent, signal);
          return;
        } catch (error) {
          if (kindOf(error) !== 'transient') throw error;
          if (isCurrent()) await this.#deps.backOff(error as FreshetError, attempt, signal);
        }
      }
    }).catch((error: unknown) => {
      if (kindOf(error) !== 'aborted') this.#deps.end({ how: 'failed', error });
    });
  }

  async #takeUp(
    partitions: readonly TopicPartition[],
    member: GroupMember,
    isCurrent: () => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { options, log, store, say, own } = this.#deps;
    const { name, groupId, rowless = [], clock } = options;
    const taken = await takeUp({ name, groupId, own: own(), rowless, log, store, clock, say }, partitions, signal);
    const all = taken.map(({ progress }) => progress);
    // The group's offset first, the state after it: a stale offset beside a new state would look like a log that lost its end.
    const different = all.filter(({ committed, fetched }) => committed !== fetched);
    if (different.length > 0 && isCurrent()) {
      const offsets = different.map(({ topic, partition, fetched }) => ({ topic, partition, offset: fetched }));
      if ((await member.commit(offsets)) === 'lost') return;
      for (const partition of different) partition.committed = partition.fetched;
    }
    await inParallel(
      taken.filter(({ isNew }) => isNew),
      ({ progress }) => store.savePartition(progress.key, progress.state),
    );
    if (!isCurrent()) return;
    for (const { topic, partition, fetched } of all) options.decoder.begins?.(topic, partition, fetched);
    this.#assignment = {
      partitions: new Map(all.map((one) => [one.key, one])),
      byId: new Map(all.map((one) => [one.id, one])),
      isActive: true,
    };
    member.start(all.map(({ topic, partition, fetched }) => ({ topic, partition, offset: fetched })));
  }

  received({ topic, partition, records, askedFor, next }: FetchedBatch): void {
    const assignment = this.#assignment;
    const progress = assignment?.partitions.get(partitionKey({ topic, partition }));
    if (progress === undefined || assignment?.isActive !== true || this.buffer.isEnded) return;
    const from = askedFor ?? records[0]?.offset ?? next;
    if (from < progress.fetched || (askedFor !== undefined && askedFor > progress.fetched)) {
      // Joining again checks everything that may have changed.
      const error = this.#suspicions.jump(progress, from);
      const why = `${progress.key} was read at ${from} instead of ${progress.fetched}`;
      this.#deps.end(error === undefined ? { how: 'rejoin', why } : { how: 'failed', error });
      return;
    }
    this.#suspicions.noJump();
    if (records.length === 0) progress.skipTo(next);
    else {
      progress.fetched = next;
      this.buffer.push(progress, records, [...assignment.partitions.values()]);
    }
  }

  async commit(positions: readonly Position[]): Promise<void> {
    const assignment = this.#assignment;
    const member = this.#deps.member();
    if (assignment === undefined || member === undefined) return;
    const named = positions.flatMap(({ partition, offset }) => {
      const progress = assignment.byId.get(partition);
      progress?.settle(offset);
      return progress === undefined ? [] : [progress];
    });
    await this.#commit(
      member,
      assignment,
      named.filter(({ settled, committed }) => settled > committed),
    );
    this.#deps.settled();
  }

  async #commit(member: GroupMember, assignment: Assignment, wanted: readonly PartitionProgress[]): Promise<void> {
    if (wanted.length === 0) return;
    const offsets = wanted.map(({ topic, partition, settled }) => ({ topic, partition, offset: settled }));
    const asOf = this.#newest;
    const outcome = await member.commit(offsets);
    if (this.#assignment !== assignment) return;
    if (outcome === 'lost') {
      // Given up already, and perhaps assigned anew: the answer is about a generation that is over. Giving up once more would make the new
      // assignment obsolete, and its partitions nobody's.
      if (this.#newest !== asOf) return;
      // Not awaited: whoever commits may be who is to let go.
      void this.giveUp('lost', AbortSignal.abort());
      return;
    }
    wanted.forEach((partition, at) => {
      const { offset } = offsets[at]!;
      if (offset > partition.committed) partition.committed = offset;
    });
  }

  /**
   * The end offsets now; and the group hears of the markers and removed records that no delivery stands for.
   * @param again whether it is told everything once more: a commit that took too long is repeated by kafkajs, by then perhaps in its next
   *   generation, and so may have put back what the next owner of a partition committed meanwhile
   */
  async sample(again: boolean): Promise<void> {
    const assignment = this.#assignment;
    const member = this.#deps.member();
    if (assignment?.isActive !== true || member === undefined || assignment.partitions.size === 0) return;
    const partitions = [...assignment.partitions.values()];
    const topics = [...new Set(partitions.map(({ topic }) => topic))];
    const ends = await this.#deps.log.offsets(topics, 'end');
    // Not during a hand-over: who drains commits, and nothing of ours may come after that.
    if (this.#assignment !== assignment || !assignment.isActive) return;
    for (const partition of partitions) this.#suspicions.end(partition, ends.get(partition.key));
    const wanted = partitions.filter(({ settled, committed }) => settled > committed || again);
    await this.#commit(member, assignment, wanted);
    this.#deps.settled();
  }

  async save(): Promise<void> {
    await inParallel(
      this.partitions.filter(({ isDirty, isBorrowed }) => isDirty && !isBorrowed),
      async (partition) => {
        partition.isDirty = false;
        try {
          await this.#deps.store.savePartition(partition.key, partition.state);
        } catch (error) {
          partition.isDirty = true;
          throw error;
        }
      },
    );
  }

  /**
   * What was delivered is drained and committed where the partitions are still ours, then they are forgotten. A record that was handed
   * over just now reaches its consumer before the listener is called.
   * @returns what makes going on impossible
   */
  giveUp(how: 'revoking' | 'lost', deadline: AbortSignal): Promise<unknown> {
    this.obsolete();
    this.#deactivate();
    return this.#inTurn(async () => {
      const assignment = this.#assignment;
      if (assignment === undefined) return undefined;
      this.#deactivate();
      await macrotask();
      const ids = [...assignment.byId.keys()];
      try {
        if (ids.length > 0) await this.#listener(ids, how, deadline);
        if (how === 'revoking' && !deadline.aborted) await this.save();
        return undefined;
      } catch (error) {
        return kindOf(error) === 'fatal' ? error : undefined;
      } finally {
        if (this.#assignment === assignment) this.#assignment = undefined;
      }
    });
  }

  /** What is being taken up was another membership's. */
  obsolete(): void {
    this.#newest += 1;
  }

  #deactivate(): void {
    if (this.#assignment === undefined) return;
    this.#assignment.isActive = false;
    this.buffer.clear();
  }

  /** Reading has ended, settling has not: what is in flight can still be committed. */
  hold(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.obsolete();
    this.#deps.member()?.pause(this.partitions);
    if (this.#assignment !== undefined) this.#assignment.isActive = false;
  }

  /** Saves what was settled, unless that takes too long. */
  async close(): Promise<void> {
    const { closeMs } = this.#deps.limits;
    await within(this.#turn, closeMs, undefined);
    await within(
      this.save().catch(() => undefined),
      closeMs,
      undefined,
    );
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}
