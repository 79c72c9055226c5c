import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import kafkajs from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMemoryCheckpoints } from '../../../connectors/memory/checkpoints.ts';
import { registerCodecs } from '../../../connectors/kafka/client/codecs.ts';
import { KafkaLogReader } from '../../../connectors/kafka/client/log-reader.ts';
import { readToEnd } from './support/read-to-end.ts';
import { startKafka, type Kafka } from '../../../scripts/stack/kafka.ts';
import { FreshetError } from '../../../src/domain/errors.ts';
import type { Source } from '../../../src/ports/source.ts';
import { sourceContract } from '../../contracts/source.contract.ts';
import { consume } from './support/consumer.ts';
import { produceWithJava } from './support/java-producer.ts';
import { openWorld, unique, type RealWorld } from './support/real.ts';

let kafka: Kafka;
let world: RealWorld;
beforeAll(async () => {
  kafka = await startKafka();
  world = await openWorld(kafka.brokers);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await kafka[Symbol.asyncDispose]();
});

const never = new AbortController().signal;
const codeOf = (error: unknown): string | undefined => (error instanceof FreshetError ? error.code : undefined);

sourceContract('Kafka, on a real broker', async () => {
  const topic = await world.topic(3);
  const groupId = unique('group');
  const checkpoints = createMemoryCheckpoints();
  return {
    bufferMax: 200,
    open: async () =>
      world.source({
        topics: [topic],
        groupId,
        checkpoints,
        limits: { bufferBytes: 10_000, partitionBufferBytes: 4_000, fetchPartitionBytes: 2_000, fetchBytes: 4_000 },
      }),
    write: (n, text) => world.write(topic, n, { text }),
    remove: (n) => world.write(topic, n, null),
    held: async (source: Source) => (await source.freshness()).gauges['buffered_records'] ?? 0,
    dispose: async () => undefined,
  };
});

