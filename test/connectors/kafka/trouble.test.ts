import { describe, expect, it } from 'vitest';
import { FreshetError } from '../../../src/domain/errors.ts';
import { consume, type Consumer } from './support/consumer.ts';
import { createFakeWorld } from './support/fake-world.ts';
import { TABLE } from './support/rows.ts';

const codeOf = (error: unknown): string | undefined => (error instanceof FreshetError ? error.code : undefined);
const owned = async ({ source }: Consumer): Promise<number> => (await source.freshness()).partitions.length;

describe('a Kafka source and topics that go', () => {
  it('stops when one that it read is deleted, but not for one that was taken out of its settings', async () => {
    const { kafka, source } = createFakeWorld();
    kafka.topic('u', 1);
    const consumer = consume(source({ topics: ['t', 'u'] }));
    await consumer.until(async () => (await owned(consumer)) === 2);
    kafka.topics.delete('u');
    const error = await consumer.done;
    expect(codeOf(error)).toBe('KAFKA_TOPIC_DELETED');
    expect(String(error)).toMatch(/: u\..*epoch/);
    await consumer.stop();
    const without = consume(source({ topics: ['t'] }));
    await without.until(async () => (await owned(without)) === 1);
    await without.stop();
  });

  it('waits for one that a broker does not know for a moment', async () => {
    const { kafka, source, observer } = createFakeWorld();
    const consumer = consume(source({ limits: { topicsMs: 200 } }));
    kafka.write('t', 1, { text: 'one' });
    await consumer.until(() => kafka.committed('g', 't') === 1n);
    const topic = kafka.topics.get('t')!;
    kafka.topics.delete('t');
    await consumer.until(() => observer.of('source').some(({ code }) => code === 'KAFKA_REJOIN'));
    kafka.topics.set('t', topic);
    kafka.write('t', 2, { text: 'two' });
    await consumer.until(() => consumer.texts().includes('two'));
    expect(consumer.texts()).toEqual(['one', 'two']);
    await consumer.stop();
  });

  it('goes on without one that held no rows, and says which names have no topic yet', async () => {
    const { kafka, source, observer } = createFakeWorld();
    kafka.topic('beats', 1);
    const consumer = consume(source({ topics: ['t', 'later', 'beats'], rowless: ['beats'] }));
    await consumer.until(async () => (await owned(consumer)) === 2);
    kafka.topics.delete('beats');
    await consumer.until(async () => (await owned(consumer)) === 1);
    kafka.write('t', 1, { text: 'one' });
    await consumer.until(() => consumer.texts().includes('one'));
    expect(observer.of('source').find(({ code }) => code === 'KAFKA_NO_TOPIC')?.message).toMatch(/ later /);
    await consumer.stop();
  });

  it('misses no first records in one that held no rows', async () => {
    const { kafka, source, observer } = createFakeWorld();
    kafka.topic('beats', 1);
    for (let n = 0; n < 3; n += 1) kafka.write('beats', n, { other: true });
    const options = { topics: ['t', 'beats'], rowless: ['beats'] };
    const first = consume(source(options));
    await first.until(() => kafka.committed('g', 'beats') === 3n);
    await first.stop();
    kafka.removeBefore('beats', 2n);
    const again = consume(source({ ...options, tables: [{ id: TABLE, fingerprint: 'two' }] }));
    await again.until(async () => (await owned(again)) === 2);
    expect(observer.of('source').map(({ code }) => code)).not.toContain('KAFKA_TOPIC_INCOMPLETE');
    // Nor is it read again.
    kafka.write('t', 1, { text: 'next' });
    await again.until(() => again.texts().includes('next'));
    expect(again.deliveries).toHaveLength(1);
    expect(await again.stop()).toBeUndefined();
  });

  it('goes on with one that held no rows, whatever was done to it while it was not read', async () => {
    const { kafka, source } = createFakeWorld();
    kafka.topic('beats', 1);
    for (let n = 0; n < 3; n += 1) kafka.write('beats', n, { other: true });
    const options = { topics: ['t', 'beats'], rowless: ['beats'] };
    const first = consume(source(options));
    await first.until(() => kafka.committed('g', 'beats') === 3n);
    await first.stop();
    for (let n = 0; n < 3; n += 1) kafka.write('beats', n, { other: true });
    kafka.removeBefore('beats', 5n);
    const afterGap = consume(source(options));
    await afterGap.until(() => kafka.committed('g', 'beats') === 6n);
    await afterGap.stop();
    kafka.topic('beats', 2);
    kafka.write('beats', 1, { other: true, time: 70_000 }, 1);
    const live = source(options);
    const recreated = consume(live);
    await recreated.until(async () =>
      (await live.freshness()).partitions.some(({ partition, asOf }) => partition === 'app/t/0' && asOf === 69_999),
    );
    kafka.grow('beats');
    await recreated.until(async () => (await owned(recreated)) === 4);
    await recreated.stop();
  });

  it('ends with the error of who drains, also where it only joins again', async () => {
    const { source } = createFakeWorld();
    const live = source();
    const consumer = consume(live);
    await consumer.until(async () => (await owned(consumer)) === 1);
    live.onRevoked(() => Promise.reject(new FreshetError('BROKEN', 'fatal', 'broken')));
    await live.replay('beginning');
    expect(codeOf(await consumer.done)).toBe('BROKEN');
    await consumer.stop();
  });
});

