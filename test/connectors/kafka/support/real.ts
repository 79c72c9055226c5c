import { randomBytes } from 'node:crypto';
import kafkajs, { type Admin, type CompressionTypes, type Message, type Producer } from 'kafkajs';
import { createMemoryCheckpoints } from '../../../../connectors/memory/checkpoints.ts';
import { registerCodecs } from '../../../../connectors/kafka/client/codecs.ts';
import type { KafkaLimits, KafkaSourceOptions } from '../../../../connectors/kafka/options.ts';
import { createKafkaSource, type KafkaSource } from '../../../../connectors/kafka/source.ts';
import { systemClock } from '../../../../src/runtime/clock.ts';
import { createRecordingObserver, type RecordingObserver } from '../../../support/recording-observer.ts';
import { createTestDecoder, TABLE, type TestRow } from './rows.ts';

/** Short times, so that rebalances and looks take tenths of seconds. */
export const QUICK: Partial<KafkaLimits> = {
  sessionTimeoutMs: 6_000,
  heartbeatMs: 200,
  rebalanceTimeoutMs: 10_000,
  sampleMs: 200,
  saveMs: 200,
  topicsMs: 500,
};

export const unique = (name: string): string => `${name}-${randomBytes(4).toString('hex')}`;

/** Topics and records by way of a plain producer, and sources on them. */
export interface RealWorld extends AsyncDisposable {
  readonly brokers: readonly string[];
  readonly admin: Admin;
  readonly observer: RecordingObserver;
  topic(partitions: number, name?: string, config?: Readonly<Record<string, string>>): Promise<string>;
  send(topic: string, messages: readonly Message[], compression?: CompressionTypes): Promise<void>;
  write(topic: string, key: number, row: TestRow | null, partition?: number): Promise<void>;
  /** As retention does. */
  removeBefore(topic: string, offset: number): Promise<void>;
  source(options: Partial<KafkaSourceOptions> & Pick<KafkaSourceOptions, 'topics' | 'groupId'>): KafkaSource;
}

export async function openWorld(brokers: readonly string[]): Promise<RealWorld> {
  registerCodecs();
  const kafka = new kafkajs.Kafka({
    clientId: 'freshet-tests',
    brokers: [...brokers],
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { retries: 10, initialRetryTime: 100 },
  });
  const admin = kafka.admin();
  const producer: Producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await Promise.all([admin.connect(), producer.connect()]);
  const observer = createRecordingObserver();
  const send: RealWorld['send'] = async (topic, messages, compression = kafkajs.CompressionTypes.None) => {
    await producer.send({ topic, messages: [...messages], compression, acks: -1 });
  };
  return {
    brokers,
    admin,
    observer,
    async topic(partitions, name = unique('topic'), config = {}) {
      const configEntries = Object.entries(config).map(([key, value]) => ({ name: key, value }));
      await admin.createTopics({
        topics: [{ topic: name, numPartitions: partitions, configEntries }],
        waitForLeaders: true,
      });
      return name;
    },
    send,
    async write(topic, key, row, partition) {
      await send(topic, [
        {
          key: String(key),
          value: row === null ? null : JSON.stringify(row),
          ...(partition === undefined ? {} : { partition }),
        },
      ]);
    },
    async removeBefore(topic, offset) {
      // The library looks for the leader in what it knows already.
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
    },
    source: (options) =>
      createKafkaSource({
        name: 'app',
        connection: { brokers },
        tables: [{ id: TABLE, fingerprint: 'one' }],
        decoder: createTestDecoder(),
        checkpoints: createMemoryCheckpoints(),
        clock: systemClock,
        observer,
        ...options,
        limits: { ...QUICK, ...options.limits },
      }),
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([admin.disconnect(), producer.disconnect()]);
    },
  };
}
