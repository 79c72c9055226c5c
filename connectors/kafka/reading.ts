import { setImmediate as macrotask } from 'node:timers/promises';
import type { Position } from '../../src/domain/change.ts';
import { kindOf, type FreshetError } from '../../src/domain/errors.ts';
import type { PartitionId } from '../../src/domain/ids.ts';
import type { RevokedListener } from '../../src/ports/source.ts';
import { backoffMs } from '../../src/runtime/backoff.ts';
import {
  partitionKey,
  type FetchedBatch,
  type GroupMember,
  type KafkaClient,
  type TopicPartition,
} from './client/client.ts';
import { within } from './client/deadline.ts';
import { partitionsChanged, topicRecreated } from './epoch.ts';
import { identify, type Identity, type Say } from './identify.ts';
import type { KafkaLimits, KafkaSourceOptions } from './options.ts';
import type { PartitionProgress } from './partition-progress.ts';
import { RecordBuffer } from './record-buffer.ts';
import type { StateStore } from './state.ts';
import { takeUp } from './take-up.ts';
import { matchingTopics } from './topics.ts';

const RECONNECT = { firstMs: 100, maxMs: 5_000 };
/** A member that lasted this long was no failed attempt. */
const STABLE_MS = 5_000;
/** Looks in a row that must find the end of a partition below what was there: a new leader may lag for a moment. */
const SUSPICIONS = 5;
/** Fetches in a row that began elsewhere than asked for. */
const JUMPS = 3;

/** The partitions this process has, from their assignment until they were given up. */
interface Assignment {
  readonly partitions: ReadonlyMap<string, PartitionProgress>;
  /** Records are delivered. */
  isActive: boolean;
}

type End = { readonly how: 'failed'; readonly error: unknown } | { readonly how: 'rejoin'; readonly why: string };

export interface ReadingHooks {
  /** Before anything is read. */
  identified(identity: Identity): void;
  /** A position moved, or an end. */
  settled(): void;
  /** With every look at the end offsets. */
  sampled(): Promise<void>;
}

/**
 * Membership in the group over the life of a source: joins, takes partitions up, gives them up, joins again. Records go into the buffer;
 * who reads them says what is settled by `commit`.
 */
export class Reading {
  readonly buffer: RecordBuffer;
  readonly #options: KafkaSourceOptions;
  readonly #limits: KafkaLimits;
  readonly #client: KafkaClient;
  readonly #store: StateStore;
  readonly #say: Say;
  readonly #hooks: ReadingHooks;
  #listener: RevokedListener = async () => undefined;
  #identity: Identity | undefined;
  #assignment: Assignment | undefined;
  #member: GroupMember | undefined;
  #topics: readonly string[] = [];
  /** Assignments and their ends take effect one after another. */
  #turn: Promise<unknown> = Promise.resolve();
  #newest = 0;
  #end: (end: End) => void = () => undefined;
  #isOver = false;
  #isConnected = false;
  #jumps = 0;
  readonly #suspicions = new Map<string, number>();

  constructor(
    options: KafkaSourceOptions,
    limits: KafkaLimits,
    client: KafkaClient,
    store: StateStore,
    say: Say,
    hooks: ReadingHooks,
  ) {
    this.#hooks = hooks;
    this.#options = options;
    this.#limits = limits;
    this.#client = client;
    this.#store = store;
    this.#say = say;
    this.buffer = new RecordBuffer(
      limits,
      (partitions) => this.#member?.pause(partitions),
      (partitions) => this.#member?.resume(partitions),
    );
  }

