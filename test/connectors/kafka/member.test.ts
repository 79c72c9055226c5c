import { EventEmitter } from 'node:events';
import { setImmediate as macrotask } from 'node:timers/promises';
import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { FetchedBatch, MemberListener, TopicPartition } from '../../../connectors/kafka/client/client.ts';
import type { ClientLog } from '../../../connectors/kafka/client/log.ts';
import { KafkaGroupMember } from '../../../connectors/kafka/client/member.ts';
import { DEFAULT_KAFKA_LIMITS } from '../../../connectors/kafka/options.ts';
import type { FreshetError } from '../../../src/domain/errors.ts';

const events = {
  GROUP_JOIN: 'join',
  REBALANCING: 'rebalancing',
  RECEIVED_UNSUBSCRIBED_TOPICS: 'unsubscribed',
  END_BATCH_PROCESS: 'end batch',
  CRASH: 'crash',
} as const;

/** kafkajs as its consumer group uses a member: events are emitted synchronously, and what a listener throws comes out of the emitter. */
class FakeConsumer {
  readonly events = events;
  readonly calls: string[] = [];
  readonly #emitter = new EventEmitter();
  eachBatch: (payload: EachBatchPayload) => Promise<void> = async () => undefined;
  commits: () => Promise<void> = async () => undefined;
  connecting: Promise<void> = Promise.resolve();

  on(event: string, listener: (event: unknown) => void): void {
    this.#emitter.on(event, listener);
  }

  async connect(): Promise<void> {
    await this.connecting;
    this.calls.push('connect');
  }

  async subscribe(): Promise<void> {
    this.calls.push('subscribe');
  }

  async run({ eachBatch }: { readonly eachBatch: (payload: EachBatchPayload) => Promise<void> }): Promise<void> {
    this.calls.push('run');
    this.eachBatch = eachBatch;
  }

  seek({ topic, partition, offset }: { topic: string; partition: number; offset: string }): void {
    this.calls.push(`seek ${topic}/${partition} ${offset}`);
  }

  pause(topics: readonly { topic: string; partitions: number[] }[]): void {
    for (const { topic, partitions } of topics) this.calls.push(`pause ${topic}/${partitions.join()}`);
  }

  resume(topics: readonly { topic: string; partitions: number[] }[]): void {
    for (const { topic, partitions } of topics) this.calls.push(`resume ${topic}/${partitions.join()}`);
  }

  commitOffsets(): Promise<void> {
    return this.commits();
  }

  async disconnect(): Promise<void> {
    this.calls.push('disconnect');
  }

  joins(memberAssignment: Record<string, number[]> = { t: [0, 1] }): void {
    this.#emitter.emit(events.GROUP_JOIN, { payload: { memberAssignment } });
  }

  /** A heartbeat tells of a rebalance. Whether kafkajs may join the next generation now. */
  rebalances(): boolean {
    try {
      this.#emitter.emit(events.REBALANCING, { payload: {} });
      return true;
    } catch (error) {
      expect((error as Error).name).toBe('HandOverUnderWay');
      // Else kafkajs would not ask again.
      expect((error as { retriable?: boolean }).retriable).not.toBe(false);
      return false;
    }
  }

  crashes(error: Error): void {
    this.#emitter.emit(events.CRASH, { payload: { error } });
  }

  endsBatch(batchSize: number, lastOffset: string): void {
    this.#emitter.emit(events.END_BATCH_PROCESS, { payload: { topic: 't', partition: 0, batchSize, lastOffset } });
  }

  hearsOfOtherTopics(): void {
    this.#emitter.emit(events.RECEIVED_UNSUBSCRIBED_TOPICS, {});
  }
}

let consumer: FakeConsumer;
let member: KafkaGroupMember;
let told: string[];
let batches: FetchedBatch[];
let errors: FreshetError[];
let drained: () => void;
let deadline: AbortSignal | undefined;

vi.mock(import('../../../connectors/kafka/client/kafka.ts'), async (importOriginal) => ({
  ...(await importOriginal()),
  createKafka: (_, onLog) =>
    ({
      consumer: () => Object.assign(consumer, { onLog }) as unknown as Consumer,
    }) as unknown as Kafka,
}));

const names = (partitions: readonly TopicPartition[]): string =>
  partitions.map(({ topic, partition }) => `${topic}/${partition}`).join();