describe('a Kafka source and what comes late or never', () => {
  it('tells the group again what it committed: a commit of a former owner may have come after it', async () => {
    const { kafka, source } = createFakeWorld();
    const consumer = consume(source());
    kafka.write('t', 1, { text: 'one' });
    await consumer.until(() => kafka.committed('g', 't') === 1n);
    kafka.groups.get('g')!.committed.set('t/0', 0n);
    await consumer.until(() => kafka.committed('g', 't') === 1n);
    await consumer.stop();
  });

  it('closes though the store of its positions hangs', async () => {
    const { kafka, source, checkpoints } = createFakeWorld();
    let hangs = false;
    const consumer = consume(
      source({
        checkpoints: {
          load: (key) => checkpoints.load(key),
          save: (key, state) => (hangs ? new Promise(() => undefined) : checkpoints.save(key, state)),
        },
        limits: { closeMs: 50 },
      }),
    );
    await consumer.until(async () => (await owned(consumer)) === 1);
    hangs = true;
    kafka.write('t', 1, { text: 'one' });
    await consumer.until(() => kafka.committed('g', 't') === 1n);
    expect(await consumer.stop()).toBeUndefined();
  });

  it('stops reading at once while it still waits to join, and closes', async () => {
    const { kafka, source } = createFakeWorld();
    let asked = 0;
    const client = { ...kafka.client(), join: () => new Promise<never>(() => void (asked += 1)) };
    const consumer = consume(source({ limits: { closeMs: 50 } }, client));
    await consumer.until(() => asked === 1);
    expect(await consumer.stop()).toBeUndefined();
  });

  it('takes up 200 partitions, a few at a time', async () => {
    const { kafka, source } = createFakeWorld(200);
    for (let n = 0; n < 200; n += 1) kafka.write('t', n, { text: `row ${n}` }, n);
    const first = consume(source());
    await first.until(() => first.deliveries.length === 200);
    await first.until(() => Array.from({ length: 200 }, (_, n) => n).every((n) => kafka.committed('g', 't', n) === 1n));
    await first.stop();
    const { log, ...client } = kafka.client();
    let open = 0;
    let most = 0;
    const fetch: typeof log.fetch = async (...args) => {
      most = Math.max(most, (open += 1));
      return log.fetch(...args).finally(() => (open -= 1));
    };
    const second = consume(source({}, { ...client, log: { ...log, fetch } }));
    await second.until(async () => (await owned(second)) === 200);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(8);
    expect(second.deliveries).toEqual([]);
    await second.stop();
  });
});
