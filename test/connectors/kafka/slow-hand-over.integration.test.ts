import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createKafkaClient } from '../../../connectors/kafka/client/index.ts';
import type { MemberListener, TopicPartition } from '../../../connectors/kafka/client/client.ts';
import { DEFAULT_KAFKA_LIMITS } from '../../../connectors/kafka/options.ts';
import type { FreshetError } from '../../../src/domain/errors.ts';
import { startKafka, type Kafka } from '../../../scripts/stack/index.ts';

/** Longer than the six attempts that are kafkajs's default for a consumer. */
const DRAIN_MS = 6_000;

let broker: Kafka;
beforeAll(async () => {
  broker = await startKafka();
  const admin = new kafkajs.Kafka({ brokers: [...broker.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: 'slow', numPartitions: 4 }] });
  await admin.disconnect();
});
afterAll(() => broker[Symbol.asyncDispose]());

it('hands partitions over in its own time, when what is in flight takes several seconds', async () => {
  const limits = { ...DEFAULT_KAFKA_LIMITS, heartbeatMs: 200 };
  const ends: FreshetError[] = [];
  const happened: string[] = [];
  const listener = (
    name: string,
    drainMs: number,
    assigned: (partitions: readonly TopicPartition[]) => void,
  ): MemberListener => ({
    assigned: (partitions) => {
      happened.push(`${name} has ${partitions.length}`);
      assigned(partitions);
    },
    records: () => undefined,
    revoking: async () => {
      await sleep(drainMs);
      happened.push(`${name} drained`);
    },
    lost: () => happened.push(`${name} lost`),
    topicsChanged: () => undefined,
    ended: (error) => ends.push(error),
  });
  await using one = createKafkaClient({ brokers: broker.brokers }, limits);
  await using two = createKafkaClient({ brokers: broker.brokers }, limits);
  let isShared = (): void => undefined;
  const shared = new Promise<void>((resolve) => (isShared = resolve));
  const first = await one.join(
    'slow-hand-over',
    ['slow'],
    listener('first', DRAIN_MS, () => undefined),
  );
  await expect.poll(() => happened, { timeout: 20_000 }).toEqual(['first has 4']);
  const second = await two.join(
    'slow-hand-over',
    ['slow'],
    listener('second', 0, () => isShared()),
  );
  await shared;
  expect(happened.slice(0, 2)).toEqual(['first has 4', 'first drained']);
  await expect.poll(() => happened.slice(2).sort(), { timeout: 20_000 }).toEqual(['first has 2', 'second has 2']);
  expect(ends).toEqual([]);
  for (const member of [first, second]) await member.leave();
});
