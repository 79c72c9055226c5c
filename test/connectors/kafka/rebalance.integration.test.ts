import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMemoryCheckpoints } from '../../../connectors/memory/checkpoints.ts';
import { startKafka, type Kafka } from '../../../scripts/stack/kafka.ts';
import { consume, type Consumer } from './support/consumer.ts';
import { openWorld, unique, type RealWorld } from './support/real.ts';

describe('partitions of a consumer group on a real broker', () => {
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

  const fill = async (topic: string, from: number, to: number): Promise<void> =>
    world.send(
      topic,
      Array.from({ length: to - from }, (_, at) => ({
        key: String(from + at),
        value: JSON.stringify({ text: `row ${from + at}` }),
      })),
    );
  const all = (consumers: readonly Consumer[]): Set<string> =>
    new Set(consumers.flatMap((consumer) => consumer.texts()));
  const owned = async ({ source }: Consumer): Promise<number> => (await source.freshness()).partitions.length;

  it.each([2, 4])('are handed over between %i consumers under load: drained, committed, none lost', async (count) => {
    const topic = await world.topic(8);
    const groupId = unique('group');
    const checkpoints = createMemoryCheckpoints();
    const total = 6_000;
    const consumers: Consumer[] = [];
    let isWriting = true;
    const writing = (async () => {
      for (let n = 0; n < total; n += 100) {
        await fill(topic, n, n + 100);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      isWriting = false;
    })();
    for (let n = 0; n < count; n += 1) {
      consumers.push(consume(world.source({ topics: [topic], groupId, checkpoints })));
      await consumers[0]!.until(async () =>
        (await Promise.all(consumers.map(owned))).every((number) => number === 8 / (n + 1) || n > 1),
      );
    }
    await writing;
    expect(isWriting).toBe(false);
    // One leaves in good order; the others take its partitions over.
    const gone = consumers.pop()!;
    expect(await gone.stop()).toBeUndefined();
    await fill(topic, total, total + 100);
    await consumers[0]!.until(() => all([...consumers, gone]).size === total + 100, 'all rows');
    for (const consumer of consumers) expect(await consumer.stop()).toBeUndefined();
    const everybody = [...consumers, gone];
    expect(everybody.flatMap(({ outOfOrder }) => outOfOrder)).toEqual([]);
    const hows = everybody.flatMap(({ revoked }) => revoked.map(({ how }) => how));
    expect(hows.length).toBeGreaterThanOrEqual(count - 1);
    expect(hows.filter((how) => how === 'lost')).toEqual([]);
    // Drained and committed before it was given up: nothing is delivered twice.
    expect(everybody.reduce((sum, { deliveries }) => sum + deliveries.length, 0)).toBe(total + 100);
  });

  it('wait for a consumer that is still busy when the group rebalances', async () => {
    const topic = await world.topic(2);
    const groupId = unique('group');
    const checkpoints = createMemoryCheckpoints();
    let finish: () => void = () => undefined;
    const busy = new Promise<void>((resolve) => (finish = resolve));
    const first = consume(world.source({ topics: [topic], groupId, checkpoints }), () => busy);
    await world.write(topic, 1, { text: 'slow' }, 0);
    await first.until(() => first.deliveries.length === 1);
    const second = consume(world.source({ topics: [topic], groupId, checkpoints }));
    await first.until(() => first.revoked.length === 1);
    expect(second.deliveries).toEqual([]);
    expect(await owned(second)).toBe(0);
    finish();
    await second.until(async () => (await owned(second)) === 1);
    await world.write(topic, 2, { text: 'a' }, 0);
    await world.write(topic, 3, { text: 'b' }, 1);
    await first.until(() => all([first, second]).size === 3);
    expect(first.deliveries.length + second.deliveries.length).toBe(3);
    await Promise.all([first.stop(), second.stop()]);
  });
});
