import { setImmediate as macrotask } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../../src/domain/change.ts';
import { FreshetError } from '../../../src/domain/errors.ts';
import { sourceContract } from '../../contracts/source.contract.ts';
import { consume, type Consumer } from './support/consumer.ts';
import { createFakeWorld } from './support/fake-world.ts';
import { createTestDecoder, TABLE } from './support/rows.ts';

const codeOf = (error: unknown): string | undefined => (error instanceof FreshetError ? error.code : undefined);
const transient = new FreshetError('KAFKA_UNAVAILABLE', 'transient', 'away');
const owned = async ({ source }: Consumer): Promise<number> => (await source.freshness()).partitions.length;

sourceContract('Kafka, on a log in memory', async () => {
  const world = createFakeWorld(3);
  return {
    bufferMax: 100,
    open: async () => world.source({ limits: { bufferBytes: 10_000, partitionBufferBytes: 4_000 } }),
    write: async (n, text) => world.kafka.write('t', n, { text }, n % 3),
    remove: async (n) => world.kafka.write('t', n, null, n % 3),
    held: async (source) => (await source.freshness()).gauges['buffered_records'] ?? 0,
    dispose: async () => undefined,
  };
});

describe('a Kafka source gives partitions up', () => {
  it('only after what was delivered is drained and committed, and delivers nothing twice', async () => {
    const { kafka, source } = createFakeWorld(2);
    let finish: () => void = () => undefined;
    const busy = new Promise<void>((resolve) => (finish = resolve));
    const first = consume(source(), () => busy);
    kafka.write('t', 1, { text: 'slow' }, 0);
    await first.until(() => first.deliveries.length === 1);
    const second = consume(source());
    await first.until(() => first.revoked.length === 1);
    kafka.write('t', 2, { text: 'later' }, 0);
    expect(await owned(second)).toBe(0);
    finish();
    await second.until(async () => (await owned(second)) === 1);
    await first.until(() => first.deliveries.length + second.deliveries.length === 2);
    expect(first.revoked[0]).toEqual({ how: 'revoking', partitions: ['app/t/0', 'app/t/1'] });
    await second.until(() => kafka.committed('g', 't') === 2n);
    await Promise.all([first.stop(), second.stop()]);
    expect([...first.outOfOrder, ...second.outOfOrder]).toEqual([]);
  });

  it('without settling past what its consumer had no time for, which is delivered again', async () => {
    const { kafka, source } = createFakeWorld();
    const one = source();
    const stop = new AbortController();
    const reading = one.read(stop.signal)[Symbol.asyncIterator]();
    const next = async (): Promise<Delivery> => ((await reading.next()) as { value: Delivery }).value;
    for (const n of [1, 2, 3]) kafka.write('t', n, { text: `row ${n}` });
    const first = await next();
    // It is drained while the others are in the buffer.
    const drained = new Promise<void>((resolve) => one.onRevoked(() => one.commit([first.position]).then(resolve)));
    kafka.groups.get('g')!.rebalance();
    await drained;
    expect(kafka.committed('g', 't')).toBe(1n);
    expect((await next()).position.offset).toBe(1n);
    stop.abort();
    await reading.return?.();
    await one[Symbol.asyncDispose]();
  });

  it('at its end without settling past what came while its consumer was busy', async () => {
    const { kafka, source } = createFakeWorld();
    const one = source();
    const stop = new AbortController();
    const reading = one.read(stop.signal)[Symbol.asyncIterator]();
    kafka.write('t', 1, { text: 'delivered' });
    const { value } = (await reading.next()) as { value: Delivery };
    stop.abort();
    kafka.write('t', 2, { text: 'too late' });
    // By then the client has handed it over.
    for (let turn = 0; turn < 3; turn += 1) await macrotask();
    await one.commit([value.position]);
    expect(kafka.committed('g', 't')).toBe(1n);
    await reading.return?.();
    await one[Symbol.asyncDispose]();
  });

  it('as lost when it was frozen: nothing is committed, and what was open is delivered again', async () => {
    const { kafka, source } = createFakeWorld();
    let isOpen = true;
    const held: (() => void)[] = [];
    const consumer = consume(source(), () => (isOpen ? new Promise((resolve) => held.push(resolve)) : undefined));
    kafka.write('t', 1, { text: 'open' });
    await consumer.until(() => consumer.deliveries.length === 1);
    const group = kafka.groups.get('g')!;
    const [member] = group.members;
    group.expel(member!);
    member!.thaw();
    await consumer.until(() => consumer.revoked.length === 1);
    isOpen = false;
    for (const release of held) release();
    await consumer.until(() => consumer.deliveries.length === 2);
    expect(consumer.revoked[0]?.how).toBe('lost');
    expect(consumer.texts()).toEqual(['open', 'open']);
    await consumer.stop();
    expect(consumer.outOfOrder).toEqual([]);
  });

  it('as lost when the group refuses its commit, which is no failure', async () => {
    const { kafka, source } = createFakeWorld();
    const consumer = consume(source());
    kafka.write('t', 1, { text: 'one' });
    await consumer.until(() => kafka.committed('g', 't') === 1n);
    const group = kafka.groups.get('g')!;
    group.members[0]!.isExpelled = true;
    kafka.write('t', 2, { text: 'two' });
    await consumer.until(() => consumer.revoked.some(({ how }) => how === 'lost'));
    expect(kafka.committed('g', 't')).toBe(1n);
    expect(await owned(consumer)).toBe(0);
    expect(await consumer.stop()).toBeUndefined();
  });
});

