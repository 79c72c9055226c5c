import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Delivery } from '../../../src/domain/change.ts';
import { tableId } from '../../../src/domain/ids.ts';
import {
  eventsOf,
  finished,
  startCluster,
  startReading,
  streamed,
  table,
  uniqueName,
  upserts,
  type Cluster,
} from './harness.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.remove());

const never = new AbortController().signal;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('the snapshot', () => {
  it('hands a chunk over only after the stream has settled what was logged before the end of its SELECT', async () => {
    await cluster.sql(
      `CREATE TABLE gated (id int PRIMARY KEY, body text); INSERT INTO gated SELECT n, 'x' FROM generate_series(1, 1000) n`,
    );
    let resume: () => void = () => undefined;
    const paused = new Promise<void>((resolve) => (resume = resolve));
    const settings = { slot: uniqueName('t'), tables: [table('gated')], limits: { outboxItems: 10 } };
    const copied = (all: readonly Delivery[]) => all.length - streamed(all).length;
    const reading = startReading(cluster, settings, {
      commit: false,
      pace: ({ position }) => (position.offset === 50n ? paused : undefined),
    });
    await reading.until((all) => copied(all) === 49);
    await cluster.sql(`UPDATE gated SET body = 'newer' WHERE id = 900`);
    resume();
    await reading.until((all) => streamed(all).length === 1);
    await pause(400);
    // The first chunk (100 rows) was read before the change; the second one after it, and has to wait for it.
    expect(copied(reading.deliveries)).toBe(100);
    await reading.source.commit([(streamed(reading.deliveries)[0] as Delivery).position]);
    await reading.until((all) => copied(all) === 1000);
    await reading.end();
  });

  it('says that a table is finished only once every row of it is settled', async () => {
    await cluster.sql(
      `CREATE TABLE counted (id int PRIMARY KEY); INSERT INTO counted SELECT generate_series(1, 5); CREATE TABLE empty (id int PRIMARY KEY)`,
    );
    const reading = startReading(
      cluster,
      { slot: uniqueName('t'), tables: [table('counted'), table('empty')] },
      { commit: false },
    );
    await reading.until((all) => all.length === 6);
    await pause(200);
    expect(eventsOf(reading.deliveries).filter(({ kind }) => kind === 'snapshot-finished')).toMatchObject([
      { table: 'public.empty' },
    ]);
    expect((await reading.source.freshness()).snapshotFinished).toBe(false);
    const rows = reading.deliveries.filter(({ event }) => event.kind === 'row-upserted');
    await reading.source.commit([(rows[4] as Delivery).position]);
    await reading.until((all) => all.length === 7);
    for (const { position } of reading.deliveries.slice(-2)) await reading.source.commit([position]);
    await reading.source.commit([
      (reading.deliveries.find(({ event }) => event.kind === 'snapshot-finished') as Delivery).position,
    ]);
    const freshness = await reading.source.freshness();
    expect(freshness.snapshotFinished).toBe(true);
    expect(freshness.snapshots.map(({ finished: done }) => done)).toEqual([true, true]);
    expect(freshness.partitions.length).toBe(1);
    await reading.end();
  });

  it('reads rows of any size in chunks of bounded bytes', async () => {
    await cluster.sql(`CREATE TABLE heavy (id int PRIMARY KEY, body text);
      INSERT INTO heavy SELECT n, CASE WHEN n % 7 = 0 THEN repeat('x', 300000) ELSE 's' END FROM generate_series(1, 300) n`);
    const reading = startReading(cluster, {
      slot: uniqueName('t'),
      tables: [table('heavy')],
      limits: { chunkBytes: 400_000, outboxBytes: 500_000 },
    });
    await reading.until(finished());
    expect(upserts(reading.deliveries).map(({ row }) => row['id'])).toEqual(
      Array.from({ length: 300 }, (_, i) => i + 1),
    );
    const scanned = [];
    for await (const { row } of reading.source.rows(tableId('public.heavy'), never)) scanned.push(row['id']);
    expect(scanned.length).toBe(300);
    await reading.end();
  });
});

