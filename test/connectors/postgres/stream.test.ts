import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UNCHANGED } from '../../../src/domain/change.ts';
import { keyValues, tableId, type RowKey } from '../../../src/domain/ids.ts';
import { epochOf, snapshotVersion } from '../../../src/domain/version.ts';
import {
  eventsOf,
  finalRows,
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

describe('streaming', () => {
  it('hands over a snapshot, then inserts, updates and deletes with rising versions', async () => {
    await cluster.sql(
      `CREATE TABLE notes (id bigint PRIMARY KEY, body text); INSERT INTO notes VALUES (1, 'one'), (2, 'two')`,
    );
    const reading = startReading(cluster, { slot: uniqueName('s'), tables: [table('notes')] });
    await reading.until(finished());
    expect(
      upserts(reading.deliveries).map(({ key, snapshot, version, sourcePosition }) => [
        key,
        snapshot,
        version,
        sourcePosition,
      ]),
    ).toEqual([
      ['[1]', true, snapshotVersion(0), undefined],
      ['[2]', true, snapshotVersion(0), undefined],
    ]);
    expect(reading.deliveries.at(-1)?.event).toMatchObject({ kind: 'snapshot-finished', epoch: 0 });

    await cluster.sql(`INSERT INTO notes VALUES (3, 'three')`);
    await cluster.sql(`UPDATE notes SET body = 'changed' WHERE id = 1`);
    await cluster.sql(`DELETE FROM notes WHERE id = 2`);
    await reading.until((all) => streamed(all).length === 3);
    const events = eventsOf(streamed(reading.deliveries));
    expect(events.map((event) => [event.kind, 'key' in event ? event.key : ''])).toEqual([
      ['row-upserted', '[3]'],
      ['row-upserted', '[1]'],
      ['row-deleted', '[2]'],
    ]);
    expect(events[0]).toMatchObject({ row: { id: 3n, body: 'three' }, snapshot: false });
    const versions = events.map((event) => ('version' in event ? (event.version as number) : 0));
    expect([...versions].sort((a, b) => a - b)).toEqual(versions);
    expect(versions.every((version) => version > snapshotVersion(0) && epochOf(version as never) === 0)).toBe(true);
    await reading.end();
    expect(reading.failure()).toBeUndefined();
  });

  it('names events by the id of a table, which may differ from its name in the database', async () => {
    await cluster.sql(`CREATE TABLE "Odd Name" (id int PRIMARY KEY)`);
    const id = tableId('app.public.Odd Name');
    const reading = startReading(cluster, {
      slot: uniqueName('s'),
      tables: [{ id, relation: 'public.Odd Name', fingerprint: 'f' }],
    });
    await reading.until(finished());
    await cluster.sql(`INSERT INTO "Odd Name" VALUES (1)`);
    await reading.until((all) => streamed(all).length === 1);
    expect(eventsOf(reading.deliveries)).toMatchObject([
      { kind: 'snapshot-finished', table: id },
      { kind: 'row-upserted', table: id },
    ]);
    expect(await reading.source.row(id, '[1]' as RowKey, never)).toEqual({ id: 1 });
    await reading.end();
  });

  it('folds a transaction to the last change of each row and gives the folded changes one position', async () => {
    await cluster.sql(`CREATE TABLE folded (id int PRIMARY KEY, body text)`);
    const reading = startReading(cluster, { slot: uniqueName('s'), tables: [table('folded')] });
    await reading.until(finished());
    await cluster.sql(`BEGIN; INSERT INTO folded VALUES (1, 'a'), (2, 'b'); UPDATE folded SET body = 'c' WHERE id = 1;
      INSERT INTO folded VALUES (3, 'x'); DELETE FROM folded WHERE id = 3; COMMIT`);
    await reading.until((all) => streamed(all).length >= 3);
    const deliveries = streamed(reading.deliveries);
    expect(eventsOf(deliveries).map((event) => [event.kind, 'row' in event ? event.row['body'] : undefined])).toEqual([
      ['row-upserted', 'c'],
      ['row-upserted', 'b'],
      ['row-deleted', undefined],
    ]);
    expect(new Set(deliveries.map(({ position }) => position.offset)).size).toBe(1);
    expect(deliveries.map(({ endsPosition }) => endsPosition)).toEqual([false, false, true]);
    await reading.end();
  });

  it('keeps the last known TOAST value of a transaction, and marks values it cannot know as unchanged', async () => {
    await cluster.sql(`CREATE TABLE toasted (id int PRIMARY KEY, title text, body text);
      ALTER TABLE toasted ALTER body SET STORAGE EXTERNAL`);
    const reading = startReading(cluster, { slot: uniqueName('s'), tables: [table('toasted')] });
    await reading.until(finished());
    const big = 'x'.repeat(20_000);
    await cluster.sql(`BEGIN; INSERT INTO toasted VALUES (1, 'a', '${big}'); UPDATE toasted SET title = 'b'; COMMIT`);
    await cluster.sql(`UPDATE toasted SET title = 'c'`);
    await cluster.sql(`BEGIN; UPDATE toasted SET body = '${big}y'; UPDATE toasted SET id = 2, title = 'moved'; COMMIT`);
    await reading.until((all) => streamed(all).length >= 4);
    const events = eventsOf(streamed(reading.deliveries));
    expect(events[0]).toMatchObject({ row: { title: 'b', body: big } });
    expect(events[1]).toMatchObject({ row: { title: 'c', body: UNCHANGED } });
    expect(events.slice(2)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: 'row-deleted', key: '[1]' }),
        expect.objectContaining({ kind: 'row-upserted', key: '[2]', row: { id: 2, title: 'moved', body: `${big}y` } }),
      ]),
    );
    const [row] = upserts(reading.deliveries).slice(-1);
    expect(await reading.source.row(tableId('public.toasted'), row?.key as RowKey, never)).toEqual({
      id: 2,
      title: 'moved',
      body: `${big}y`,
    });
    await cluster.sql(`ALTER TABLE toasted REPLICA IDENTITY FULL; UPDATE toasted SET title = 'full'`);
    await reading.until((all) => streamed(all).length >= 5);
    expect(streamed(reading.deliveries).at(-1)?.event).toMatchObject({ row: { title: 'full', body: `${big}y` } });
    await reading.end();
  });

  it('turns a key change into a delete of the old key and an upsert of the new one', async () => {
    await cluster.sql(
      `CREATE TABLE moved (region text, no int, body text, PRIMARY KEY (region, no)); INSERT INTO moved VALUES ('de', 1, 'a')`,
    );
    const reading = startReading(cluster, { slot: uniqueName('s'), tables: [table('moved')] });
    await reading.until(finished());
    await cluster.sql(`UPDATE moved SET region = 'fr'`);
    await reading.until((all) => streamed(all).length >= 2);
    expect(finalRows(reading.deliveries)).toEqual(
      new Map([['public.moved ["fr",1]', { region: 'fr', no: 1, body: 'a' }]]),
    );
    await cluster.sql(`INSERT INTO moved VALUES ('x', 1, 'x'), ('y', 1, 'y')`);
    await cluster.sql(`BEGIN; UPDATE moved SET region = 'tmp' WHERE region = 'x'; UPDATE moved SET region = 'x' WHERE region = 'y';
      UPDATE moved SET region = 'y' WHERE region = 'tmp'; COMMIT`);
    await reading.until((all) => finalRows(all).get('public.moved ["y",1]') !== undefined && streamed(all).length >= 7);
    expect(Object.fromEntries(finalRows(reading.deliveries))).toMatchObject({
      'public.moved ["x",1]': { body: 'y' },
      'public.moved ["y",1]': { body: 'x' },
    });
    expect(finalRows(reading.deliveries).size).toBe(3);
    await reading.end();
  });

  it('gives TRUNCATE its own position between the changes before and after it', async () => {
    await cluster.sql(
      `CREATE TABLE cut (id int PRIMARY KEY, body text); CREATE TABLE kept (id int PRIMARY KEY); INSERT INTO cut VALUES (1, 'old')`,
    );
    const reading = startReading(cluster, { slot: uniqueName('s'), tables: [table('cut'), table('kept')] });
    await reading.until(finished(2));
    await cluster.sql(
      `BEGIN; INSERT INTO cut VALUES (2, 'gone'); INSERT INTO kept VALUES (7); TRUNCATE cut; INSERT INTO cut VALUES (3, 'new'); COMMIT`,
    );
    await reading.until((all) => finalRows(all).has('public.cut [3]'));
    const deliveries = streamed(reading.deliveries);
    expect(eventsOf(deliveries).map(({ kind }) => kind)).toEqual([
      'row-upserted',
      'row-upserted',
      'table-truncated',
      'row-upserted',
    ]);
    const offsets = deliveries.map(({ position }) => position.offset);
    const first = offsets[0] ?? 0n;
    expect(offsets.map((offset) => offset - first)).toEqual([0n, 0n, 1n, 2n]);
    expect([...finalRows(reading.deliveries).keys()].sort()).toEqual(['public.cut [3]', 'public.kept [7]']);
    const [truncated] = eventsOf(deliveries).filter((event) => event.kind === 'table-truncated');
    const after = upserts(deliveries).at(-1);
    expect(truncated?.sourcePosition.localeCompare(after?.sourcePosition ?? '')).toBe(-1);
    await reading.end();
  });

  it('follows a partitioned table as one, rows that move between partitions included', async () => {
    await cluster.sql(`CREATE TABLE parts (id int, region text, body text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
      CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a'); CREATE TABLE parts_b PARTITION OF parts FOR VALUES IN ('b');
      INSERT INTO parts VALUES (1, 'a', 'one'), (2, 'b', 'two')`);
    const reading = startReading(cluster, { slot: uniqueName('s'), tables: [table('parts')] });
    await reading.until(finished());
    expect(upserts(reading.deliveries).length).toBe(2);
    await cluster.sql(`UPDATE parts SET region = 'b' WHERE id = 1`);
    await cluster.sql(
      `CREATE TABLE parts_c PARTITION OF parts FOR VALUES IN ('c'); INSERT INTO parts VALUES (3, 'c', 'three')`,
    );
    await reading.until((all) => finalRows(all).has('public.parts [3,"c"]'));
    expect([...finalRows(reading.deliveries).keys()].sort()).toEqual([
      'public.parts [1,"b"]',
      'public.parts [2,"b"]',
      'public.parts [3,"c"]',
    ]);
    await cluster.sql(`TRUNCATE parts`);
    await reading.until((all) => all.at(-1)?.event.kind === 'table-truncated');
    expect(finalRows(reading.deliveries).size).toBe(0);
    await reading.end();
  });

  it('says so when partitions with rows come or go, which the log does not tell, and not when empty ones are made', async () => {
    await cluster.sql(
      `CREATE TABLE sliced (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE sliced_1 PARTITION OF sliced FOR VALUES FROM (0) TO (10)`,
    );
    const reading = startReading(cluster, {
      slot: uniqueName('s'),
      tables: [table('sliced')],
      limits: { catalogMs: 20 },
    });
    const warnings = () =>
      reading.events.filter((event) => event.type === 'source' && event.code === 'PARTITIONS_CHANGED').length;
    const until = async (count: number) => {
      for (let i = 0; i < 300 && warnings() < count; i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
      return warnings();
    };
    await reading.until(finished());
    await new Promise((resolve) => setTimeout(resolve, 100));
    await cluster.sql(`CREATE TABLE sliced_2 PARTITION OF sliced FOR VALUES FROM (10) TO (20)`);
    await cluster.sql(`INSERT INTO sliced VALUES (1), (11)`);
    await reading.until((all) => streamed(all).length === 2);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(warnings()).toBe(0);
    await cluster.sql(`TRUNCATE sliced_2`);
    expect(await until(1)).toBe(1);
    await cluster.sql(`ALTER TABLE sliced DETACH PARTITION sliced_1`);
    expect(await until(2)).toBe(2);
    await cluster.sql(`ALTER TABLE sliced ATTACH PARTITION sliced_1 FOR VALUES FROM (0) TO (10)`);
    expect(await until(3)).toBe(3);
    await reading.end();
  });

  it('orders an insert that waited on a unique index after the delete it waited for', async () => {
    await cluster.sql(`CREATE TABLE raced (id int PRIMARY KEY, body text); INSERT INTO raced VALUES (1, 'first')`);
    const reading = startReading(cluster, { slot: uniqueName('s'), tables: [table('raced')] });
    await reading.until(finished());
    const [a, b] = [await cluster.client(), await cluster.client()];
    for (let round = 0; round < 20; round += 1) {
      await a.query('BEGIN');
      await a.query('DELETE FROM raced WHERE id = 1');
      // The index tuple is logged, then the insert waits for a's end: its own LSN is below a's commit.
      const waiting = b.query(`INSERT INTO raced VALUES (1, 'round ${round}')`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      await a.query('COMMIT');
      await waiting;
    }
    await reading.until((all) => streamed(all).length >= 40);
    expect(finalRows(reading.deliveries).get('public.raced [1]')).toEqual({ id: 1, body: 'round 19' });
    const versions = eventsOf(streamed(reading.deliveries)).map((event) => ('version' in event ? event.version : 0));
    expect(new Set(versions).size).toBe(versions.length);
    await reading.end();
  });

  it('ends with what the table holds after concurrent inserts, deletes and key changes', async () => {
    await cluster.sql(
      `CREATE TABLE busy (id int PRIMARY KEY, body text); INSERT INTO busy SELECT n, 'start' FROM generate_series(1, 300) n`,
    );
    const reading = startReading(cluster, { slot: uniqueName('s'), tables: [table('busy')] });
    const writers = await Promise.all([0, 1, 2, 3].map(() => cluster.client()));
    let seed = 7;
    const random = (limit: number): number => (seed = (seed * 48_271) % 2_147_483_647) % limit;
    await Promise.all(
      writers.map(async (client, w) => {
        for (let n = 0; n < 150; n += 1) {
          const id = random(40) + 1;
          const statement = [
            `INSERT INTO busy VALUES (${id}, 'w${w} n${n}') ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body`,
            `DELETE FROM busy WHERE id = ${id}`,
            `UPDATE busy SET id = id + 1000 WHERE id = ${id} AND NOT EXISTS (SELECT FROM busy b WHERE b.id = ${id} + 1000)`,
          ][random(3)] as string;
          await client.query(statement).catch(() => undefined);
        }
      }),
    );
    const token = await reading.source.currentToken(never);
    await reading.until(finished());
    expect(await reading.source.reached(token, 10_000, never)).toBe(true);
    const truth = new Map<string, unknown>();
    for await (const { key, row } of reading.source.rows(tableId('public.busy'), never))
      truth.set(`public.busy ${key}`, row);
    const seen = finalRows(reading.deliveries);
    expect([...seen.keys()].sort()).toEqual([...truth.keys()].sort());
    expect(seen).toEqual(truth);
    await reading.end();
  });
});