describe('a Kafka source and trouble', () => {
  it('makes a new member when the old one crashed for a reason that passes', async () => {
    const { kafka, source, observer, checkpoints } = createFakeWorld();
    const consumer = consume(source());
    kafka.write('t', 1, { text: 'one' });
    await consumer.until(() => kafka.committed('g', 't') === 1n);
    // Before it is saved, it would be read again.
    await consumer.until(async () => ((await checkpoints.load('app/t/0')) as { readonly next: string }).next === '1');
    kafka.groups.get('g')!.members[0]!.crash(transient);
    kafka.write('t', 2, { text: 'two' });
    await consumer.until(() => consumer.texts().includes('two'));
    expect(consumer.texts()).toEqual(['one', 'two']);
    expect(observer.of('retry').length).toBeGreaterThan(0);
    await consumer.stop();
  });

  it('ends its reading with the error when the client crashed for one that does not, as on an unknown codec', async () => {
    const { kafka, source } = createFakeWorld();
    const consumer = consume(source());
    await consumer.until(async () => (await owned(consumer)) === 1);
    kafka.groups.get('g')!.members[0]!.crash(new FreshetError('KAFKA_NOT_UNDERSTOOD', 'fatal', 'codec 7'));
    expect(codeOf(await consumer.done)).toBe('KAFKA_NOT_UNDERSTOOD');
    await consumer.stop();
  });

  it('waits for brokers that are away at the start', async () => {
    const { kafka, source } = createFakeWorld();
    kafka.away = transient;
    const consumer = consume(source());
    await consumer.until(async () => !(await consumer.source.freshness()).connected);
    kafka.away = undefined;
    kafka.write('t', 1, { text: 'back' });
    await consumer.until(() => consumer.texts().includes('back'));
    await consumer.stop();
  });

  it('decodes a record again, in its place, until the registry answers', async () => {
    const { kafka, source } = createFakeWorld();
    let failures = 3;
    const decoder = createTestDecoder(async () => {
      if ((failures -= 1) >= 0) throw new FreshetError('REGISTRY_AWAY', 'transient', 'away');
    });
    const consumer = consume(source({ decoder }));
    kafka.write('t', 1, { text: 'one' });
    kafka.write('t', 2, { text: 'two' });
    await consumer.until(() => consumer.deliveries.length === 2);
    expect(consumer.texts()).toEqual(['one', 'two']);
    await consumer.stop();
  });

  it('never follows a client that jumps: it checks everything again, and reads where it should', async () => {
    const { kafka, source, observer } = createFakeWorld();
    const consumer = consume(source());
    for (let n = 0; n < 3; n += 1) kafka.write('t', n, { text: `row ${n}` });
    await consumer.until(() => kafka.committed('g', 't') === 3n);
    kafka.groups.get('g')!.members[0]!.jump('t', 0n);
    await consumer.until(() => observer.of('source').some(({ code }) => code === 'KAFKA_REJOIN'));
    kafka.write('t', 3, { text: 'row 3' });
    await consumer.until(() => consumer.texts().includes('row 3'));
    expect(consumer.texts()).toEqual(['row 0', 'row 1', 'row 2', 'row 3']);
    await consumer.stop();
  });

  it('stops when the log of a running source ends before what was read', async () => {
    const { kafka, source } = createFakeWorld();
    const consumer = consume(source());
    for (let n = 0; n < 3; n += 1) kafka.write('t', n, { text: 'x' });
    await consumer.until(() => kafka.committed('g', 't') === 3n);
    kafka.topic('t', 1);
    expect(codeOf(await consumer.done)).toBe('KAFKA_TOPIC_RECREATED');
    await consumer.stop();
  });

  it('stops when a topic of a running source gets more partitions, whichever instance has the new one', async () => {
    const { kafka, source } = createFakeWorld();
    const consumers = [consume(source()), consume(source())];
    await consumers[0]!.until(async () => (await Promise.all(consumers.map(owned))).includes(1));
    kafka.grow('t');
    kafka.groups.get('g')!.rebalance();
    const errors = await Promise.all(consumers.map(({ done }) => done));
    expect(errors.map(codeOf)).toEqual(['KAFKA_PARTITIONS_CHANGED', 'KAFKA_PARTITIONS_CHANGED']);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
  });
});

