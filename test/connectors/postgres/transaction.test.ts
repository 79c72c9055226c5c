import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RowEffect } from '../../../connectors/postgres/changes.ts';
import { Spool } from '../../../connectors/postgres/spool.ts';
import { LAST_PLAIN_WINDOW, Transaction, WINDOW_CHANGES } from '../../../connectors/postgres/transaction.ts';
import { UNCHANGED, type Delivery, type Row } from '../../../src/domain/change.ts';
import { partitionId, rowKey, tableId } from '../../../src/domain/ids.ts';
import { makeVersion } from '../../../src/domain/version.ts';

const T = tableId('public.t');
const U = tableId('public.u');
const COMMIT = 1_000_000n;
const upsert = (key: number, body: string, table = T): RowEffect => ({
  table,
  key: rowKey([key]),
  row: { id: key, body },
  bytes: 300,
});
const remove = (key: number, table = T): RowEffect => ({ table, key: rowKey([key]), row: undefined, bytes: 200 });

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freshet-spool-test-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function run(steps: (transaction: Transaction) => Promise<void>, memoryBytes = 1e9): Promise<Delivery[]> {
  const deliveries: Delivery[] = [];
  const transaction = new Transaction({
    commitLsn: COMMIT,
    committedAt: 5,
    numbering: { partition: partitionId('p'), epoch: 1, base: 400n },
    spool: { folder, memoryBytes },
    now: () => 6,
    deliver: (delivery) => Promise.resolve(void deliveries.push(delivery)),
  });
  await steps(transaction);
  await transaction.commit();
  return deliveries;
}

const w = ({ position }: Delivery): number => Number(position.offset - COMMIT);

describe('the windows of a transaction', () => {
  it('are cut at a fixed number of changes, those of other tables included', async () => {
    const deliveries = await run(async (transaction) => {
      await transaction.changed([upsert(1, 'first')]);
      for (let n = 0; n < WINDOW_CHANGES - 1; n += 1) await transaction.changed([]);
      await transaction.changed([upsert(1, 'second')]);
    });
    expect(deliveries.map((delivery) => [w(delivery), (delivery.event as { row: Row }).row['body']])).toEqual([
      [1, 'first'],
      [2, 'second'],
    ]);
    expect(deliveries.map(({ event }) => 'version' in event && event.version)).toEqual([
      makeVersion(1, COMMIT - 400n + 1n),
      makeVersion(1, COMMIT - 400n + 2n),
    ]);
    expect(deliveries.every(({ endsPosition }) => endsPosition)).toBe(true);
  });

  it('never number beyond 40 (a commit record is at least 48 bytes long), whatever the size', async () => {
    const changes = WINDOW_CHANGES * Number(LAST_PLAIN_WINDOW + 5n);
    const deliveries = await run(async (transaction) => {
      for (let n = 0; n < changes; n += 1)
        await transaction.changed(n % 1_000 === 0 ? [upsert(n % 7_000, `v${n}`)] : []);
    });
    expect(Math.max(...deliveries.map(w))).toBe(40);
    const last = new Map(
      deliveries.map(({ event }) => [(event as { key: string }).key, (event as { row: Row }).row['body']]),
    );
    expect(last.get(rowKey([6_000]))).toBe(`v${6_000 + Math.floor((changes - 1 - 6_000) / 7_000) * 7_000}`);
  });

  it('fold any number of truncations into the same result', async () => {
    const deliveries = await run(async (transaction) => {
      await transaction.changed([upsert(99, 'other', U)]);
      for (let n = 0; n < 100; n += 1) {
        await transaction.truncated([T]);
        await transaction.changed([upsert(n, `n${n}`), upsert(n + 1_000, 'u', U)]);
      }
    });
    expect(Math.max(...deliveries.map(w))).toBe(40);
    const offsets = deliveries.map(w);
    expect([...offsets].sort((a, b) => a - b)).toEqual(offsets);
    const lastTruncate = deliveries.findLastIndex(({ event }) => event.kind === 'table-truncated');
    const after = deliveries.slice(lastTruncate + 1).filter(({ event }) => 'table' in event && event.table === T);
    expect(after.map(({ event }) => (event as { key: string }).key)).toEqual([rowKey([99])]);
    expect(deliveries.filter(({ event }) => 'table' in event && event.table === U).length).toBe(101);
  });

  it('end their position with their last delivery, and only there', async () => {
    const deliveries = await run(async (transaction) => {
      await transaction.changed([upsert(1, 'a')]);
      await transaction.changed([upsert(2, 'b')]);
      await transaction.truncated([T, U]);
      await transaction.changed([remove(3)]);
    });
    expect(deliveries.map((delivery) => [w(delivery), delivery.endsPosition])).toEqual([
      [1, false],
      [1, true],
      [2, false],
      [2, true],
      [3, true],
    ]);
  });
});

describe('a window that does not fit in memory', () => {
  it('gives the same numbers and rows folded on disk as in memory, and leaves no file behind', async () => {
    const steps = async (transaction: Transaction): Promise<void> => {
      let seed = 3;
      for (let n = 0; n < 12_000; n += 1) {
        seed = (seed * 48_271) % 2_147_483_647;
        const key = seed % 3_000;
        await transaction.changed([seed % 5 === 0 ? remove(key) : upsert(key, `v${n}`)]);
        if (n === 11_000) await transaction.truncated([U]);
      }
    };
    const summary = (deliveries: Delivery[]) =>
      deliveries.map(({ event, position }) => [position.offset, JSON.stringify(event)]).sort();
    const inMemory = await run(steps);
    const onDisk = await run(steps, 40_000);
    expect(summary(onDisk)).toEqual(summary(inMemory));
    expect((await run(steps, 40_000)).map(({ event }) => JSON.stringify(event))).toEqual(
      onDisk.map(({ event }) => JSON.stringify(event)),
    );
    expect(await readdir(folder)).toEqual([]);
  });

  it('keeps TOAST values, big integers and bytes through the disk, and drops what was truncated', async () => {
    const spool = new Spool({ folder, memoryBytes: 1_000 });
    const whole: Row = { id: 9_007_199_254_740_993n, raw: new Uint8Array([1, 2]), body: 'long', title: 'a' };
    await spool.add({ table: T, key: rowKey(['1']), row: whole, bytes: 500 });
    await spool.add(upsert(50, 'void', U));
    for (let n = 0; n < 50; n += 1) await spool.add(upsert(n + 100, 'x'));
    spool.truncate(U);
    await spool.add(upsert(51, 'kept', U));
    await spool.add({ table: T, key: rowKey(['1']), row: { ...whole, body: UNCHANGED, title: 'b' }, bytes: 500 });
    await spool.add({ table: T, key: rowKey(['2']), row: { body: UNCHANGED }, bytes: 500 });
    const rows = new Map<string, Row | undefined>();
    for await (const { table, key, row } of spool.drain()) rows.set(`${table} ${key}`, row);
    expect(rows.size).toBe(53);
    expect(rows.get('public.t ["1"]')).toEqual({ ...whole, title: 'b' });
    expect(rows.get('public.t ["2"]')).toEqual({ body: UNCHANGED });
    expect(rows.has('public.u [50]')).toBe(false);
    expect(rows.get('public.u [51]')).toEqual({ id: 51, body: 'kept' });
    expect(await readdir(folder)).toEqual([]);
  });
});