function createMember(rebalanceTimeoutMs = 60_000): void {
  consumer = new FakeConsumer();
  told = [];
  batches = [];
  errors = [];
  const listener: MemberListener = {
    assigned: (partitions) => void told.push(`assigned ${names(partitions)}`),
    records: (batch) => void batches.push(batch),
    revoking: async (signal) => {
      told.push('revoking');
      deadline = signal;
      await new Promise<void>((resolve) => (drained = resolve));
    },
    lost: () => void told.push('lost'),
    topicsChanged: () => void told.push('topics changed'),
    ended: (error) => void errors.push(error),
  };
  const limits = { ...DEFAULT_KAFKA_LIMITS, rebalanceTimeoutMs };
  member = new KafkaGroupMember({ brokers: [] }, 'g', limits, listener, () => undefined);
}

const protocolError = (type: string): Error =>
  Object.assign(new Error('text of a broker'), { name: 'KafkaJSProtocolError', type, retriable: false });

const batchOf = (offsets: readonly number[], more: { readonly isStale?: boolean; readonly last?: number } = {}) =>
  ({
    batch: {
      topic: 't',
      partition: 0,
      fetchedOffset: String(offsets[0] ?? 0),
      messages: offsets.map((offset) => ({ offset: String(offset), timestamp: '1', key: null, value: null })),
      lastOffset: () => String(more.last ?? offsets.at(-1)),
    },
    resolveOffset: (offset: string) => consumer.calls.push(`resolve ${offset}`),
    isRunning: () => true,
    isStale: () => more.isStale ?? false,
  }) as unknown as EachBatchPayload;

beforeEach(async () => {
  createMember();
  await member.join(['t']);
  consumer.joins();
});

describe('a member that joined', () => {
  it('fetches nothing before it is told from where, and then from there', () => {
    expect(told).toEqual(['assigned t/0,t/1']);
    expect(consumer.calls).toEqual(['connect', 'subscribe', 'run', 'pause t/0,1']);
    member.start([{ topic: 't', partition: 1, offset: 7n }]);
    expect(consumer.calls.slice(-2)).toEqual(['seek t/1 7', 'resume t/1']);
  });

  it('hands records on with where they were asked for and where to go on, past markers at the end', async () => {
    await consumer.eachBatch(batchOf([3, 4], { last: 6 }));
    expect(consumer.calls).toContain('resolve 6');
    expect(batches).toMatchObject([{ askedFor: 3n, next: 7n, records: [{ offset: 3n }, { offset: 4n }] }]);
  });

  it('hears of a batch that held only markers, once', () => {
    consumer.endsBatch(2, '4');
    consumer.endsBatch(0, '9');
    expect(batches).toMatchObject([{ records: [], askedFor: undefined, next: 10n }]);
  });

  it('drops what was fetched before it was told where to read', async () => {
    await consumer.eachBatch(batchOf([3], { isStale: true }));
    expect(batches).toEqual([]);
  });

  it('passes on that others read more topics', () => {
    consumer.hearsOfOtherTopics();
    expect(told).toContain('topics changed');
  });
});