describe('values', () => {
  it('decodes streamed, copied, looked-up and scanned rows identically', async () => {
    await cluster.sql(
      `CREATE TYPE mood AS ENUM ('ok', 'bad'); CREATE DOMAIN big AS bigint; CREATE DOMAIN bigs AS bigint[];
      CREATE TABLE typed (id uuid PRIMARY KEY, i8 bigint, num numeric, flag boolean, f8 double precision, j jsonb, j1 json, at timestamptz,
        local timestamp, day date, tags text[], numbers bigint[], grid int[][], moods mood[], m mood, raw bytea, dom big, doms bigs, ip inet, span interval,
        nothing text, made text GENERATED ALWAYS AS (m::text) STORED)`.replace(
        '(m::text)',
        "(CASE WHEN flag THEN 'y' ELSE 'n' END)",
      ),
    );
    const values = `9223372036854775807, 1234567890.12345678901234567890, true, 0.1, '{"a": [1, null, "ü"]}', '[1]', '2026-11-20 10:00:00.5+01',
      '2026-11-20 10:00:00', '2026-11-20', ARRAY['a,b', 'c"d\\e', NULL, 'NULL', ''], ARRAY[1, 9007199254740993], '{{1,2},{3,4}}', ARRAY['ok', 'bad']::mood[],
      'bad', '\\x00ff10', 42, ARRAY[7], '10.0.0.1', '1 day 02:00', NULL`;
    await cluster.sql(`INSERT INTO typed VALUES ('00000000-0000-0000-0000-000000000001', ${values})`);
    const reading = startReading(cluster, { slot: uniqueName('s'), tables: [table('typed')] });
    await reading.until(finished());
    await cluster.sql(`INSERT INTO typed VALUES ('00000000-0000-0000-0000-000000000002', ${values})`);
    await reading.until((all) => streamed(all).length === 1);
    const id = '00000000-0000-0000-0000-00000000000';
    const expected = {
      i8: 9223372036854775807n,
      num: '1234567890.12345678901234567890',
      flag: true,
      f8: 0.1,
      j: { a: [1, null, 'ü'] },
      j1: [1],
      at: '2026-11-20T09:00:00.5Z',
      local: '2026-11-20T10:00:00Z',
      day: '2026-11-20',
      tags: ['a,b', 'c"d\\e', null, 'NULL', ''],
      numbers: [1n, 9007199254740993n],
      grid: [
        [1, 2],
        [3, 4],
      ],
      moods: ['ok', 'bad'],
      m: 'bad',
      raw: new Uint8Array([0, 255, 16]),
      dom: 42n,
      doms: [7n],
      ip: '10.0.0.1',
      span: '1 day 02:00:00',
      nothing: null,
    };
    const [copied, live] = upserts(reading.deliveries);
    expect({ ...copied?.row }).toEqual({ id: `${id}1`, ...expected });
    expect({ ...live?.row }).toEqual({ id: `${id}2`, ...expected });
    expect(await reading.source.row(tableId('public.typed'), live?.key as RowKey, never)).toEqual({ ...live?.row });
    const scanned = [];
    for await (const { key, row } of reading.source.rows(tableId('public.typed'), never)) scanned.push([key, row]);
    expect(scanned).toEqual([
      [copied?.key, { ...copied?.row }],
      [live?.key, { ...live?.row }],
    ]);
    await reading.end();
  });

  it('names rows by numeric, timestamp, text, bytea and composite keys, also beyond 1 KB, and finds them again', async () => {
    const long = 'k'.repeat(1_500);
    await cluster.sql(
      `CREATE TABLE keyed (a bigint, n numeric, t timestamptz, s text, b bytea, ok boolean, body text, PRIMARY KEY (s, a, n, t, b, ok))`,
    );
    await cluster.sql(
      `INSERT INTO keyed VALUES (9007199254740993, 1.50, '2026-01-01 00:00:00.123456+00', '${long}', '\\x01', true, 'x')`,
    );
    const reading = startReading(cluster, { slot: uniqueName('s'), tables: [table('keyed')] });
    await reading.until(finished());
    const [copied] = upserts(reading.deliveries);
    const key = copied?.key as RowKey;
    expect(keyValues(key)).toEqual([long, '9007199254740993', '1.50', '2026-01-01T00:00:00.123456Z', '\\x01', true]);
    expect(await reading.source.row(tableId('public.keyed'), key, never)).toMatchObject({ body: 'x' });
    await cluster.sql(`UPDATE keyed SET n = 1.5`);
    await reading.until((all) => streamed(all).length === 2);
    // Equal to the server, another document to us: the old one is gone, and is not found under its old name.
    expect(await reading.source.row(tableId('public.keyed'), key, never)).toBeUndefined();
    await cluster.sql(`DELETE FROM keyed`);
    await reading.until((all) => streamed(all).length === 3);
    expect(finalRows(reading.deliveries).size).toBe(0);
    await reading.end();
  });
});