describe('a Kafka source on a real broker', () => {
  it('reads record batches of every codec', async () => {
    const topic = await world.topic(1);
    const wide = 'wide '.repeat(500);
    for (const codec of ['snappy', 'lz4', 'zstd', 'gzip']) {
      const lines = [1, 2, 3].map((n) => JSON.stringify({ text: `java ${codec} ${n} ${wide}` }));
      await produceWithJava(world.brokers, topic, codec, lines);
    }
    const consumer = consume(world.source({ topics: [topic], groupId: unique('group') }));
    await consumer.until(() => consumer.deliveries.length === 4 * 3, 'all codecs');
    for (const codec of ['snappy', 'lz4', 'zstd', 'gzip']) {
      expect(consumer.texts().filter((text) => text.startsWith(`java ${codec}`)).length).toBe(3);
    }
    expect(await consumer.stop()).toBeUndefined();
  });

  it.each([
    ['earliest', 'earliest', ['old', 'new', 'live']],
    ['latest', 'latest', ['live']],
    ['a timestamp', 'timestamp', ['new', 'live']],
    ['offsets', 'offsets', ['new', 'live']],
  ] as const)('starts at %s, and only once', async (_, start, expected) => {
    const topic = await world.topic(1);
    const groupId = unique('group');
    const checkpoints = createMemoryCheckpoints();
    await world.write(topic, 1, { text: 'old' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const timestamp = Date.now();
    await world.write(topic, 2, { text: 'new' });
    const at = start === 'timestamp' ? { timestamp } : start === 'offsets' ? { offsets: { [`${topic}/0`]: 1 } } : start;
    const consumer = consume(world.source({ topics: [topic], groupId, checkpoints, start: at }));
    await consumer.until(async () => (await consumer.source.freshness()).partitions.length === 1);
    await world.write(topic, 3, { text: 'live' });
    await consumer.until(() => consumer.texts().includes('live'));
    expect(consumer.texts()).toEqual(expected);
    await consumer.stop();
    await world.write(topic, 4, { text: 'later' });
    const again = consume(world.source({ topics: [topic], groupId, checkpoints, start: at }));
    await again.until(() => again.deliveries.length > 0);
    expect(again.texts()).toEqual(['later']);
    await again.stop();
  });

  it('finds topics of its pattern that appear later, from their beginning, and loses nothing on the way', async () => {
    const prefix = unique('shop');
    const first = await world.topic(1, `${prefix}.a`);
    const consumer = consume(
      world.source({ topics: [new RegExp(`${prefix}\\..*`)], groupId: unique('group'), start: 'latest' }),
    );
    await consumer.until(async () => (await consumer.source.freshness()).partitions.length === 1);
    await world.write(first, 1, { text: 'one' });
    const second = await world.topic(2, `${prefix}.b`);
    await world.write(second, 2, { text: 'two' });
    await world.write(first, 3, { text: 'three' });
    await consumer.until(() => consumer.deliveries.length === 3);
    expect(new Set(consumer.texts())).toEqual(new Set(['one', 'two', 'three']));
    expect(await consumer.stop()).toBeUndefined();
  });

  it('waits for a topic that is not there yet', async () => {
    const topic = unique('later');
    const consumer = consume(world.source({ topics: [topic], groupId: unique('group') }));
    await consumer.until(() =>
      world.observer.of('source').some(({ code, message }) => code === 'KAFKA_NO_TOPIC' && message.includes(topic)),
    );
    await world.topic(1, topic);
    await world.write(topic, 1, { text: 'at last' });
    await consumer.until(() => consumer.texts().includes('at last'));
    await consumer.stop();
  });

  it('stops when a topic gets more partitions, and says the way out', async () => {
    const topic = await world.topic(1);
    const consumer = consume(world.source({ topics: [topic], groupId: unique('group') }));
    await world.write(topic, 1, { text: 'one' });
    await consumer.until(() => consumer.deliveries.length === 1);
    await world.admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] });
    const error = await consumer.done;
    expect(codeOf(error)).toBe('KAFKA_PARTITIONS_CHANGED');
    expect(String(error)).toMatch(/raise "epoch"/);
    await consumer.stop();
  });

  it.each([
    ['shorter than it was', 1],
    ['filled past where it was read to', 6],
  ])('stops at a topic that was recreated, %s; a raised epoch reads it', async (_, records) => {
    const topic = await world.topic(1);
    const groupId = unique('group');
    const checkpoints = createMemoryCheckpoints();
    for (let n = 0; n < 3; n += 1) await world.write(topic, n, { text: `before ${n}` });
    const before = consume(world.source({ topics: [topic], groupId, checkpoints }));
    await before.until(() => before.deliveries.length === 3);
    await before.stop();
    await world.admin.deleteTopics({ topics: [topic] });
    await before.until(async () => !(await world.admin.listTopics()).includes(topic), 'deletion');
    await world.topic(1, topic);
    for (let n = 0; n < records; n += 1) await world.write(topic, n, { text: `after ${n}` });
    const refused = consume(world.source({ topics: [topic], groupId, checkpoints }));
    expect(codeOf(await refused.done)).toBe('KAFKA_TOPIC_RECREATED');
    expect(refused.deliveries).toEqual([]);
    await refused.stop();
    const fresh = consume(world.source({ topics: [topic], groupId, checkpoints, epoch: 1 }));
    await fresh.until(() => fresh.deliveries.length === records);
    expect(fresh.texts()[0]).toBe('after 0');
    await fresh.stop();
    const lowered = consume(world.source({ topics: [topic], groupId, checkpoints, epoch: 0 }));
    expect(codeOf(await lowered.done)).toBe('KAFKA_EPOCH_LOWERED');
    await lowered.stop();
  });

  it('stops where records were removed before they were read', async () => {
    const topic = await world.topic(1);
    const groupId = unique('group');
    const checkpoints = createMemoryCheckpoints();
    await world.write(topic, 0, { text: 'read' });
    const before = consume(world.source({ topics: [topic], groupId, checkpoints }));
    await before.until(() => before.deliveries.length === 1);
    await before.stop();
    for (let n = 1; n < 4; n += 1) await world.write(topic, n, { text: 'unread' });
    await world.removeBefore(topic, 3);
    const after = consume(world.source({ topics: [topic], groupId, checkpoints }));
    expect(codeOf(await after.done)).toBe('KAFKA_OFFSETS_LOST');
    await after.stop();
  });

  it('stops, and commits no jump, when records are removed under a reader that is behind', async () => {
    const topic = await world.topic(1);
    const groupId = unique('group');
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const limits = { bufferBytes: 2_000, partitionBufferBytes: 2_000, fetchPartitionBytes: 500, fetchBytes: 500 };
    const source = world.source({ topics: [topic], groupId, limits });
    for (let n = 0; n < 200; n += 1) await world.write(topic, n, { text: 'x'.repeat(200) });
    const abort = new AbortController();
    const failure = (async () => {
      for await (const delivery of source.read(abort.signal)) {
        if (delivery.position.offset === 0n) await source.commit([delivery.position]);
        await held;
      }
    })().catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await world.removeBefore(topic, 180);
    release();
    expect(codeOf(await failure)).toBe('KAFKA_OFFSETS_LOST');
    await source[Symbol.asyncDispose]();
    const [committed] = await world.admin.fetchOffsets({ groupId, topics: [topic] });
    expect(Number(committed?.partitions[0]?.offset)).toBeGreaterThanOrEqual(0);
    expect(Number(committed?.partitions[0]?.offset)).toBeLessThan(180);
  });

  it('stops at a batch of a codec it does not know, instead of living on without reading', async () => {
    const topic = await world.topic(1);
    const consumer = consume(world.source({ topics: [topic], groupId: unique('group') }));
    await consumer.until(async () => (await consumer.source.freshness()).partitions.length === 1);
    kafkajs.CompressionCodecs[kafkajs.CompressionTypes.LZ4] = () => {
      throw Object.assign(new Error('not implemented'), { name: 'KafkaJSNotImplemented', retriable: false });
    };
    try {
      await produceWithJava(world.brokers, topic, 'lz4', ['{"text":"one"}']);
      expect(codeOf(await consumer.done)).toBe('KAFKA_NOT_UNDERSTOOD');
    } finally {
      registerCodecs();
      await consumer.stop();
    }
  });

  it('goes on at the position of its index when the group has forgotten its own', async () => {
    const topic = await world.topic(1);
    const checkpoints = createMemoryCheckpoints();
    await world.write(topic, 0, { text: 'read' });
    const before = consume(world.source({ topics: [topic], groupId: unique('group'), checkpoints }));
    await before.until(() => before.deliveries.length === 1);
    await before.stop();
    await world.write(topic, 1, { text: 'next' });
    const after = consume(world.source({ topics: [topic], groupId: unique('group'), checkpoints }));
    await after.until(() => after.deliveries.length === 1);
    expect(after.texts()).toEqual(['next']);
    await after.stop();
  });

  it('reads past transaction markers and aborted records, and commits past them', async () => {
    const topic = await world.topic(1);
    const client = new kafkajs.Kafka({ brokers: [...world.brokers], logLevel: kafkajs.logLevel.NOTHING });
    const producer = client.producer({ transactionalId: unique('tx'), idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const within = async (text: string, end: 'commit' | 'abort'): Promise<void> => {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: [{ key: '1', value: JSON.stringify({ text }) }] });
      await transaction[end]();
    };
    const groupId = unique('group');
    const consumer = consume(world.source({ topics: [topic], groupId }));
    await within('kept', 'commit');
    await within('dropped', 'abort');
    await within('kept too', 'commit');
    await within('dropped too', 'abort');
    await consumer.until(() => consumer.deliveries.length === 2);
    expect(consumer.texts()).toEqual(['kept', 'kept too']);
    const source = consumer.source as ReturnType<RealWorld['source']>;
    expect(await source.reached(await source.currentToken(never), 10_000, never)).toBe(true);
    // The group hears of markers and aborted records with the next look at the ends.
    await consumer.until(async () => {
      const [committed] = await world.admin.fetchOffsets({ groupId, topics: [topic] });
      return Number(committed?.partitions[0]?.offset) === 8;
    }, 'the commit');
    const log = new KafkaLogReader({ brokers: world.brokers }, () => undefined);
    const texts: string[] = [];
    for await (const record of readToEnd(log, [topic], never)) {
      texts.push((JSON.parse(Buffer.from(record.value ?? []).toString()) as { text: string }).text);
    }
    expect(texts).toEqual(['kept', 'kept too']);
    await log.close();
    await producer.disconnect();
    await consumer.stop();
  });

  it('fetches one record again by its coordinates, and knows what is gone', async () => {
    const topic = await world.topic(1);
    for (let n = 0; n < 5; n += 1) await world.write(topic, n, { text: `row ${n}` });
    await world.removeBefore(topic, 2);
    const source = world.source({ topics: [topic], groupId: unique('group') });
    const partition = `app/${topic}/0` as never;
    expect(await source.record({ partition, offset: 1n }, never)).toBeUndefined();
    expect(await source.record({ partition, offset: 9n }, never)).toBeUndefined();
    expect((await source.record({ partition, offset: 3n }, never))?.event).toMatchObject({
      row: { text: 'row 3' },
      version: 3,
    });
    await source[Symbol.asyncDispose]();
  });

  it('takes a token of one instance to another of the group', async () => {
    const topic = await world.topic(2);
    const groupId = unique('group');
    const checkpoints = createMemoryCheckpoints();
    const sources = [0, 1].map(() => world.source({ topics: [topic], groupId, checkpoints }));
    const consumers = sources.map((source) => consume(source));
    await consumers[0]!.until(async () => {
      const all = await Promise.all(sources.map((source) => source.freshness()));
      return all.every(({ partitions }) => partitions.length === 1);
    });
    for (let n = 0; n < 10; n += 1) await world.write(topic, n, { text: 'x' }, n % 2);
    const token = await sources[0]!.currentToken(never);
    expect(await Promise.all(sources.map((source) => source.reached(token, 10_000, never)))).toEqual([true, true]);
    expect(consumers[0]!.deliveries.length + consumers[1]!.deliveries.length).toBe(10);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
  });

  it('reads everything again on a replay, in all instances, with the versions it had', async () => {
    const topic = await world.topic(2);
    const groupId = unique('group');
    const checkpoints = createMemoryCheckpoints();
    const sources = [0, 1].map(() => world.source({ topics: [topic], groupId, checkpoints }));
    const consumers = sources.map((source) => consume(source));
    await consumers[0]!.until(async () => {
      const all = await Promise.all(sources.map((source) => source.freshness()));
      return all.every(({ partitions }) => partitions.length === 1);
    });
    for (let n = 0; n < 10; n += 1) await world.write(topic, n, { text: 'x' }, n % 2);
    const count = (): number => consumers[0]!.deliveries.length + consumers[1]!.deliveries.length;
    await consumers[0]!.until(() => count() === 10);
    expect((await sources[0]!.replay('beginning')).message).toMatch(/reads its topics again/);
    await consumers[0]!.until(() => count() === 20);
    expect(consumers.flatMap(({ outOfOrder }) => outOfOrder)).toEqual([]);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
  });

  it('gives way when it was frozen past its session, and comes back as a new member', async () => {
    const topic = await world.topic(2);
    const groupId = unique('group');
    const child = spawn(
      process.execPath,
      [
        '--import',
        'tsx',
        new URL('./support/member-process.ts', import.meta.url).pathname,
        world.brokers[0]!,
        topic,
        groupId,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    const other = consume(world.source({ topics: [topic], groupId }));
    try {
      await other.until(() => lines.includes('partitions 1'), 'the child to read');
      await world.write(topic, 1, { text: 'both' }, 0);
      await world.write(topic, 2, { text: 'both' }, 1);
      await other.until(() => other.deliveries.length + lines.filter((line) => line === 'record').length === 2);
      child.kill('SIGSTOP');
      await other.until(async () => (await other.source.freshness()).partitions.length === 2, 'the takeover');
      await world.write(topic, 3, { text: 'meanwhile' }, 0);
      await world.write(topic, 4, { text: 'meanwhile' }, 1);
      await other.until(() => other.texts().filter((text) => text === 'meanwhile').length === 2);
      child.kill('SIGCONT');
      await other.until(() => lines.includes('lost'), 'the frozen one to notice');
      await other.until(async () => (await other.source.freshness()).partitions.length === 1, 'both to share again');
      await world.write(topic, 5, { text: 'after' }, 0);
      await world.write(topic, 6, { text: 'after' }, 1);
      const after = (): number => lines.slice(lines.indexOf('lost')).filter((line) => line === 'record').length;
      await other.until(() => after() >= 1 && other.texts().includes('after'), `both to read: ${lines.join(', ')}`);
      expect(lines.filter((line) => line.startsWith('failed'))).toEqual([]);
    } finally {
      child.kill('SIGKILL');
      await other.stop();
    }
  });
});

describe('a Kafka source and a broker that goes away', () => {
  it('reconnects by itself, and lets go in time while it is gone', async () => {
    await using own = await startKafka();
    await using mine = await openWorld(own.brokers);
    const topic = await mine.topic(1);
    const consumer = consume(mine.source({ topics: [topic], groupId: unique('group'), limits: { closeMs: 1_000 } }));
    await mine.write(topic, 1, { text: 'one' });
    await consumer.until(() => consumer.deliveries.length === 1);
    await own.kill9();
    await consumer.until(async () => !(await consumer.source.freshness()).connected, 'the outage to show');
    await own.start();
    await mine.write(topic, 2, { text: 'two' });
    await consumer.until(() => consumer.texts().includes('two'), 'the recovery');
    await own.kill9();
    const before = Date.now();
    expect(await consumer.stop()).toBeUndefined();
    expect(Date.now() - before).toBeLessThan(10_000);
  });
});