  get partitions(): readonly PartitionProgress[] {
    return [...(this.#assignment?.partitions.values() ?? [])];
  }

  /** Those of the group, as far as this process knows. */
  get topics(): readonly string[] {
    return this.#topics;
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  get hasAssignment(): boolean {
    return this.#assignment !== undefined;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  onRevoked(listener: RevokedListener): void {
    this.#listener = listener;
  }

  isActive(partition: PartitionProgress): boolean {
    const assignment = this.#assignment;
    return assignment?.isActive === true && assignment.partitions.get(partition.key) === partition;
  }

  /** Until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (let attempt = 0; !signal.aborted; ) {
      const startedAt = clock.monotonic();
      try {
        if (this.#identity === undefined) {
          this.#identity = await identify(this.#options, this.#client.log, this.#store, this.#say);
          this.#hooks.identified(this.#identity);
        }
        await this.#session(signal);
        attempt = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (kindOf(error) !== 'transient') throw error;
        attempt = clock.monotonic() - startedAt > STABLE_MS ? 1 : attempt + 1;
        await this.#backOff(error as FreshetError, attempt, signal);
      }
    }
  }

  async #session(signal: AbortSignal): Promise<void> {
    const topics = await this.#findTopics(signal);
    const ended = new Promise<End>((resolve) => (this.#end = resolve));
    const aborted = new Promise<undefined>((resolve) => {
      if (signal.aborted) resolve(undefined);
      signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    let joined: (member: GroupMember | undefined) => void = () => undefined;
    const membership = new Promise<GroupMember | undefined>((resolve) => (joined = resolve));
    const joining = this.#client.join(this.#options.groupId, topics, {
      assigned: (partitions) => this.#assigned(partitions, membership, signal),
      records: (batch) => this.#received(batch),
      revoking: (deadline) => this.#giveUp('revoking', deadline),
      lost: () => void this.#giveUp('lost', AbortSignal.abort()),
      topicsChanged: () => this.#end({ how: 'rejoin', why: 'other instances read more topics' }),
      ended: (error) => this.#end({ how: 'failed', error }),
    });
    joining.then(joined, () => joined(undefined));
    const watching = new AbortController();
    try {
      this.#member = await Promise.race([joining, aborted]);
      if (this.#member === undefined) {
        void joining.then((member) => member.leave()).catch(() => undefined);
        return;
      }
      void this.#watch(AbortSignal.any([signal, watching.signal]));
      const end = await Promise.race([ended, aborted]);
      if (end !== undefined) await this.#endSession(end);
    } catch (error) {
      await this.#giveUp('lost', AbortSignal.abort());
      throw error;
    } finally {
      watching.abort();
    }
  }

  async #endSession(end: End): Promise<void> {
    const member = this.#member;
    if (end.how === 'rejoin') {
      this.#say('info', 'KAFKA_REJOIN', `Source "${this.#options.name}" joins its group again: ${end.why}.`);
      await this.#giveUp('revoking', AbortSignal.timeout(this.#limits.rebalanceTimeoutMs / 2));
    } else {
      await this.#giveUp('lost', AbortSignal.abort());
    }
    this.#newest += 1;
    this.#isConnected = false;
    this.#member = undefined;
    await member?.leave();
    if (end.how === 'failed') throw end.error;
  }

  /** Reading has ended, settling has not: it stays a member, so that what is in flight can still be committed. */
  hold(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#newest += 1;
    this.#member?.pause(this.partitions);
    if (this.#assignment !== undefined) this.#assignment.isActive = false;
  }

  /** The end of a process: commits and saves what was settled, leaves the group. Calls nobody. */
  async close(): Promise<void> {
    this.hold();
    await within(this.#turn, this.#limits.closeMs, undefined);
    const member = this.#member;
    this.#member = undefined;
    await this.#save().catch(() => undefined);
    await member?.leave();
  }

  /** Everything is read again from where the shared state now says. */
  rejoin(why: string): void {
    this.#end({ how: 'rejoin', why });
  }

  async commit(positions: readonly Position[]): Promise<void> {
    const assignment = this.#assignment;
    const member = this.#member;
    if (assignment === undefined || member === undefined) return;
    const byId = new Map<PartitionId, PartitionProgress>();
    for (const partition of assignment.partitions.values()) byId.set(partition.id, partition);
    const named = positions.flatMap(({ partition, offset }) => {
      const progress = byId.get(partition);
      progress?.settle(offset);
      return progress === undefined ? [] : [progress];
    });
    await this.#commit(member, assignment, named);
    this.#hooks.settled();
  }

  async #commit(member: GroupMember, assignment: Assignment, candidates: readonly PartitionProgress[]): Promise<void> {
    const ahead = candidates.filter(({ settled, committed }) => settled > committed);
    if (ahead.length === 0) return;
    const offsets = ahead.map(({ topic, partition, settled }) => ({ topic, partition, offset: settled }));
    const outcome = await member.commit(offsets);
    if (this.#assignment !== assignment) return;
    if (outcome === 'lost') {
      // Not awaited: whoever commits may be who is to let go.
      void this.#giveUp('lost', AbortSignal.abort());
      return;
    }
    ahead.forEach((partition, at) => {
      const { offset } = offsets[at]!;
      if (offset > partition.committed) partition.committed = offset;
    });
  }

  #assigned(
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
          if (isCurrent()) await this.#backOff(error as FreshetError, attempt, signal);
        }
      }
    }).catch((error: unknown) => {
      if (kindOf(error) !== 'aborted') this.#end({ how: 'failed', error });
    });
  }