describe('a key so long that it is stored out of line', () => {
  it('is still known when an update leaves it alone', async () => {
    await cluster.sql(`CREATE TABLE longkey (k text PRIMARY KEY, body text, filler text);
      ALTER TABLE longkey ALTER k SET STORAGE EXTERNAL, ALTER filler SET STORAGE PLAIN`);
    const long = Array.from({ length: 2_400 }, (_, i) => String.fromCharCode(97 + ((i * i * 7 + i) % 26))).join('');
    await cluster.sql('INSERT INTO longkey VALUES ($1, $2, $3)', [long, 'a', 'f'.repeat(500)]);
    const reading = startReading(cluster, { slot: uniqueName('s'), tables: [table('longkey')] });
    await reading.until(finished());
    await cluster.sql(`UPDATE longkey SET body = 'b'`);
    await reading.until((all) => streamed(all).length === 1);
    const [copied, live] = upserts(reading.deliveries);
    expect(live?.key).toBe(copied?.key);
    expect(live?.row).toMatchObject({ k: long, body: 'b' });
    await cluster.sql(`DELETE FROM longkey`);
    await reading.until((all) => streamed(all).length === 2);
    expect(finalRows(reading.deliveries).size).toBe(0);
    await reading.end();
  });
});

describe('schema changes in mid-stream', () => {
  it('carries on through added, dropped and renamed columns and changed types', async () => {
    await cluster.sql(
      `CREATE TABLE shifting (id int PRIMARY KEY, body text, n int); INSERT INTO shifting VALUES (1, 'a', 1)`,
    );
    const reading = startReading(cluster, { slot: uniqueName('s'), tables: [table('shifting')] });
    await reading.until(finished());
    await cluster.sql(`UPDATE shifting SET body = 'warm'`);
    await cluster.sql(`BEGIN; UPDATE shifting SET body = 'b'; ALTER TABLE shifting ADD extra text DEFAULT 'new';
      INSERT INTO shifting VALUES (2, 'c', 2, 'e'); COMMIT`);
    await cluster.sql(`ALTER TABLE shifting RENAME body TO text; UPDATE shifting SET text = 'renamed' WHERE id = 1`);
    await cluster.sql(
      `ALTER TABLE shifting DROP n; ALTER TABLE shifting ALTER id TYPE bigint; INSERT INTO shifting VALUES (3, 'big', 'x')`,
    );
    await reading.until((all) => finalRows(all).has('public.shifting [3]'));
    const rows = upserts(streamed(reading.deliveries)).map(({ row }) => ({ ...row }));
    expect(rows).toContainEqual({ id: 2, body: 'c', n: 2, extra: 'e' });
    expect(rows).toContainEqual({ id: 1, text: 'renamed', n: 1, extra: 'new' });
    expect(rows).toContainEqual({ id: 3n, text: 'big', extra: 'x' });
    await reading.untilEvent('SCHEMA_CHANGED');
    expect(await reading.source.row(tableId('public.shifting'), '[1]' as RowKey, never)).toEqual({
      id: 1n,
      text: 'renamed',
      extra: 'new',
    });
    await reading.end();
    expect(reading.failure()).toBeUndefined();
  });

  it('says so when a table is renamed or dropped, and goes on with the others', async () => {
    await cluster.sql(
      `CREATE TABLE named (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY); CREATE TABLE doomed (id int PRIMARY KEY)`,
    );
    const reading = startReading(cluster, {
      slot: uniqueName('s'),
      tables: [table('named'), table('other'), table('doomed')],
      limits: { catalogMs: 100 },
    });
    await reading.until(finished(3));
    await cluster.sql(
      `ALTER TABLE named RENAME TO renamed; INSERT INTO renamed VALUES (1); DROP TABLE doomed; INSERT INTO other VALUES (2)`,
    );
    await reading.untilEvent('TABLE_RENAMED');
    await reading.untilEvent('TABLE_DROPPED');
    await reading.until((all) => finalRows(all).has('public.other [2]'));
    await reading.end();
    expect(reading.failure()).toBeUndefined();
  });

  it('goes on when a table is dropped or renamed while it is copied', async () => {
    await cluster.sql(`CREATE TABLE vanishing (id int PRIMARY KEY, body text); INSERT INTO vanishing SELECT n, 'x' FROM generate_series(1, 1000) n;
      CREATE TABLE staying (id int PRIMARY KEY)`);
    let resume: () => void = () => undefined;
    const paused = new Promise<void>((resolve) => (resume = resolve));
    const reading = startReading(
      cluster,
      { slot: uniqueName('s'), tables: [table('vanishing'), table('staying')], limits: { outboxItems: 10 } },
      { pace: ({ position }) => (position.offset === 50n ? paused : undefined) },
    );
    await reading.until((all) => all.length === 49);
    await cluster.sql('DROP TABLE vanishing; INSERT INTO staying VALUES (1)');
    resume();
    await reading.untilEvent('TABLE_DROPPED');
    await reading.until((all) => finished()(all) && finalRows(all).has('public.staying [1]'));
    expect((await reading.source.freshness()).snapshotFinished).toBe(true);
    expect(await reading.source.row(tableId('public.vanishing'), '[1]' as RowKey, never)).toBeUndefined();
    await reading.end();
    expect(reading.failure()).toBeUndefined();
  });
});
