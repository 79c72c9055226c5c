import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { epochOf } from '../../../src/domain/version.ts';
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
  type Reading,
} from './harness.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.remove());

const epochs = (reading: Reading) => new Set(upserts(reading.deliveries).map(({ version }) => epochOf(version)));
const warnings = (reading: Reading) =>
  reading.events.flatMap((event) => (event.type === 'source' && event.code === 'NEW_EPOCH' ? [event.message] : []));
const dropSlot = async (slot: string) => {
  for (let attempt = 0; ; attempt += 1) {
    const done = await cluster.sql(`SELECT pg_drop_replication_slot('${slot}')`).then(
      () => true,
      () => attempt > 100,
    );
    if (done) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

/** Reads a table to the end of its snapshot, stops, and returns what a second start needs. */
async function indexed(name: string, rows = `(1, 'a'), (2, 'b')`) {
  await cluster.sql(`CREATE TABLE ${name} (id int PRIMARY KEY, body text); INSERT INTO ${name} VALUES ${rows}`);
  const settings = { slot: uniqueName('e'), tables: [table(name)], checkpoints: new MemoryCheckpoints() };
  const reading = startReading(cluster, settings);
  await reading.until(finished());
  await reading.stop();
  return settings;
}

describe('a new epoch with a new copy of all tables, said loudly', () => {
  it('starts when the slot was dropped', async () => {
    const settings = await indexed('slot_dropped');
    await dropSlot(settings.slot);
    await cluster.sql(`DELETE FROM slot_dropped WHERE id = 1; UPDATE slot_dropped SET body = 'c'`);
    const reading = startReading(cluster, settings);
    await reading.until(finished());
    expect(upserts(reading.deliveries)).toMatchObject([{ key: '[2]', row: { body: 'c' }, snapshot: true }]);
    expect(epochs(reading)).toEqual(new Set([1]));
    expect(warnings(reading)).toEqual([expect.stringContaining('is gone')]);
    expect(settings.checkpoints.state.epoch).toBe(1);
    await cluster.sql(`INSERT INTO slot_dropped VALUES (3, 'd')`);
    await reading.until((all) => streamed(all).length === 1);
    expect(epochs(reading)).toEqual(new Set([1]));
    await reading.end();
  });

  it('starts when the slot was recreated further on', async () => {
    const settings = await indexed('slot_recreated');
    await dropSlot(settings.slot);
    await cluster.sql(`INSERT INTO slot_recreated VALUES (3, 'missed')`);
    await cluster.sql(`SELECT pg_create_logical_replication_slot('${settings.slot}', 'pgoutput')`);
    const reading = startReading(cluster, settings);
    await reading.until(finished());
    expect(finalRows(reading.deliveries).size).toBe(3);
    expect(warnings(reading)).toEqual([expect.stringContaining('recreated')]);
    await reading.end();
  });

  it('starts when the server stands before the stored position, as after a restore', async () => {
    const settings = await indexed('restored');
    const state = settings.checkpoints.state;
    settings.checkpoints.stored = JSON.stringify({ ...state, position: 'FF/0' });
    const reading = startReading(cluster, settings);
    await reading.until(finished());
    expect(warnings(reading)).toEqual([expect.stringContaining('restored from a backup')]);
    await reading.end();
  });

  it('starts when the system identifier or an unknown timeline shows another server', async () => {
    const settings = await indexed('replaced');
    settings.checkpoints.stored = JSON.stringify({ ...settings.checkpoints.state, systemId: '7000000000000000000' });
    const reading = startReading(cluster, settings);
    await reading.until(finished());
    expect(warnings(reading)).toEqual([expect.stringContaining('another PostgreSQL server')]);
    await reading.end();
  });

  it('starts when the mapping of a table changed, or a table was taken out and put back', async () => {
    const settings = await indexed('remapped');
    await cluster.sql(`CREATE TABLE beside (id int PRIMARY KEY)`);
    const changed = startReading(cluster, { ...settings, tables: [table('remapped', 'f2'), table('beside')] });
    await changed.until(finished(2));
    expect(warnings(changed)).toEqual([expect.stringContaining('settings of table public.remapped')]);
    await changed.stop();
    const without = startReading(cluster, { ...settings, tables: [table('beside')] });
    await without.untilEvent('CONNECTED');
    await without.stop();
    expect(warnings(without)).toEqual([]);
    const back = startReading(cluster, { ...settings, tables: [table('remapped', 'f2'), table('beside')] });
    await back.until(finished(2));
    expect(warnings(back)).toEqual([expect.stringContaining('put back')]);
    expect(epochs(back)).toEqual(new Set([2]));
    await back.end();
  });

  it('starts in mid-stream when a table is created again, loses its place in the publication, or changes its key', async () => {
    await cluster.sql(
      `CREATE TABLE unsteady (id int PRIMARY KEY, code text NOT NULL UNIQUE, body text); INSERT INTO unsteady VALUES (1, 'x', 'a')`,
    );
    const slot = uniqueName('e');
    const reading = startReading(cluster, { slot, tables: [table('unsteady')], limits: { catalogMs: 50 } });
    await reading.until(finished());
    await cluster.sql(
      `DROP TABLE unsteady; CREATE TABLE unsteady (id int PRIMARY KEY, code text NOT NULL UNIQUE, body text); INSERT INTO unsteady VALUES (2, 'y', 'b')`,
    );
    await reading.until(finished(2));
    await cluster.sql(`ALTER PUBLICATION ${slot}_pub DROP TABLE unsteady; INSERT INTO unsteady VALUES (3, 'z', 'c')`);
    await reading.until(finished(3));
    await cluster.sql(
      `ALTER TABLE unsteady DROP CONSTRAINT unsteady_pkey, ADD PRIMARY KEY (code); INSERT INTO unsteady VALUES (4, 'w', 'd')`,
    );
    await reading.until((all) => finished(4)(all) && finalRows(all).has('public.unsteady ["w"]'));
    expect(warnings(reading).length).toBe(3);
    const last = upserts(reading.deliveries).filter(({ version }) => epochOf(version) === 3);
    expect(new Set(last.map(({ key }) => key))).toEqual(new Set(['["y"]', '["z"]', '["w"]']));
    await reading.end();
    expect(reading.failure()).toBeUndefined();
  });

  it('starts when a replay is asked for; a position cannot be replayed', async () => {
    await cluster.sql(`CREATE TABLE replayed (id int PRIMARY KEY); INSERT INTO replayed VALUES (1)`);
    const reading = startReading(cluster, { slot: uniqueName('e'), tables: [table('replayed')] });
    await reading.until(finished());
    await expect(reading.source.replay('0/1')).rejects.toMatchObject({ code: 'REPLAY_OUT_OF_REACH', kind: 'poison' });
    await reading.source.replay('snapshot');
    await reading.until(finished(2));
    expect(epochs(reading)).toEqual(new Set([0, 1]));
    expect(new Set(reading.deliveries.map(({ position }) => position.partition.split('/')[0]))).toEqual(
      new Set(['pg@0', 'pg@1']),
    );
    await reading.end();
  });
});

describe('the same epoch', () => {
  it('copies a table that was added later, and reads the others no second time', async () => {
    const settings = await indexed('old_table');
    await cluster.sql(`CREATE TABLE new_table (id int PRIMARY KEY, body text); INSERT INTO new_table VALUES (1, 'n')`);
    // Open since before the table was published: its row is neither in the stream nor visible yet.
    const early = await cluster.client();
    await early.query('BEGIN');
    await early.query(`INSERT INTO new_table VALUES (2, 'early')`);
    const reading = startReading(cluster, { ...settings, tables: [...settings.tables, table('new_table')] });
    await reading.untilEvent('TABLE_ADDED');
    await cluster.sql(`INSERT INTO old_table VALUES (3, 'c')`);
    await reading.until((all) => streamed(all).length >= 1);
    await early.query('COMMIT');
    await reading.until(finished());
    expect([...finalRows(reading.deliveries).keys()].sort()).toEqual([
      'public.new_table [1]',
      'public.new_table [2]',
      'public.old_table [3]',
    ]);
    expect(epochs(reading)).toEqual(new Set([0]));
    expect(warnings(reading)).toEqual([]);
    await reading.end();
  });

  it('goes on when a slot and a publication made by somebody else are found, without reading what came before', async () => {
    const slot = uniqueName('e');
    await cluster.sql(`CREATE TABLE premade (id int PRIMARY KEY); INSERT INTO premade VALUES (1)`);
    await cluster.sql(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    await cluster.sql(`INSERT INTO premade VALUES (2)`);
    await cluster.sql(`CREATE PUBLICATION ${slot}_pub FOR ALL TABLES`);
    const reading = startReading(cluster, { slot, tables: [table('premade')] });
    await reading.until(finished());
    expect(eventsOf(reading.deliveries).map(({ kind }) => kind)).toEqual([
      'row-upserted',
      'row-upserted',
      'snapshot-finished',
    ]);
    await cluster.sql(`INSERT INTO premade VALUES (3)`);
    await reading.until((all) => streamed(all).length === 1);
    await reading.end();
  });
});
