import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Delivery } from '../../../src/domain/change.ts';
import {
  eventsOf,
  finalRows,
  finished,
  MemoryCheckpoints,
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

const bodies = (deliveries: readonly Delivery[]) => upserts(streamed(deliveries)).map(({ row }) => row['body']);
const versions = (deliveries: readonly Delivery[]) =>
  eventsOf(streamed(deliveries)).map((event) => ('version' in event ? [event.key, event.version as number] : []));
const isSorted = (deliveries: readonly Delivery[]) =>
  deliveries.every((delivery, i) => i === 0 || delivery.position.offset >= (deliveries[i - 1]?.position.offset ?? 0n));

describe('after a restart of Freshet', () => {
  it('goes on behind what was committed: no loss, no second delivery, no second snapshot', async () => {
    await cluster.sql(`CREATE TABLE resumed (id int PRIMARY KEY, body text); INSERT INTO resumed VALUES (0, 'copied')`);
    const settings = { slot: uniqueName('r'), tables: [table('resumed')], checkpoints: new MemoryCheckpoints() };
    const first = startReading(cluster, settings);
    await first.until(finished());
    await cluster.sql(`INSERT INTO resumed VALUES (1, 'a')`);
    await first.until((all) => streamed(all).length === 1);
    await first.stop();
    await cluster.sql(`INSERT INTO resumed VALUES (2, 'b')`);
    await cluster.sql(`UPDATE resumed SET body = 'c' WHERE id = 1`);
    const second = startReading(cluster, settings);
    await second.until((all) => streamed(all).length === 2);
    expect(bodies(second.deliveries)).toEqual(['b', 'c']);
    expect(second.deliveries.length).toBe(2);
    await second.end();
  });

  it('sends what was not committed again, with the same versions and positions', async () => {
    await cluster.sql(`CREATE TABLE again (id int PRIMARY KEY, body text)`);
    const settings = { slot: uniqueName('r'), tables: [table('again')], checkpoints: new MemoryCheckpoints() };
    const zero = startReading(cluster, settings);
    await zero.until(finished());
    await zero.stop();
    await cluster.sql(
      `BEGIN; INSERT INTO again SELECT n, 'x' FROM generate_series(1, 50) n; UPDATE again SET body = 'y' WHERE id < 10; COMMIT`,
    );
    await cluster.sql(
      `BEGIN; DELETE FROM again WHERE id = 5; TRUNCATE again; INSERT INTO again VALUES (1, 'z'); COMMIT`,
    );
    const first = startReading(cluster, settings, { commit: false });
    await first.until((all) => streamed(all).length >= 53);
    await first.stop();
    const second = startReading(cluster, settings);
    await second.until((all) => streamed(all).length >= 53);
    expect(versions(second.deliveries)).toEqual(versions(first.deliveries));
    expect(second.deliveries.map(({ position }) => position)).toEqual(first.deliveries.map(({ position }) => position));
    await second.end();
  });

  it('resumes a snapshot where its settled rows end, whatever was written meanwhile', async () => {
    await cluster.sql(
      `CREATE TABLE large (id int PRIMARY KEY, body text); INSERT INTO large SELECT n, 'v0' FROM generate_series(1, 3000) n`,
    );
    const settings = {
      slot: uniqueName('r'),
      tables: [table('large')],
      checkpoints: new MemoryCheckpoints(),
      limits: { outboxItems: 50 },
    };
    const first = startReading(cluster, settings, {
      pace: ({ position }) =>
        position.offset > 1_200n && position.partition.includes('snapshot') ? new Promise(() => undefined) : undefined,
    });
    await first.until((all) => all.length >= 1_200);
    await cluster.sql(
      `UPDATE large SET body = 'v1' WHERE id IN (10, 2500); DELETE FROM large WHERE id IN (20, 2600); INSERT INTO large VALUES (9000, 'new')`,
    );
    // As a kill would: the reader never comes back.
    void first.stop();
    const second = startReading(cluster, settings);
    await second.until(finished(), 20_000);
    const reread = upserts(second.deliveries).filter(({ snapshot }) => snapshot).length;
    expect(reread).toBeLessThan(2_400);
    expect(reread).toBeGreaterThan(1_000);
    await second.until((all) => streamed(all).length >= 5);
    const rows = finalRows([...first.deliveries, ...second.deliveries]);
    expect(rows.size).toBe(2_999);
    expect([rows.get('public.large [10]'), rows.get('public.large [2500]')]).toEqual([
      { id: 10, body: 'v1' },
      { id: 2500, body: 'v1' },
    ]);
    expect(rows.has('public.large [20]') || rows.has('public.large [2600]')).toBe(false);
    await second.end();
  });
});

describe('after a failure of the server', () => {
  it('reconnects after a restart and goes on exactly, and its shutdown does not wait for us', async () => {
    await cluster.sql(`CREATE TABLE survived (id int PRIMARY KEY, body text)`);
    const reading = startReading(
      cluster,
      { slot: uniqueName('r'), tables: [table('survived')] },
      {
        // Something is always unsettled: the server must not wait for it when it stops.
        pace: () => new Promise((resolve) => setTimeout(resolve, 3)),
      },
    );
    await reading.until(finished());
    for (let n = 0; n < 50; n += 1) await cluster.sql(`INSERT INTO survived VALUES (${n}, 'before')`);
    const started = Date.now();
    await cluster.restart();
    expect(Date.now() - started).toBeLessThan(10_000);
    for (let n = 50; n < 100; n += 1) await cluster.sql(`INSERT INTO survived VALUES (${n}, 'after')`);
    await reading.until((all) => streamed(all).length >= 100, 20_000);
    const deliveries = streamed(reading.deliveries);
    expect(deliveries.length).toBe(100);
    expect(isSorted(deliveries)).toBe(true);
    expect(finalRows(deliveries).size).toBe(100);
    await reading.end();
    expect(reading.failure()).toBeUndefined();
  });

  it('goes on inside a transaction that was handed over in part when the connection was lost', async () => {
    await cluster.sql(`CREATE TABLE halved (id int PRIMARY KEY, filler text)`);
    const slot = uniqueName('r');
    let resume: () => void = () => undefined;
    const paused = new Promise<void>((resolve) => (resume = resolve));
    const reading = startReading(
      cluster,
      { slot, tables: [table('halved')], limits: { outboxItems: 10, receiveBytes: 10_000 } },
      { pace: ({ event }) => ('key' in event && event.key === '[11000]' ? paused : undefined) },
    );
    await reading.until(finished());
    // More than the sockets between us hold.
    await cluster.sql(`INSERT INTO halved SELECT n, repeat('x', 600) FROM generate_series(1, 40000) n`);
    await reading.until((all) => streamed(all).length === 10_999);
    await cluster.sql(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${slot}'`);
    resume();
    await reading.until((all) => streamed(all).length >= 40_000, 20_000);
    expect(streamed(reading.deliveries).length).toBe(40_000);
    expect(isSorted(streamed(reading.deliveries))).toBe(true);
    expect(finalRows(reading.deliveries).size).toBe(40_000);
    expect(reading.events.some((event) => event.type === 'retry')).toBe(true);
    await reading.end();
  });

  it('lets the server shut down although a change is not settled', async () => {
    await cluster.sql(`CREATE TABLE unsettled (id int PRIMARY KEY)`);
    const reading = startReading(cluster, { slot: uniqueName('r'), tables: [table('unsettled')] }, { commit: false });
    await reading.until((all) => all.length === 1);
    await cluster.sql('INSERT INTO unsettled VALUES (1)');
    await reading.until((all) => streamed(all).length === 1);
    // Anything but "nothing said" would keep the server waiting for the rest. The next status, a second later at most, says nothing.
    const flushed = async () => (await cluster.sql('SELECT flush_lsn FROM pg_stat_replication'))[0]?.['flush_lsn'];
    for (let i = 0; i < 60 && (await flushed()) !== null; i += 1)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await flushed()).toBeNull();
    // The embedded server is ended by force after 15 s; until then it would wait for our confirmation.
    const before = Date.now();
    await cluster.restart();
    expect(Date.now() - before).toBeLessThan(10_000);
    await cluster.sql('INSERT INTO unsettled VALUES (2)');
    await reading.until((all) => streamed(all).length === 2);
    expect(finalRows(reading.deliveries).size).toBe(2);
    await reading.end();
  });

  it('loses and repeats nothing when the server is killed in mid-stream', async () => {
    await cluster.sql(`CREATE TABLE killed (id int PRIMARY KEY, body text)`);
    const reading = startReading(cluster, { slot: uniqueName('r'), tables: [table('killed')] });
    await reading.until(finished());
    const client = await cluster.client();
    const committed: number[] = [];
    const writer = (async () => {
      for (let n = 0; n < 2_000; n += 1) {
        await client.query(`INSERT INTO killed VALUES (${n}, 'x'), (${n + 10_000}, 'y')`);
        committed.push(n);
      }
    })().catch(() => undefined);
    await reading.until((all) => streamed(all).length > 100);
    process.kill(cluster.pid, 'SIGKILL');
    await writer;
    await cluster.exited;
    await cluster.restart();
    const rows = await cluster.sql(`SELECT id FROM killed`);
    expect(rows.length).toBeGreaterThanOrEqual(committed.length * 2);
    await reading.until((all) => streamed(all).length >= rows.length, 20_000);
    const deliveries = streamed(reading.deliveries);
    expect(deliveries.length).toBe(rows.length);
    expect(isSorted(deliveries)).toBe(true);
    expect(finalRows(deliveries).size).toBe(rows.length);
    await reading.end();
  });

  it('answers the server while the consumer does not, and holds only a bounded part', async () => {
    await cluster.sql(`ALTER SYSTEM SET wal_sender_timeout = '1s'`);
    await cluster.sql('SELECT pg_reload_conf()');
    await cluster.sql(`CREATE TABLE pressed (id int PRIMARY KEY, body text)`);
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const reading = startReading(
      cluster,
      {
        slot: uniqueName('r'),
        tables: [table('pressed')],
        limits: { receiveBytes: 200_000, outboxBytes: 100_000, outboxItems: 50 },
      },
      { pace: ({ event }) => (event.kind === 'row-upserted' ? held : undefined) },
    );
    await reading.until(finished());
    await cluster.sql(`INSERT INTO pressed SELECT n, repeat('x', 1000) FROM generate_series(1, 8000) n`);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect((await reading.source.freshness()).partitions[0]?.lagEvents).toBeLessThanOrEqual(51);
    expect(reading.events.filter((event) => event.type === 'retry')).toEqual([]);
    release();
    await reading.until((all) => streamed(all).length === 8_000);
    await reading.end();
    await cluster.sql(`ALTER SYSTEM RESET wal_sender_timeout`);
    await cluster.sql('SELECT pg_reload_conf()');
  });
});

describe('a stop', () => {
  it('does not wait for a lock that somebody else holds', async () => {
    await cluster.sql(`CREATE TABLE locked (id int PRIMARY KEY)`);
    const holder = await cluster.client();
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE locked IN ACCESS EXCLUSIVE MODE');
    const reading = startReading(cluster, { slot: uniqueName('r'), tables: [table('locked')] });
    await new Promise((resolve) => setTimeout(resolve, 700));
    const before = Date.now();
    await reading.stop();
    expect(Date.now() - before).toBeLessThan(5_000);
    await holder.query('ROLLBACK');
    await reading.end();
  });

  it('leaves the slot to a successor at once; two at a time are kept apart', async () => {
    await cluster.sql(`CREATE TABLE passed_on (id int PRIMARY KEY)`);
    const settings = { slot: uniqueName('r'), tables: [table('passed_on')], checkpoints: new MemoryCheckpoints() };
    const first = startReading(cluster, settings);
    await first.until(finished());
    const second = startReading(cluster, settings);
    await second.untilEvent('POSTGRES_UNAVAILABLE');
    await cluster.sql('INSERT INTO passed_on VALUES (1)');
    await first.until((all) => streamed(all).length === 1);
    expect(second.deliveries).toEqual([]);
    await first.stop();
    await cluster.sql('INSERT INTO passed_on VALUES (2)');
    await second.until((all) => finalRows(all).has('public.passed_on [2]'));
    expect(streamed(second.deliveries).length).toBe(1);
    expect(second.events.filter((event) => event.type === 'source' && event.code === 'NEW_EPOCH')).toEqual([]);
    await second.end();
  });
});

describe('the acknowledgement', () => {
  const confirmed = async (slot: string) => {
    const [row] = await cluster.sql(
      `SELECT confirmed_flush_lsn - '0/0' AS n, confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = $1`,
      [slot],
    );
    return { n: BigInt(String(row?.['n'] ?? 0)), lsn: String(row?.['lsn']) };
  };

  it('moves on an idle server as other tables fill the log, and never past what is stored', async () => {
    await cluster.sql(`CREATE TABLE quiet (id int PRIMARY KEY); CREATE TABLE loud (id serial PRIMARY KEY, body text)`);
    const slot = uniqueName('r');
    const checkpoints = new MemoryCheckpoints();
    const reading = startReading(cluster, { slot, tables: [table('quiet')], checkpoints, limits: { sampleMs: 100 } });
    await reading.until(finished());
    const before = await confirmed(slot);
    await cluster.sql(`INSERT INTO loud (body) SELECT repeat('x', 100) FROM generate_series(1, 1000)`);
    const [end] = await cluster.sql(`SELECT pg_current_wal_flush_lsn() - '0/0' AS n`);
    const target = BigInt(String(end?.['n']));
    let now = before;
    for (let i = 0; i < 100 && now.n < target; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      now = await confirmed(slot);
      expect(parseInt(checkpoints.state.position.split('/')[1] ?? '0', 16)).toBeGreaterThanOrEqual(
        parseInt(now.lsn.split('/')[1] ?? '0', 16),
      );
    }
    expect(now.n).toBeGreaterThanOrEqual(target);
    expect(reading.deliveries.length).toBe(1);
    await reading.end();
  });

  it('stays behind an uncommitted change, and behind a transaction committed in part', async () => {
    await cluster.sql(`CREATE TABLE held (id int PRIMARY KEY)`);
    const slot = uniqueName('r');
    const reading = startReading(
      cluster,
      { slot, tables: [table('held')], limits: { sampleMs: 100 } },
      { commit: false },
    );
    await reading.until((all) => all.length === 1);
    const [snapshot] = reading.deliveries;
    await reading.source.commit([(snapshot as Delivery).position]);
    await cluster.sql(`BEGIN; INSERT INTO held VALUES (1); TRUNCATE held; INSERT INTO held VALUES (2); COMMIT`);
    await reading.until((all) => streamed(all).length === 3);
    const [first, , last] = streamed(reading.deliveries) as [Delivery, Delivery, Delivery];
    const start = await confirmed(slot);
    await reading.source.commit([first.position]);
    await new Promise((resolve) => setTimeout(resolve, 400));
    const part = await confirmed(slot);
    expect(part.n).toBeLessThan(first.position.offset);
    expect(part.n).toBeGreaterThanOrEqual(start.n);
    await reading.source.commit([last.position]);
    for (let i = 0; i < 40 && (await confirmed(slot)).n < last.position.offset; i += 1)
      await new Promise((resolve) => setTimeout(resolve, 25));
    expect((await confirmed(slot)).n).toBeGreaterThan(last.position.offset);
    await reading.end();
  });
});
