import { describe, expect, it } from 'vitest';
import { TABLE } from './support/rows.ts';
import { consume, type Consumer } from './support/consumer.ts';
import { createFakeWorld } from './support/fake-world.ts';
import { compareStamps, type Stamp } from '../../../src/domain/version.ts';
import { Random } from '../../sim/random.ts';

const PARTITIONS = 4;
const KEYS = 24;
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

/** What an index keeps of a row: under which stamp it was written, and by which settings. */
interface Written extends Stamp {
  readonly settings: string;
  readonly text: string;
}

/** Instances of changing settings over one log, one index and one group; the index keeps what stands above, as every real one does. */
function createUpgrade() {
  const { kafka, source } = createFakeWorld(PARTITIONS);
  const index = new Map<string, Written>();
  const registered: string[] = [];
  const generationOf = (settings: string): number => {
    if (registered.at(-1) !== settings) registered.push(settings);
    return registered.length;
  };
  let texts = 0;
  const truth = new Map<number, string>();

  const start = (settings: string): { readonly settings: string; consumer: Consumer } => {
    const open = (): Consumer => {
      const generation = generationOf(settings);
      return consume(source({ tables: [{ id: TABLE, fingerprint: settings }] }), ({ event }) => {
        if (event.kind !== 'row-upserted') return;
        const written = { version: event.version, generation, settings, text: String(event.row['text']) };
        const stored = index.get(event.key);
        if (stored === undefined || compareStamps(stored, written) < 0) index.set(event.key, written);
      });
    };
    const instance = { settings, consumer: open() };
    // As whatever supervises the process does.
    const watch = async (): Promise<void> => {
      const error = await instance.consumer.done;
      if (error === undefined) return;
      expect(error).toMatchObject({ code: 'KAFKA_SETTINGS_RETURNED', kind: 'fatal' });
      instance.consumer = open();
      await watch();
    };
    void watch();
    return instance;
  };

  return {
    kafka,
    index,
    start,
    edit(key: number): void {
      const text = `text ${(texts += 1)}`;
      truth.set(key, text);
      kafka.write('t', key, { text }, key % PARTITIONS);
    },
    /** Whether every row is there as it is now, written under these settings. */
    isAll: (settings: string): boolean =>
      index.size === truth.size &&
      [...index.values()].every((written) => written.settings === settings) &&
      new Set([...index.values()].map(({ text }) => text)).size === truth.size &&
      [...truth.values()].every((text) => [...index.values()].some((written) => written.text === text)),
  };
}

describe('instances of older and newer settings on one index', () => {
  it('leave every row under the newer ones, though the older ones had all partitions for a while after they came', async () => {
    const { start, edit, isAll } = createUpgrade();
    for (let key = 0; key < KEYS; key += 1) edit(key);
    const old = start('one');
    await old.consumer.until(() => isAll('one'));
    const early = start('two');
    await early.consumer.until(() => early.consumer.deliveries.length > 0);
    await early.consumer.stop();
    // The old one is alone again, and goes on: nothing is late, and nothing of it counts as read under the new settings.
    edit(1);
    await old.consumer.until(() => old.consumer.deliveries.at(-1)?.event.kind === 'row-upserted' && !isAll('one'));
    const late = start('two');
    await old.consumer.stop();
    await late.consumer.until(() => isAll('two'));
    await late.consumer.stop();
  });

  it('starts again where its settings were taken back while it ran, and mends what the others wrote', async () => {
    const { start, edit, isAll, index } = createUpgrade();
    for (let key = 0; key < KEYS; key += 1) edit(key);
    const steady = start('two');
    await steady.consumer.until(() => isAll('two'));
    const fallen = start('one');
    const isHalfBack = (): boolean =>
      [...index.values()].filter(({ settings }) => settings === 'one').length >= KEYS / 2;
    await fallen.consumer.until(isHalfBack);
    await fallen.consumer.stop();
    const raised = start('two');
    await raised.consumer.until(() => isAll('two'));
    await raised.consumer.stop();
    await steady.consumer.until(() => isAll('two'));
    await steady.consumer.stop();
  });

  it.each(SEEDS)('end under the newer ones, whoever came and went when (seed %i)', async (seed) => {
    const random = new Random(seed);
    const { start, edit, isAll } = createUpgrade();
    const older: ReturnType<typeof start>[] = [];
    const newer: ReturnType<typeof start>[] = [];
    const come = async (settings: string, into: ReturnType<typeof start>[]): Promise<void> => {
      const instance = start(settings);
      into.push(instance);
      // Which settings are the newest is decided when an instance is identified.
      await instance.consumer.until(async () => (await instance.consumer.source.freshness()).connected);
    };
    const go = async (from: ReturnType<typeof start>[]): Promise<unknown> =>
      from.splice(random.int(from.length), 1)[0]?.consumer.stop();
    for (let step = 0; step < 30; step += 1) {
      const isUpgrade = step >= 10;
      for (let n = random.int(6); n > 0; n -= 1) edit(random.int(KEYS));
      if (random.chance(0.3)) await (isUpgrade ? come('two', newer) : come('one', older));
      if (random.chance(0.3)) await go(isUpgrade && random.chance(0.5) ? newer : older);
      for (let turn = random.int(6); turn > 0; turn -= 1) await new Promise((resolve) => setImmediate(resolve));
    }
    await come('two', newer);
    for (const { consumer } of older) await consumer.stop();
    edit(0);
    await newer[0]!.consumer.until(() => isAll('two'), 'all rows under the newer settings');
    for (const { consumer } of newer) await consumer.stop();
  });
});