describe('tokens and freshness', () => {
  it('reaches a token once the write that came before it is committed downstream, and not before', async () => {
    await cluster.sql(`CREATE TABLE written (id int PRIMARY KEY)`);
    const reading = startReading(cluster, { slot: uniqueName('t'), tables: [table('written')] }, { commit: false });
    await reading.until((all) => all.length === 1);
    await reading.source.commit([(reading.deliveries[0] as Delivery).position]);
    await cluster.sql(`INSERT INTO written VALUES (1)`);
    const token = await reading.source.currentToken(never);
    expect(token).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/);
    expect(await reading.source.reached(token, 300, never)).toBe(false);
    await reading.until((all) => all.length === 2);
    const waiting = reading.source.reached(token, 5_000, never);
    await reading.source.commit([(reading.deliveries[1] as Delivery).position]);
    expect(await waiting).toBe(true);
    expect(await reading.source.reached('0/1', 0, never)).toBe(true);
    await expect(reading.source.reached('not-a-token', 0, never)).rejects.toMatchObject({
      code: 'BAD_TOKEN',
      kind: 'poison',
    });
    const [row] = await cluster.sql('SELECT pg_current_wal_insert_lsn()::text AS lsn');
    expect(await reading.source.reached(String(row?.['lsn']), 5_000, never)).toBe(true);
    expect(reading.source.coveredToken()).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/);
    await reading.end();
  });

  it('reaches tokens on a quiet table while others write, again and again', async () => {
    await cluster.sql(`CREATE TABLE still (id int PRIMARY KEY); CREATE TABLE noise (id serial PRIMARY KEY, body text)`);
    const reading = startReading(cluster, { slot: uniqueName('t'), tables: [table('still')] });
    await reading.until(finished());
    for (let n = 0; n < 30; n += 1) {
      // Lengths that walk over page boundaries.
      await cluster.sql(`INSERT INTO noise (body) VALUES (repeat('n', ${n * 97}))`);
      expect(await reading.source.reached(await reading.source.currentToken(never), 3_000, never)).toBe(true);
    }
    await reading.end();
  });

  it('reports an asOf that is never newer than what is settled, and that moves on while nothing happens', async () => {
    await cluster.sql(`CREATE TABLE aged (id int PRIMARY KEY)`);
    const reading = startReading(
      cluster,
      { slot: uniqueName('t'), tables: [table('aged')], limits: { sampleMs: 20 } },
      { commit: false },
    );
    expect((await reading.source.freshness()).partitions).toEqual([]);
    await reading.until((all) => all.length === 1);
    expect((await reading.source.freshness()).partitions.map(({ asOf }) => asOf)).toEqual([undefined, undefined]);
    await reading.source.commit([(reading.deliveries[0] as Delivery).position]);
    const asOf = async () => (await reading.source.freshness()).partitions[0]?.asOf ?? 0;
    for (let n = 0; n < 20; n += 1) {
      await cluster.sql(`INSERT INTO aged VALUES (${n})`);
      const [row] = await cluster.sql('SELECT EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS now');
      const committedBy = Number(row?.['now']);
      await reading.until((all) => streamed(all).length === n + 1);
      await pause(50);
      expect(await asOf()).toBeLessThan(committedBy);
      await reading.source.commit([(reading.deliveries.at(-1) as Delivery).position]);
      const deadline = Date.now() + 3_000;
      while ((await asOf()) < committedBy && Date.now() < deadline) await pause(5);
      expect(await asOf()).toBeGreaterThanOrEqual(committedBy);
    }
    const before = await asOf();
    await pause(200);
    expect(await asOf()).toBeGreaterThan(before);
    const { partitions, gauges, connected } = await reading.source.freshness();
    expect(connected).toBe(true);
    expect(partitions[0]?.lagMs).toBeLessThan(1_000);
    expect(gauges).toMatchObject({ slot_lag_bytes: expect.any(Number), retained_wal_bytes: expect.any(Number) });
    await reading.end();
  });

  it('warns once when the server keeps more log than the threshold', async () => {
    await cluster.sql(`CREATE TABLE hoarded (id int PRIMARY KEY, body text)`);
    const reading = startReading(cluster, {
      slot: uniqueName('t'),
      tables: [table('hoarded')],
      limits: { retainedWalWarnBytes: 1, sampleMs: 20 },
    });
    await reading.untilEvent('WAL_RETAINED');
    await pause(300);
    expect(reading.events.filter((event) => event.type === 'source' && event.code === 'WAL_RETAINED').length).toBe(1);
    await reading.end();
  });
});
