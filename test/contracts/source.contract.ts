import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Delivery, Position } from '../../src/domain/change.ts';
import type { PartitionId } from '../../src/domain/ids.ts';
import type { Source } from '../../src/ports/source.ts';

/** What an adapter brings to be held to the contract of the `Source` port. */
export interface SourceHarness {
  /** A source as a new process would build it: it resumes from what earlier ones of this harness committed. */
  open(): Promise<Source>;
  /** Changes (or makes) row `n` at the origin with the given text, and resolves once that is durable there. */
  write(n: number, text: string): Promise<void>;
  /** Removes row `n` at the origin. */
  remove(n: number): Promise<void>;
  /** How many deliveries the source may hold ready for a consumer that does not pull. */
  readonly bufferMax: number;
  /** How many it holds now. Default: the freshness's lag, which for most sources is just that. */
  held?(source: Source): Promise<number>;
  dispose(): Promise<void>;
}

interface Run {
  readonly source: Source;
  readonly deliveries: Delivery[];
  readonly done: Promise<unknown>;
  until(condition: () => boolean, what?: string): Promise<void>;
  /** As a crash: nothing is committed any more. */
  stop(): Promise<void>;
}

function run(source: Source, onDelivery: (delivery: Delivery) => Promise<void> | void): Run {
  const abort = new AbortController();
  const deliveries: Delivery[] = [];
  const done = (async () => {
    for await (const delivery of source.read(abort.signal)) {
      deliveries.push(delivery);
      await onDelivery(delivery);
    }
  })().catch((error: unknown) => error ?? new Error('failed'));
  return {
    source,
    deliveries,
    done,
    async until(condition, what = String(condition)) {
      const deadline = Date.now() + 15_000;
      while (!condition()) {
        if (Date.now() > deadline) throw new Error(`waited in vain for ${what}; ${deliveries.length} deliveries`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async stop() {
      abort.abort();
      await done;
      await source[Symbol.asyncDispose]();
    },
  };
}

const commitAll = (source: Source) => (delivery: Delivery) =>
  delivery.endsPosition ? source.commit([delivery.position]) : undefined;

/** The text a consumer would hold per row: the highest version wins. */
function state(deliveries: readonly Delivery[]): Map<string, string> {
  const versions = new Map<string, number>();
  const texts = new Map<string, string>();
  for (const { event } of deliveries) {
    if (event.kind !== 'row-upserted' && event.kind !== 'row-deleted') continue;
    if ((versions.get(event.key) ?? -1) >= event.version) continue;
    versions.set(event.key, event.version);
    if (event.kind === 'row-deleted') texts.delete(event.key);
    else texts.set(event.key, JSON.stringify(Object.values(event.row).filter((value) => typeof value === 'string')));
  }
  return texts;
}

const rows = (deliveries: readonly Delivery[]): Delivery[] =>
  deliveries.filter(({ event }) => event.kind === 'row-upserted' || event.kind === 'row-deleted');

const identity = ({ position, event }: Delivery): string =>
  `${position.partition} ${position.offset} ${event.kind} ${'key' in event ? event.key : ''} ${'version' in event ? event.version : ''}`;

/** Order is promised within a partition only. */
const perPartition = (deliveries: readonly Delivery[]): string[] =>
  rows(deliveries)
    .toSorted((a, b) =>
      a.position.partition < b.position.partition ? -1 : a.position.partition > b.position.partition ? 1 : 0,
    )
    .map(identity);

/** The promises of `src/ports/source.ts`, for every adapter. */
export function sourceContract(name: string, makeHarness: () => Promise<SourceHarness>): void {
  describe(`${name} keeps the contract of a source`, () => {
    let harness: SourceHarness;
    beforeEach(async () => {
      harness = await makeHarness();
    });
    afterEach(() => harness.dispose());

    const has = (deliveries: readonly Delivery[], count: number, text: string): boolean =>
      [...state(deliveries).values()].filter((value) => value.includes(text)).length === count;

    it('delivers what is there and what changes, in offset order per partition', async () => {
      for (let n = 0; n < 10; n += 1) await harness.write(n, 'there');
      const source = await harness.open();
      const reading = run(source, commitAll(source));
      await reading.until(() => has(reading.deliveries, 10, 'there'));
      for (let n = 0; n < 20; n += 1) await harness.write(n % 5, `changed ${n}`);
      await harness.remove(9);
      await reading.until(() => has(reading.deliveries, 5, 'changed') && has(reading.deliveries, 4, 'there'));
      const last = new Map<PartitionId, Delivery>();
      for (const delivery of reading.deliveries) {
        const before = last.get(delivery.position.partition);
        if (before !== undefined) {
          expect(delivery.position.offset).toBeGreaterThanOrEqual(before.position.offset);
          if (delivery.position.offset === before.position.offset) expect(before.endsPosition).toBe(false);
          else expect(before.endsPosition).toBe(true);
        }
        last.set(delivery.position.partition, delivery);
      }
      await reading.stop();
    });

    it('delivers again, with the same versions and positions, what was not committed before a restart', async () => {
      const zero = await harness.open();
      const started = run(zero, commitAll(zero));
      await harness.write(0, 'base');
      await started.until(() => has(started.deliveries, 1, 'base'));
      await started.stop();
      for (let n = 1; n <= 12; n += 1) await harness.write(n, 'open');
      const first = run(await harness.open(), () => undefined);
      await first.until(() => has(first.deliveries, 12, 'open'));
      await first.stop();
      const second = run(await harness.open(), () => undefined);
      await second.until(() => has(second.deliveries, 12, 'open'));
      await second.stop();
      expect(perPartition(second.deliveries)).toEqual(perPartition(first.deliveries));
    });

    it('loses nothing when only some positions were committed before a crash', async () => {
      for (let n = 0; n < 30; n += 1) await harness.write(n, 'old');
      const source = await harness.open();
      let count = 0;
      const first = run(source, (delivery) => ((count += 1) <= 17 ? commitAll(source)(delivery) : undefined));
      await first.until(() => count >= 20);
      await first.stop();
      for (let n = 0; n < 3; n += 1) await harness.write(n, 'new');
      await harness.remove(29);
      const again = await harness.open();
      const second = run(again, commitAll(again));
      const all = (): Delivery[] => [...first.deliveries.slice(0, 17), ...second.deliveries];
      await second.until(() => has(all(), 3, 'new') && has(all(), 26, 'old') && state(all()).size === 29, 'all rows');
      await second.stop();
    });

    it('ignores an older position after a newer one', async () => {
      const source = await harness.open();
      const positions: Position[] = [];
      const first = run(source, async (delivery) => {
        positions.push(delivery.position);
        await commitAll(source)(delivery);
      });
      for (let n = 0; n < 5; n += 1) await harness.write(n, 'seen');
      await first.until(() => has(first.deliveries, 5, 'seen'));
      for (const position of positions) await source.commit([position]);
      await first.stop();
      await harness.write(6, 'later');
      const second = run(await harness.open(), () => undefined);
      await second.until(() => has(second.deliveries, 1, 'later'));
      await second.stop();
      expect(rows(second.deliveries).length).toBe(1);
    });

    it('accepts commits of what was delivered after reading has ended, for an orderly shutdown', async () => {
      const source = await harness.open();
      const abort = new AbortController();
      const positions: Position[] = [];
      await harness.write(1, 'last');
      for await (const delivery of source.read(abort.signal)) {
        if (delivery.endsPosition) positions.push(delivery.position);
        if (rows([delivery]).length > 0) abort.abort();
      }
      for (const position of positions) await source.commit([position]);
      await source[Symbol.asyncDispose]();
      expect(positions.length).toBeGreaterThan(0);
    });

    it('ends its reading when the signal fires, also while it waits', async () => {
      const reading = run(await harness.open(), () => undefined);
      await harness.write(1, 'x');
      await reading.until(() => has(reading.deliveries, 1, 'x'));
      const before = Date.now();
      await reading.stop();
      expect(await reading.done).toBeUndefined();
      expect(Date.now() - before).toBeLessThan(5_000);
    });

    it('holds a bounded number of deliveries for a consumer that does not pull, and drops none', async () => {
      const total = harness.bufferMax * 3;
      for (let n = 0; n < total; n += 1) await harness.write(n, 'piled');
      const source = await harness.open();
      let release: () => void = () => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      const reading = run(source, async (delivery) => {
        await held;
        await commitAll(source)(delivery);
      });
      await reading.until(() => reading.deliveries.length === 1);
      await new Promise((resolve) => setTimeout(resolve, 300));
      const { partitions } = await source.freshness();
      const lag = Math.max(0, ...partitions.map(({ lagEvents }) => lagEvents ?? 0));
      const waiting = harness.held === undefined ? lag : await harness.held(source);
      expect(waiting).toBeLessThanOrEqual(harness.bufferMax);
      release();
      await reading.until(() => has(reading.deliveries, total, 'piled'));
      await reading.stop();
    });

    it('names itself and its partitions in its freshness, and claims no asOf before it knows', async () => {
      const source = await harness.open();
      const unread = await source.freshness();
      expect(unread.source).toBe(source.name);
      expect(unread.partitions.every(({ asOf }) => asOf === undefined)).toBe(true);
      const reading = run(source, commitAll(source));
      await harness.write(1, 'x');
      await reading.until(() => has(reading.deliveries, 1, 'x'));
      const names = (await source.freshness()).partitions.map(({ partition }) => partition);
      expect(new Set(names).size).toBe(names.length);
      expect(names.length).toBeGreaterThan(0);
      await reading.stop();
    });
  });
}
