import { describe, expect, it } from 'vitest';
import { consume, type Consumer } from './support/consumer.ts';
import { createFakeWorld } from './support/fake-world.ts';
import type { Source } from '../../../src/ports/source.ts';

const never = new AbortController().signal;

describe('a Kafka source tells how fresh it is', () => {
  it('by the commit time of settled changes, and of quiet partitions once every one passed what stood behind it', async () => {
    const { kafka, source } = createFakeWorld(2);
    const held: (() => void)[] = [];
    const live = source();
    const consumer = consume(live, ({ event }) =>
      event.kind === 'row-upserted' && event.row['text'] === 'slow'
        ? new Promise((resolve) => held.push(resolve))
        : undefined,
    );
    kafka.write('t', 1, { text: 'quick', time: 50_000 }, 0);
    const asOfs = async (): Promise<(number | undefined)[]> =>
      (await live.freshness()).partitions.map(({ asOf }) => asOf);
    await consumer.until(async () => (await asOfs())[0] === 49_999);
    kafka.write('t', 2, { text: 'slow', time: 60_000 }, 1);
    await consumer.until(() => held.length === 1);
    kafka.write('t', 0, { other: true, time: 70_000 }, 0);
    await consumer.until(() => kafka.committed('g', 't', 0) === 2n);
    expect((await asOfs())[1] ?? 0).toBeLessThan(60_000);
    held[0]!();
    await consumer.until(async () => (await asOfs()).every((asOf) => asOf === 69_999));
    await consumer.until(async () =>
      (await live.freshness()).partitions.every(({ lagEvents, lagMs }) => lagEvents === 0 && lagMs === 0),
    );
    await consumer.stop();
  });

  it('never by what was read, whatever time it bears, nor by the log itself', async () => {
    const { kafka, source } = createFakeWorld();
    const live = source();
    const consumer = consume(live);
    kafka.write('t', 1, { text: 'x', time: 90_000, marker: 'last' });
    kafka.write('t', 2, { other: true });
    await consumer.until(() => kafka.committed('g', 't') === 2n);
    expect((await live.freshness()).partitions[0]?.asOf).toBeUndefined();
    await consumer.stop();
  });

  it('also where another instance reads the partition that tells, and after a restart', async () => {
    const { kafka, source } = createFakeWorld(2);
    const sources = [source(), source()];
    const consumers = sources.map((one) => consume(one));
    const [first] = consumers as [Consumer, Consumer];
    const isShared = async (): Promise<boolean> =>
      (await Promise.all(sources.map((one) => one.freshness()))).every(({ partitions }) => partitions.length === 1);
    await first.until(isShared);
    kafka.write('t', 1, { other: true, time: 70_000, lsn: 100 }, 0);
    const asOf = async (one: Source): Promise<number | undefined> => (await one.freshness()).partitions[0]?.asOf;
    await first.until(async () => (await Promise.all(sources.map(asOf))).every((time) => time === 69_999));
    for (const one of sources) expect(await one.reached('0/64', 5_000, never)).toBe(true);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    const live = source();
    const later = consume(live);
    await later.until(async () => (await asOf(live)) === 69_999);
    await later.stop();
  });

  it('by nothing but the partition itself, once it reads a second connector', async () => {
    const { kafka, source, observer } = createFakeWorld(2);
    const live = source();
    const consumer = consume(live);
    const asOfs = async (): Promise<(number | undefined)[]> =>
      (await live.freshness()).partitions.map(({ asOf }) => asOf);
    kafka.write('t', 1, { other: true, time: 70_000, lsn: 100, connector: 'one' }, 0);
    await consumer.until(async () => (await asOfs()).every((asOf) => asOf === 69_999));
    expect(await live.reached('0/64', 5_000, never)).toBe(true);
    kafka.write('t', 1, { other: true, time: 80_000, lsn: 900, connector: 'two' }, 0);
    await consumer.until(async () => (await asOfs())[0] === 79_999);
    expect((await asOfs())[1]).toBeUndefined();
    expect(await live.reached('0/64', 20, never)).toBe(false);
    expect(observer.of('source').map(({ code }) => code)).toContain('KAFKA_SEVERAL_CONNECTORS');
    await consumer.stop();
  });

  it('and waits no longer than asked where brokers do not answer', async () => {
    const { kafka, source } = createFakeWorld();
    const { log, ...client } = kafka.client();
    const hanging = { ...log, cluster: () => new Promise<never>(() => undefined) };
    const live = source({}, { ...client, log: hanging });
    expect(await live.reached('0/64', 20, never)).toBe(false);
    await live[Symbol.asyncDispose]();
  });

  it('holds a token until everything before it is settled, markers and removed records included', async () => {
    const { kafka, source } = createFakeWorld(2);
    const live = source();
    const consumer = consume(live);
    kafka.write('t', 1, { text: 'x' }, 0);
    kafka.skip('t', 0);
    const token = await live.currentToken(never);
    expect(token).toMatch(/^k1\./);
    expect(await live.reached(token, 5_000, never)).toBe(true);
    expect(await live.reached(live.coveredToken()!, 0, never)).toBe(true);
    await consumer.until(() => kafka.committed('g', 't', 0) === 2n);
    kafka.topics.get('t')![1]!.end += 5n;
    const ahead = await live.currentToken(never);
    expect(await live.reached(ahead, 20, never)).toBe(false);
    await consumer.stop();
    await expect(live.reached('f1.e30', 0, never)).rejects.toMatchObject({ code: 'BAD_TOKEN', kind: 'poison' });
  });

  it('takes a plain LSN, once a change at or after it was read and everything before is settled', async () => {
    const { kafka, source } = createFakeWorld();
    const live = source();
    const consumer = consume(live);
    kafka.write('t', 1, { text: 'x', lsn: 100 });
    expect(await live.reached('0/64', 5_000, never)).toBe(true);
    expect(await live.reached('0/65', 20, never)).toBe(false);
    await consumer.stop();
  });
});