  async #takeUp(
    partitions: readonly TopicPartition[],
    member: GroupMember,
    isCurrent: () => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { name, groupId, start = 'earliest', clock } = this.#options;
    const deps = { name, groupId, start, log: this.#client.log, store: this.#store, clock, say: this.#say };
    const taken = await takeUp(deps, this.#identity!, partitions, signal);
    const all = taken.map(({ progress }) => progress);
    const assignment = { partitions: new Map(all.map((one) => [one.key, one])), isActive: true };
    // The group's offset first, the state after it: a stale offset beside a new state would look like a log that lost its end.
    const different = all.filter(({ committed, fetched }) => committed !== fetched);
    if (different.length > 0 && isCurrent()) {
      const offsets = different.map(({ topic, partition, fetched }) => ({ topic, partition, offset: fetched }));
      if ((await member.commit(offsets)) === 'lost') return;
      for (const partition of different) partition.committed = partition.fetched;
    }
    for (const { progress, isNew } of taken) if (isNew) await this.#store.savePartition(progress.key, progress.state);
    if (!isCurrent()) return;
    this.#isConnected = true;
    this.#assignment = assignment;
    member.start(all.map(({ topic, partition, fetched }) => ({ topic, partition, offset: fetched })));
  }

  #received({ topic, partition, records, askedFor, next }: FetchedBatch): void {
    const assignment = this.#assignment;
    const progress = assignment?.partitions.get(partitionKey({ topic, partition }));
    if (progress === undefined || assignment?.isActive !== true) return;
    const from = askedFor ?? records[0]?.offset ?? next;
    if (from < progress.fetched || (askedFor !== undefined && askedFor > progress.fetched)) {
      this.#jumped(progress, from);
      return;
    }
    this.#jumps = 0;
    if (records.length === 0) progress.skipTo(next);
    else {
      progress.fetched = next;
      this.buffer.push(progress, records, [...assignment.partitions.values()]);
    }
  }

  /** Joining again checks everything that may have changed; what goes on jumping after that cannot be trusted. */
  #jumped(partition: PartitionProgress, from: bigint): void {
    this.#jumps += 1;
    const what = `was read at ${from} instead of ${partition.fetched}`;
    if (this.#jumps >= JUMPS) this.#end({ how: 'failed', error: topicRecreated(partition, what) });
    else this.#end({ how: 'rejoin', why: `${partition.key} ${what}` });
  }

