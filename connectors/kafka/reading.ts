import type { Position } from '../../src/domain/change.ts';
import { kindOf, type FreshetError } from '../../src/domain/errors.ts';
import type { RevokedListener } from '../../src/ports/source.ts';
import { backoffMs } from '../../src/runtime/backoff.ts';
import type { GroupMember, KafkaClient } from './client/client.ts';
import { Holding, type End } from './holding.ts';
import { identify, type Say } from './identify.ts';
import type { KafkaLimits, KafkaSourceOptions } from './options.ts';
import type { PartitionProgress } from './partition-progress.ts';
import type { RecordBuffer } from './record-buffer.ts';
import type { SourceState, StateStore } from './state.ts';
import { TopicWatch } from './topic-watch.ts';

const RECONNECT = { firstMs: 100, maxMs: 5_000 };
/** A member that lasted this long was no failed attempt. */
const STABLE_MS = 5_000;

export interface ReadingHooks {
  /** Before anything is read. */
  identified(state: SourceState): Promise<void>;
  /** A position moved, or an end. */
  settled(): void;
  /** With every look at the end offsets. */
  sampled(): Promise<void>;
}

/**
 * Membership in the group over the life of a source: joins, holds partitions, joins again. Records go into the buffer; who reads them says
 * what is settled by `commit`.
 */
export class Reading {
  readonly topics: TopicWatch;
  readonly #holding: Holding;
  readonly #options: KafkaSourceOptions;
  readonly #limits: KafkaLimits;
  readonly #client: KafkaClient;
  readonly #store: StateStore;
  readonly #say: Say;
  readonly #hooks: ReadingHooks;
  #identity: SourceState | undefined;
  #member: GroupMember | undefined;
  #end: (end: End) => void = () => undefined;
  #isConnected = false;

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
    this.topics = new TopicWatch(options, limits, client.log, store, say);
    this.#holding = new Holding({
      options,
      limits,
      log: client.log,
      store,
      say,
      own: () => this.#identity!,
      member: () => this.#member,
      end: (end) => this.#end(end),
      settled: () => hooks.settled(),
      backOff: (error, attempt, signal) => this.#backOff(error, attempt, signal),
    });
  }

  get buffer(): RecordBuffer {
    return this.#holding.buffer;
  }

  get partitions(): readonly PartitionProgress[] {
    return this.#holding.partitions;
  }

  get identity(): SourceState | undefined {
    return this.#identity;
  }

  get hasAssignment(): boolean {
    return this.#holding.hasAssignment;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  onRevoked(listener: RevokedListener): void {
    this.#holding.onRevoked(listener);
  }

  isActive(partition: PartitionProgress): boolean {
    return this.#holding.isActive(partition);
  }

  commit(positions: readonly Position[]): Promise<void> {
    return this.#holding.commit(positions);
  }

  /** Until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (let attempt = 0; !signal.aborted; ) {
      const startedAt = clock.monotonic();
      try {
        if (this.#identity === undefined) {
          const identity = await identify(this.#options, this.#client.log, this.#store, this.#say);
          await this.#hooks.identified(identity);
          this.#identity = identity;
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
    const topics = await this.topics.find(signal);
    const ended = new Promise<End>((resolve) => (this.#end = resolve));
    const over = new AbortController();
    const aborted = new Promise<undefined>((resolve) => {
      if (signal.aborted) resolve(undefined);
      signal.addEventListener('abort', () => resolve(undefined), { signal: over.signal });
    });
    let joined: (member: GroupMember | undefined) => void = () => undefined;
    const membership = new Promise<GroupMember | undefined>((resolve) => (joined = resolve));
    const joining = this.#client.join(this.#options.groupId, topics, {
      assigned: (partitions) => this.#holding.assigned(partitions, membership, signal),
      records: (batch) => this.#holding.received(batch),
      revoking: (deadline) => this.#revoked('revoking', deadline),
      lost: () => void this.#revoked('lost', AbortSignal.abort()),
      topicsChanged: () => this.#end({ how: 'rejoin', why: 'other instances read more topics' }),
      ended: (error) => this.#end({ how: 'failed', error }),
    });
    joining.then(joined, () => joined(undefined));
    try {
      this.#member = await Promise.race([joining, aborted]);
      if (this.#member === undefined) {
        void joining.then((member) => member.leave()).catch(() => undefined);
        return;
      }
      void this.#watch(AbortSignal.any([signal, over.signal]));
      const end = await Promise.race([ended, aborted]);
      if (end !== undefined) await this.#endSession(end);
    } catch (error) {
      await this.#holding.giveUp('lost', AbortSignal.abort());
      throw error;
    } finally {
      over.abort();
    }
  }

  async #revoked(how: 'revoking' | 'lost', deadline: AbortSignal): Promise<void> {
    const error = await this.#holding.giveUp(how, deadline);
    if (error !== undefined) this.#end({ how: 'failed', error });
  }

  async #endSession(end: End): Promise<void> {
    const member = this.#member;
    let failure: unknown;
    if (end.how === 'rejoin') {
      this.#say('info', 'KAFKA_REJOIN', `Source "${this.#options.name}" joins its group again: ${end.why}.`);
      member?.pause(this.partitions);
      failure = await this.#holding.giveUp('revoking', AbortSignal.timeout(this.#limits.rebalanceTimeoutMs / 2));
    } else {
      failure = end.error;
      await this.#holding.giveUp('lost', AbortSignal.abort());
    }
    this.#holding.obsolete();
    this.#isConnected = false;
    this.#member = undefined;
    await member?.leave();
    if (failure !== undefined) throw failure;
  }

  /** Reading has ended, settling has not: it stays a member, so that what is in flight can still be committed. */
  hold(): void {
    this.#holding.hold();
  }

  /** The end of a process: commits and saves what was settled, leaves the group. Calls nobody. */
  async close(): Promise<void> {
    this.hold();
    await this.#holding.close();
    const member = this.#member;
    this.#member = undefined;
    await member?.leave();
  }

  /** Everything is read again from where the shared state now says. */
  rejoin(why: string): void {
    this.#end({ how: 'rejoin', why });
  }

  /** Looks at end offsets, saves marks, finds new topics. What fails for a moment is looked at again. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    let lookedAt = clock.monotonic();
    let savedAt = clock.monotonic();
    while (!signal.aborted) {
      try {
        await clock.sleep(this.#limits.sampleMs, signal);
        const isTimeToLook = clock.monotonic() - lookedAt >= this.#limits.topicsMs;
        await this.#holding.sample(isTimeToLook);
        await this.#hooks.sampled();
        if (this.#holding.hasAssignment) this.#isConnected = true;
        if (clock.monotonic() - savedAt >= this.#limits.saveMs) {
          savedAt = clock.monotonic();
          await this.#holding.save();
        }
        if (isTimeToLook) {
          lookedAt = clock.monotonic();
          const why = await this.topics.look(this.partitions);
          if (why !== undefined) this.#end({ how: 'rejoin', why });
        }
      } catch (error) {
        if (kindOf(error) === 'transient') this.#isConnected = false;
        else if (kindOf(error) !== 'aborted') this.#end({ how: 'failed', error });
      }
    }
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