describe('a rebalance', () => {
  it('waits until what was delivered is drained: kafkajs is refused the next generation, and asks again', async () => {
    expect(consumer.rebalances()).toBe(false);
    expect(consumer.calls.at(-1)).toBe('pause t/0,1');
    expect(consumer.rebalances()).toBe(false);
    // Once, however often it asks.
    expect(told.filter((what) => what === 'revoking')).toHaveLength(1);
    expect(await member.commit([{ topic: 't', partition: 0, offset: 5n }])).toBe('committed');
    drained();
    await macrotask();
    expect(consumer.rebalances()).toBe(true);
    consumer.joins({ t: [1] });
    expect(told).toEqual(['assigned t/0,t/1', 'revoking', 'assigned t/1']);
    expect(deadline?.aborted).toBe(false);
  });

  it('delivers and resumes nothing meanwhile', async () => {
    consumer.rebalances();
    const before = consumer.calls.length;
    await consumer.eachBatch(batchOf([1]));
    consumer.endsBatch(0, '9');
    member.resume([{ topic: 't', partition: 0 }]);
    expect(batches).toEqual([]);
    expect(consumer.calls).toHaveLength(before);
  });

  it('is not held up past the deadline', async () => {
    vi.useFakeTimers();
    try {
      createMember(10_000);
      await member.join(['t']);
      consumer.joins();
      expect(consumer.rebalances()).toBe(false);
      await vi.advanceTimersByTimeAsync(4_999);
      expect(consumer.rebalances()).toBe(false);
      await vi.advanceTimersByTimeAsync(1);
      expect(deadline?.aborted).toBe(true);
      expect(consumer.rebalances()).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });

  it('that nobody announced means that everything was lost', () => {
    consumer.joins({ t: [0] });
    expect(told).toEqual(['assigned t/0,t/1', 'lost', 'assigned t/0']);
  });

  it('that was over before the hand-over was means the same, and ends the hand-over', () => {
    consumer.rebalances();
    consumer.joins({ t: [0] });
    expect(told).toEqual(['assigned t/0,t/1', 'revoking', 'lost', 'assigned t/0']);
    expect(deadline?.aborted).toBe(true);
  });

  it('without partitions for it leaves a member with nothing to read', () => {
    consumer.joins({});
    expect(told.at(-1)).toBe('assigned ');
  });
});

describe('a commit', () => {
  const offsets = [{ topic: 't', partition: 0, offset: 5n }];

  it.each(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'REBALANCE_IN_PROGRESS', 'FENCED_INSTANCE_ID'])(
    'that the group refuses with %s is lost, which is no failure',
    async (type) => {
      consumer.commits = () => Promise.reject(protocolError(type));
      expect(await member.commit(offsets)).toBe('lost');
    },
  );

  it('that brokers do not take is tried again by who wants it, and names no text of theirs', async () => {
    consumer.commits = () => Promise.reject(Object.assign(new Error('at host:1'), { name: 'KafkaJSConnectionError' }));
    const error = await member.commit(offsets).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ kind: 'transient', code: 'KAFKA_UNAVAILABLE' });
    expect(String(error)).not.toContain('host');
  });

  it('that takes too long is over', async () => {
    vi.useFakeTimers();
    try {
      consumer.commits = () => new Promise(() => undefined);
      const outcome = member.commit(offsets).catch((reason: unknown) => reason);
      await vi.advanceTimersByTimeAsync(5_000);
      expect(await outcome).toMatchObject({ kind: 'transient' });
    } finally {
      vi.useRealTimers();
    }
  });

  it('after the end is lost without asking', async () => {
    await member.leave();
    consumer.commits = () => Promise.reject(new Error('asked'));
    expect(await member.commit(offsets)).toBe('lost');
  });
});

describe('the end of a member', () => {
  it('by a crash says whether another one may be made', () => {
    consumer.crashes(Object.assign(new Error('x'), { name: 'KafkaJSNumberOfRetriesExceeded', cause: closed() }));
    expect(errors).toMatchObject([{ kind: 'transient' }]);
  });

  it('by a crash that no new member would mend is fatal', () => {
    consumer.crashes(Object.assign(new Error('codec 7'), { name: 'KafkaJSNotImplemented' }));
    expect(errors).toMatchObject([{ kind: 'fatal', code: 'KAFKA_NOT_UNDERSTOOD' }]);
  });

  it('by a crash during the hand-over ends that too, and is told once', () => {
    consumer.rebalances();
    consumer.crashes(closed());
    consumer.crashes(closed());
    expect(deadline?.aborted).toBe(true);
    expect(errors).toHaveLength(1);
  });

  it('on its own will is quiet: no event of a client that goes on for a moment is passed on', async () => {
    await member.leave();
    const before = [...told];
    consumer.joins();
    expect(consumer.rebalances()).toBe(true);
    consumer.crashes(closed());
    await consumer.eachBatch(batchOf([1]));
    expect([told, errors, batches]).toEqual([before, [], []]);
  });

  it('before brokers answered keeps it out of the group', async () => {
    createMember();
    let connect: () => void = () => undefined;
    consumer.connecting = new Promise((resolve) => (connect = resolve));
    const joining = member.join(['t']).catch((reason: unknown) => reason);
    await member.leave();
    connect();
    expect(await joining).toMatchObject({ kind: 'aborted' });
    expect(consumer.calls).not.toContain('run');
  });

  it('comes instead of a jump to another offset, which kafkajs tells only its log', () => {
    const { onLog } = consumer as FakeConsumer & { readonly onLog: (entry: ClientLog) => void };
    const message = 'Offset out of range, resetting to default offset';
    const jump = (): void => onLog({ level: 'error', part: 'ConsumerGroup', message, topic: 't', partition: 1 });
    expect(jump).toThrow(/no longer holds the records that come next/);
    try {
      jump();
    } catch (error) {
      expect(error).toMatchObject({ code: 'KAFKA_OFFSETS_LOST', kind: 'fatal', retriable: false });
    }
  });
});

const closed = (): Error => Object.assign(new Error('x'), { name: 'KafkaJSConnectionClosedError' });
