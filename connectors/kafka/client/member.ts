import type { Consumer, ConsumerGroupJoinEvent, EachBatchPayload } from 'kafkajs';
import { abortedError, FreshetError } from '../../../src/domain/errors.ts';
import type { KafkaLimits } from '../options.ts';
import type { GroupMember, MemberListener, TopicOffset, TopicPartition } from './client.ts';
import type { KafkaConnection } from './connection.ts';
import { within } from './deadline.ts';
import { asFreshetError, isMembershipLost } from './errors.ts';
import { CONSUMER_RETRIES, createKafka } from './kafka.ts';
import { isOutOfRange, type ClientLog } from './log.ts';
import { toRecord, type RawMessage } from './records.ts';

const COMMIT_MS = 5_000;

/** Thrown at kafkajs to make it ask again. No failure, and seen by nobody else. */
class HandOverUnderWay extends Error {
  override readonly name = 'HandOverUnderWay';
}

/** What a batch has beyond its types. */
type Batch = EachBatchPayload['batch'] & { readonly fetchedOffset?: string };

const group = (partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] => {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions) topics.set(topic, [...(topics.get(topic) ?? []), partition]);
  return [...topics].map(([topic, numbers]) => ({ topic, partitions: numbers }));
};

/**
 * One membership of a consumer group on kafkajs 2.2.4, which speaks only the eager protocol (every rebalance takes every partition away)
 * and tells nobody in time:
 *
 * - It learns of a rebalance from a heartbeat, emits `consumer.rebalancing` and joins again at once. The event is emitted synchronously,
 *   though, inside the retries of its fetch loop: an error thrown by the listener comes before the join and makes kafkajs try again a
 *   little later, with another heartbeat, another event. So the listener throws until the hand-over is done. Meanwhile everything is
 *   paused, heartbeats keep the member alive, and the broker takes commits of the old generation until all have joined the next.
 * - It re-joins without the event when a leader moves, partitions appear or the group has forgotten the member: `consumer.group_join`
 *   without a hand-over before it means that everything was lost.
 * - It starts to fetch right after the join, from the committed offsets or a default: the listener of that event pauses everything, again
 *   synchronously, until the source says from where.
 */
export class KafkaGroupMember implements GroupMember {
  readonly #consumer: Consumer;
  readonly #listener: MemberListener;
  readonly #limits: KafkaLimits;
  #assigned: readonly TopicPartition[] = [];
  #handOver: { readonly deadline: AbortController; isDone: boolean } | undefined;
  #state: 'joining' | 'reading' | 'left' = 'joining';