describe('a Kafka source and its settings', () => {
  const readOnce = async (
    world: ReturnType<typeof createFakeWorld>,
    count: number,
    options = {},
  ): Promise<Consumer> => {
    const consumer = consume(world.source(options));
    await consumer.until(() => consumer.deliveries.length === count);
    return consumer;
  };

  it('reads the log again when a table is indexed by other settings, and only once', async () => {
    const world = createFakeWorld();
    for (let n = 0; n < 3; n += 1) world.kafka.write('t', n, { text: `row ${n}` });
    await (await readOnce(world, 3)).stop();
    const changed = { tables: [{ id: TABLE, fingerprint: 'two' }] };
    await (await readOnce(world, 3, changed)).stop();
    world.kafka.write('t', 9, { text: 'next' });
    const last = await readOnce(world, 1, changed);
    expect(last.texts()).toEqual(['next']);
    await last.stop();
  });

  it('stops instead where the log no longer holds its beginning, unless it is compacted', async () => {
    const world = createFakeWorld();
    for (let n = 0; n < 3; n += 1) world.kafka.write('t', n, { text: `row ${n}` });
    await (await readOnce(world, 3)).stop();
    world.kafka.removeBefore('t', 2n);
    const changed = { tables: [{ id: TABLE, fingerprint: 'two' }] };
    const refused = consume(world.source(changed));
    expect(codeOf(await refused.done)).toBe('KAFKA_TOPIC_INCOMPLETE');
    await refused.stop();
    world.kafka.compacted.add('t');
    await (await readOnce(world, 1, changed)).stop();
  });

  it('says when the snapshot of a new epoch is in: after its last row, and everything before it in all partitions', async () => {
    const world = createFakeWorld(2);
    world.kafka.write('t', 1, { text: 'old' }, 0);
    await (await readOnce(world, 1)).stop();
    world.kafka.topic('t', 3);
    world.kafka.write('t', 1, { text: 'a', marker: 'first' }, 0);
    world.kafka.write('t', 2, { text: 'b', marker: 'last' }, 1);
    world.kafka.write('t', 3, { text: 'c', marker: 'true' }, 2);
    let finish: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => (finish = resolve));
    const source = world.source({ epoch: 1 });
    const consumer = consume(source, ({ position }) => (position.partition.endsWith('/2') ? slow : undefined));
    await consumer.until(() => consumer.texts().includes('b') || consumer.texts().includes('c'));
    expect(consumer.deliveries.some(({ event }) => event.kind === 'snapshot-finished')).toBe(false);
    finish();
    await consumer.until(() => consumer.deliveries.some(({ event }) => event.kind === 'snapshot-finished'));
    const finished = consumer.deliveries.find(({ event }) => event.kind === 'snapshot-finished')!;
    expect(finished.event).toMatchObject({ table: TABLE, epoch: 1 });
    expect(consumer.texts().toSorted()).toEqual(['a', 'b', 'c']);
    await consumer.until(async () => (await source.freshness()).snapshotFinished);
    await consumer.stop();
    // What was told is not told again after a restart.
    const again = await readOnce(world, 0, { epoch: 1 });
    await again.until(async () => (await owned(again)) === 3 && (await again.source.freshness()).snapshotFinished);
    expect(again.deliveries).toEqual([]);
    await again.stop();
  });

  it('starts anew in all instances on a replay, which only knows the beginning', async () => {
    const world = createFakeWorld(2);
    const sources = [world.source(), world.source()];
    const consumers = sources.map((source) => consume(source));
    await consumers[0]!.until(async () => (await Promise.all(consumers.map(owned))).every((count) => count === 1));
    for (let n = 0; n < 6; n += 1) world.kafka.write('t', n, { text: 'x' }, n % 2);
    const count = (): number => consumers[0]!.deliveries.length + consumers[1]!.deliveries.length;
    await consumers[0]!.until(() => count() === 6);
    await expect(sources[0]!.replay('0/16B3748')).rejects.toMatchObject({ code: 'REPLAY_OUT_OF_REACH' });
    await sources[0]!.replay('beginning');
    await consumers[0]!.until(() => count() === 12);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
  });
});