  /**
   * What was delivered is drained and committed where the partitions are still ours, then they are forgotten. A record that was handed
   * over just now reaches its consumer before the listener is called.
   */
  #giveUp(how: 'revoking' | 'lost', deadline: AbortSignal): Promise<void> {
    this.#newest += 1;
    const leaving = this.#assignment;
    if (leaving !== undefined) {
      leaving.isActive = false;
      this.buffer.clear();
    }
    return this.#inTurn(async () => {
      const assignment = this.#assignment;
      if (assignment === undefined) return;
      assignment.isActive = false;
      this.buffer.clear();
      await macrotask();
      const ids = [...assignment.partitions.values()].map(({ id }) => id);
      try {
        if (ids.length > 0) await this.#listener(ids, how, deadline);
        if (how === 'revoking' && !deadline.aborted) await this.#save();
      } catch (error) {
        if (kindOf(error) === 'fatal') this.#end({ how: 'failed', error });
      } finally {
        if (this.#assignment === assignment) this.#assignment = undefined;
      }
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Looks at end offsets, saves marks, finds new topics. What fails for a moment is looked at again. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    let lookedAt = clock.monotonic();
    let savedAt = clock.monotonic();
    while (!signal.aborted) {
      try {
        await clock.sleep(this.#limits.sampleMs, signal);
        await this.#sample();
        await this.#hooks.sampled();
        if (clock.monotonic() - savedAt >= this.#limits.saveMs) {
          savedAt = clock.monotonic();
          await this.#save();
        }
        if (clock.monotonic() - lookedAt >= this.#limits.topicsMs) {
          lookedAt = clock.monotonic();
          await this.#lookAtTopics();
        }
      } catch (error) {
        if (kindOf(error) === 'transient') this.#isConnected = false;
        else if (kindOf(error) !== 'aborted') this.#end({ how: 'failed', error });
      }
    }
  }

  /** The end offsets now; and the group hears of the markers and removed records that no delivery stands for. */
  async #sample(): Promise<void> {
    const assignment = this.#assignment;
    const member = this.#member;
    if (assignment?.isActive !== true || member === undefined || assignment.partitions.size === 0) return;
    const partitions = [...assignment.partitions.values()];
    const topics = [...new Set(partitions.map(({ topic }) => topic))];
    const ends = await this.#client.log.offsets(topics, 'end');
    if (this.#assignment !== assignment) return;
    this.#isConnected = true;
    for (const partition of partitions) this.#noteEnd(partition, ends.get(partition.key));
    await this.#commit(member, assignment, partitions);
    this.#hooks.settled();
  }

  #noteEnd(partition: PartitionProgress, end: bigint | undefined): void {
    if (end === undefined) return;
    const seen = partition.end > partition.fetched ? partition.end : partition.fetched;
    if (end >= seen) {
      partition.end = end;
      this.#suspicions.delete(partition.key);
      return;
    }
    const times = (this.#suspicions.get(partition.key) ?? 0) + 1;
    this.#suspicions.set(partition.key, times);
    if (times >= SUSPICIONS)
      throw topicRecreated(partition, `ends at ${end}`, { end: String(end), seen: String(seen) });
  }

  async #save(): Promise<void> {
    for (const partition of this.partitions.filter(({ isDirty }) => isDirty)) {
      partition.isDirty = false;
      try {
        await this.#store.savePartition(partition.key, partition.state);
      } catch (error) {
        partition.isDirty = true;
        throw error;
      }
    }
  }

  async #lookAtTopics(): Promise<void> {
    const { topics } = await this.#client.log.cluster();
    for (const partition of this.partitions) {
      const known = partition.state.partitions;
      const now = topics.get(partition.topic);
      if (now !== undefined && now !== known) throw partitionsChanged(partition, known, now);
    }
    const found = matchingTopics(this.#options.topics, topics.keys());
    if (found.join() === this.#topics.join()) return;
    this.#end({ how: 'rejoin', why: `its topics are ${found.join(', ')} now` });
  }

  async #findTopics(signal: AbortSignal): Promise<readonly string[]> {
    const { clock, name, topics } = this.#options;
    for (let hasSaid = false; ; hasSaid = true) {
      const found = matchingTopics(topics, (await this.#client.log.cluster()).topics.keys());
      const gone = this.#identity!.state.topics.filter((topic) => !found.includes(topic));
      if (gone.length > 0 && !hasSaid) {
        this.#say('warn', 'KAFKA_TOPIC_GONE', `Topics of source "${name}" are not there any more: ${gone.join(', ')}.`);
      }
      if (found.length > 0) {
        await this.#rememberTopics(found);
        this.#topics = found;
        return found;
      }
      if (!hasSaid) {
        const wanted = topics.map(String).join(', ');
        this.#say('warn', 'KAFKA_NO_TOPIC', `Source "${name}" waits for its topics (${wanted}): there is none yet.`);
      }
      await clock.sleep(this.#limits.topicsMs, signal);
    }
  }

  async #rememberTopics(found: readonly string[]): Promise<void> {
    const stored = (await this.#store.source()) ?? this.#identity!.state;
    const added = found.filter((topic) => !stored.topics.includes(topic));
    if (added.length > 0) await this.#store.saveSource({ ...stored, topics: [...stored.topics, ...added] });
  }

  async #backOff(error: FreshetError, attempt: number, signal: AbortSignal): Promise<void> {
    const { name, clock, observer, random = Math.random } = this.#options;
    const delayMs = backoffMs(attempt, RECONNECT, random());
    this.#isConnected = false;
    observer.emit({ type: 'retry', what: `source ${name}`, code: error.code, attempt, delayMs });
    // Louder as it goes on: brokers restart all the time.
    this.#say(attempt < 5 ? 'info' : 'warn', error.code, `${error.message} Trying again (attempt ${attempt}).`);
    await clock.sleep(delayMs, signal);
  }
}