  constructor(
    connection: KafkaConnection,
    groupId: string,
    limits: KafkaLimits,
    listener: MemberListener,
    onLog: (entry: ClientLog) => void,
  ) {
    this.#listener = listener;
    this.#limits = limits;
    const kafka = createKafka(connection, (entry) => this.#log(entry, onLog), 'consumer');
    this.#consumer = kafka.consumer({
      groupId,
      retry: CONSUMER_RETRIES,
      sessionTimeout: limits.sessionTimeoutMs,
      heartbeatInterval: limits.heartbeatMs,
      rebalanceTimeout: limits.rebalanceTimeoutMs,
      maxBytesPerPartition: limits.fetchPartitionBytes,
      maxBytes: limits.fetchBytes,
      maxWaitTimeInMs: limits.fetchWaitMs,
      minBytes: 1,
      // A topic that was deleted must not come back empty because somebody looked for it.
      allowAutoTopicCreation: false,
      metadataMaxAge: limits.topicsMs,
    });
    const { events } = this.#consumer;
    this.#consumer.on(events.GROUP_JOIN, ({ payload }) => this.#joined(payload));
    this.#consumer.on(events.REBALANCING, () => this.#rebalancing());
    this.#consumer.on(events.RECEIVED_UNSUBSCRIBED_TOPICS, () => listener.topicsChanged());
    // Only here is a batch seen that held nothing but transaction markers or removed records.
    this.#consumer.on(events.END_BATCH_PROCESS, ({ payload: { topic, partition, batchSize, lastOffset } }) => {
      if (batchSize > 0 || this.#handOver !== undefined || this.#state !== 'reading') return;
      listener.records({ topic, partition, records: [], askedFor: undefined, next: BigInt(lastOffset) + 1n });
    });
    this.#consumer.on(events.CRASH, ({ payload: { error } }) => this.#end(asFreshetError(error, 'go on reading')));
  }

  async join(topics: readonly string[]): Promise<void> {
    try {
      await this.#consumer.connect();
      // Left while brokers were away: it must not turn up in the group when they are back.
      if (this.#state === 'left') throw abortedError();
      // From the beginning: should kafkajs ever choose a start by itself, it chooses the one that loses nothing.
      await this.#consumer.subscribe({ topics: [...topics], fromBeginning: true });
      await this.#consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: async (payload) => this.#batch(payload),
      });
    } catch (error) {
      throw asFreshetError(error, 'take part in its consumer group');
    }
  }

  start(at: readonly TopicOffset[]): void {
    if (this.#state !== 'reading') return;
    for (const { topic, partition, offset } of at) {
      this.#consumer.seek({ topic, partition, offset: String(offset) });
    }
    this.#consumer.resume(group(at));
  }

  pause(partitions: readonly TopicPartition[]): void {
    if (this.#state === 'reading' && partitions.length > 0) this.#consumer.pause(group(partitions));
  }

  resume(partitions: readonly TopicPartition[]): void {
    if (this.#state !== 'reading' || this.#handOver !== undefined || partitions.length === 0) return;
    this.#consumer.resume(group(partitions));
  }

  async commit(offsets: readonly TopicOffset[]): Promise<'committed' | 'lost'> {
    if (this.#state !== 'reading') return 'lost';
    const wanted = offsets.map(({ offset, ...rest }) => ({ ...rest, offset: String(offset) }));
    try {
      // kafkajs would try for minutes. What it commits later is no less true.
      const work = this.#consumer.commitOffsets(wanted).then(() => 'committed' as const);
      const outcome = await within(work, COMMIT_MS, 'late');
      if (outcome === 'committed') return outcome;
    } catch (error) {
      if (isMembershipLost(error)) return 'lost';
      throw asFreshetError(error, 'commit offsets');
    }
    throw new FreshetError('KAFKA_UNAVAILABLE', 'transient', `Kafka did not commit offsets within ${COMMIT_MS} ms.`);
  }

  async leave(): Promise<void> {
    this.#state = 'left';
    this.#handOver?.deadline.abort();
    // kafkajs waits for requests in flight; towards a broker that is gone, that is long.
    const leaving = this.#consumer.disconnect().catch(() => undefined);
    await within(leaving, this.#limits.closeMs, undefined);
  }

  #batch({ batch, resolveOffset, isRunning, isStale }: EachBatchPayload): void {
    if (!isRunning() || isStale() || this.#handOver !== undefined || this.#state !== 'reading') return;
    const { topic, partition, messages, fetchedOffset } = batch as Batch;
    const last = batch.lastOffset();
    resolveOffset(last);
    this.#listener.records({
      topic,
      partition,
      records: messages.map((message) => toRecord(topic, partition, message as RawMessage)),
      askedFor: fetchedOffset === undefined ? undefined : BigInt(fetchedOffset),
      next: BigInt(last) + 1n,
    });
  }

  #joined({ memberAssignment }: ConsumerGroupJoinEvent['payload']): void {
    if (this.#state === 'left') return;
    const handOver = this.#handOver;
    this.#handOver = undefined;
    if (handOver?.isDone !== true && this.#state === 'reading') {
      handOver?.deadline.abort();
      this.#listener.lost();
    }
    this.#state = 'reading';
    this.#assigned = Object.entries(memberAssignment).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    );
    this.pause(this.#assigned);
    this.#listener.assigned(this.#assigned);
  }

  #rebalancing(): void {
    if (this.#state !== 'reading') return;
    if (this.#handOver === undefined) {
      this.pause(this.#assigned);
      this.#handOver = this.#beginHandOver();
    }
    if (!this.#handOver.isDone) throw new HandOverUnderWay();
  }

  #beginHandOver(): { readonly deadline: AbortController; isDone: boolean } {
    const handOver = { deadline: new AbortController(), isDone: false };
    const done = (): void => void (handOver.isDone = true);
    const timer = setTimeout(() => {
      handOver.deadline.abort();
      done();
    }, this.#limits.rebalanceTimeoutMs / 2);
    this.#listener
      .revoking(handOver.deadline.signal)
      .then(done, done)
      .finally(() => clearTimeout(timer));
    return handOver;
  }

  #log(entry: ClientLog, onLog: (entry: ClientLog) => void): void {
    onLog(entry);
    if (!isOutOfRange(entry) || this.#state === 'left') return;
    // Thrown into kafkajs just before it jumps and commits the jump.
    throw Object.assign(outOfRange(entry), { retriable: false });
  }

  #end(error: FreshetError): void {
    if (this.#state === 'left') return;
    this.#state = 'left';
    this.#handOver?.deadline.abort();
    this.#listener.ended(error);
  }
}

function outOfRange({ topic = '?', partition = -1 }: ClientLog): FreshetError {
  return new FreshetError(
    'KAFKA_OFFSETS_LOST',
    'fatal',
    `Partition ${partition} of topic ${topic} no longer holds the records that come next: they were removed before they were read, or the topic was recreated. Take a new snapshot with the connector (an incremental snapshot, or a new connector), then raise "epoch" of the source by one.`,
    { details: { topic, partition } },
  );
}
