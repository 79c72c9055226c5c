import kafkajs from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKafkaDeadLetters } from '../../../../connectors/kafka/dead-letters/index.ts';
import { startKafka, type Kafka } from '../../../../scripts/stack/index.ts';
import { systemClock } from '../../../../src/runtime/clock.ts';
import { deadLetter, describeDeadLetters } from '../../../contracts/dead-letters.contract.ts';

let broker: Kafka;
let topics = 0;
beforeAll(async () => {
  broker = await startKafka();
});
afterAll(() => broker[Symbol.asyncDispose]());

const open = (topic: string, partitions = 1) =>
  createKafkaDeadLetters({
    connection: { brokers: broker.brokers },
    topic,
    partitions,
    sealKey: new Uint8Array(32).fill(7),
    clock: systemClock,
  });

describeDeadLetters('a topic of a real broker', async () => {
  const deadLetters = await open(`dlq-${(topics += 1)}`, 3);
  return { deadLetters, [Symbol.asyncDispose]: () => deadLetters[Symbol.asyncDispose]() };
});

describe('dead letters on a real broker', () => {
  const admin = async <T>(use: (admin: kafkajs.Admin) => Promise<T>): Promise<T> => {
    const client = new kafkajs.Kafka({ brokers: [...broker.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
    await client.connect();
    try {
      return await use(client);
    } finally {
      await client.disconnect();
    }
  };

  it('makes its topic compacted', async () => {
    await (await open('dlq-made', 2))[Symbol.asyncDispose]();
    const { resources } = await admin((client) =>
      client.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: 'dlq-made', configNames: ['cleanup.policy'] }],
      }),
    );
    expect(resources[0]?.configEntries[0]?.configValue).toBe('compact');
    const { topics: made } = await admin((client) => client.fetchTopicMetadata({ topics: ['dlq-made'] }));
    expect(made[0]?.partitions).toHaveLength(2);
  });

  it('refuses a topic that forgets by age', async () => {
    await admin((client) => client.createTopics({ topics: [{ topic: 'dlq-aging', numPartitions: 1 }] }));
    await expect(open('dlq-aging')).rejects.toMatchObject({ code: 'DEAD_LETTERS_TOPIC', kind: 'fatal' });
  });

  it('takes letters again after its broker was killed', async () => {
    const letters = await open('dlq-killed');
    await letters.put(deadLetter());
    await broker.kill9();
    await expect(letters.put(deadLetter())).rejects.toMatchObject({ kind: 'transient' });
    await broker.start();
    await expect
      .poll(
        () =>
          letters.put(deadLetter()).then(
            () => true,
            () => false,
          ),
        { timeout: 30_000 },
      )
      .toBe(true);
    expect(await letters.count()).toBe(1);
    const again = await open('dlq-killed');
    expect(await again.list({ limit: 10 })).toEqual(await letters.list({ limit: 10 }));
    for (const each of [letters, again]) await each[Symbol.asyncDispose]();
  });
});
