import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../../connectors/postgres/connection.ts';
import { readServer } from '../../../connectors/postgres/server.ts';
import { FreshetError } from '../../../src/domain/errors.ts';
import { rowKey, tableId } from '../../../src/domain/ids.ts';
import {
  finished,
  startCluster,
  startReading,
  table,
  uniqueName,
  type Cluster,
  type SourceSettings,
} from './harness.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
  await cluster.sql(`CREATE ROLE plain LOGIN PASSWORD 'p'; CREATE ROLE replicator LOGIN REPLICATION PASSWORD 'p';
    CREATE TABLE fine (id int PRIMARY KEY, body text); CREATE TABLE secret (id int PRIMARY KEY); GRANT SELECT ON fine TO replicator`);
});
afterAll(() => cluster.remove());

const as = (role: string): string =>
  Object.assign(new URL(cluster.connectionString), { username: role, password: 'p' }).href;

async function failureOf(
  settings: Partial<SourceSettings> & { tables: SourceSettings['tables'] },
): Promise<FreshetError> {
  const reading = startReading(cluster, { slot: uniqueName('x'), ...settings });
  for (let i = 0; i < 400 && reading.failure() === undefined; i += 1)
    await new Promise((resolve) => setTimeout(resolve, 5));
  await reading.end();
  return reading.failure() as FreshetError;
}

describe('a setup that cannot work fails at once, with a code and the way to mend it', () => {
  const cases: [name: string, code: string, steps: string[], message: RegExp, key?: readonly string[]][] = [
    ['a table that does not exist', 'TABLE_NOT_FOUND', ['nowhere'], /no table public\.nowhere/],
    [
      'a table without a primary key',
      'TABLE_WITHOUT_KEY',
      ['CREATE TABLE keyless (id int)', 'keyless'],
      /ADD PRIMARY KEY/,
    ],
    [
      'REPLICA IDENTITY NOTHING',
      'REPLICA_IDENTITY_MISSING',
      ['CREATE TABLE nameless (id int PRIMARY KEY); ALTER TABLE nameless REPLICA IDENTITY NOTHING', 'nameless'],
      /REPLICA IDENTITY DEFAULT/,
    ],
    [
      'REPLICA IDENTITY FULL without a key',
      'TABLE_WITHOUT_KEY',
      ['CREATE TABLE whole (id int); ALTER TABLE whole REPLICA IDENTITY FULL', 'whole'],
      /primary key/,
    ],
    [
      'a configured key that is not unique',
      'KEY_NOT_UNIQUE',
      ['CREATE TABLE loose (id int, code text); ALTER TABLE loose REPLICA IDENTITY FULL', 'loose'],
      /CREATE UNIQUE INDEX/,
      ['code'],
    ],
    [
      'a configured key that is not the replica identity',
      'KEY_NOT_REPLICA_IDENTITY',
      ['CREATE TABLE astray (id int PRIMARY KEY, code text NOT NULL UNIQUE)', 'astray'],
      /REPLICA IDENTITY USING INDEX/,
      ['code'],
    ],
    [
      'a deferrable primary key',
      'TABLE_WITHOUT_KEY',
      ['CREATE TABLE late (id int PRIMARY KEY DEFERRABLE)', 'late'],
      /primary key/,
    ],
    ['a view', 'TABLE_KIND', ['CREATE VIEW sight AS SELECT 1 AS id', 'sight'], /Views/],
    ['an unlogged table', 'TABLE_KIND', ['CREATE UNLOGGED TABLE airy (id int PRIMARY KEY)', 'airy'], /SET LOGGED/],
  ];
  it.each(cases)('%s: %s', async (_name, code, steps, message, key) => {
    if (steps.length === 2) await cluster.sql(steps[0] as string);
    const failure = await failureOf({ tables: [table(steps.at(-1) as string, 'f', key)] });
    expect(failure).toMatchObject({ code, kind: 'fatal', message: expect.stringMatching(message) });
  });

  it('names what the role lacks: REPLICATION, SELECT, the publication', async () => {
    expect(await failureOf({ tables: [table('fine')], connectionString: as('plain') })).toMatchObject({
      code: 'REPLICATION_NOT_ALLOWED',
    });
    expect(await failureOf({ tables: [table('secret')], connectionString: as('replicator') })).toMatchObject({
      code: 'TABLE_NOT_READABLE',
    });
    expect(await failureOf({ tables: [table('fine')], connectionString: as('replicator') })).toMatchObject({
      code: 'PUBLICATION_NOT_ALLOWED',
      message: expect.stringContaining('CREATE PUBLICATION'),
    });
  });

  it('works with a role that has only REPLICATION and SELECT once the publication is there', async () => {
    const slot = uniqueName('x');
    await cluster.sql(`CREATE PUBLICATION ${slot}_pub FOR TABLE fine; INSERT INTO fine VALUES (1, 'a')`);
    const reading = startReading(cluster, { slot, tables: [table('fine')], connectionString: as('replicator') });
    await reading.until(finished());
    await reading.end();
    expect(reading.failure()).toBeUndefined();
  });

  it('accepts REPLICA IDENTITY FULL with a unique key, and an index as identity', async () => {
    await cluster.sql(`CREATE TABLE complete (id int, code text NOT NULL UNIQUE); ALTER TABLE complete REPLICA IDENTITY FULL;
      CREATE TABLE pointed (id int PRIMARY KEY, code text NOT NULL); CREATE UNIQUE INDEX pointed_code ON pointed (code);
      ALTER TABLE pointed REPLICA IDENTITY USING INDEX pointed_code; INSERT INTO complete VALUES (1, 'a'); INSERT INTO pointed VALUES (1, 'p')`);
    const reading = startReading(cluster, {
      slot: uniqueName('x'),
      tables: [table('complete', 'f', ['code']), table('pointed')],
    });
    await reading.until(finished(2));
    await cluster.sql(`UPDATE complete SET id = 2; DELETE FROM complete; UPDATE pointed SET code = 'q'`);
    await reading.until((all) => all.length >= 7);
    const keys = reading.deliveries.flatMap(({ event }) => ('key' in event ? [`${event.kind} ${event.key}`] : []));
    expect(keys).toEqual(expect.arrayContaining(['row-deleted ["a"]', 'row-deleted ["p"]', 'row-upserted ["q"]']));
    await reading.end();
  });

  it('refuses a publication that leaves rows or columns out, and a slot that is not ours', async () => {
    const slot = uniqueName('x');
    await cluster.sql(`CREATE PUBLICATION ${slot}_pub FOR TABLE fine WHERE (id > 5)`);
    expect(await failureOf({ slot, tables: [table('fine')] })).toMatchObject({ code: 'PUBLICATION_FILTERED' });
    const physical = uniqueName('x');
    await cluster.sql(`SELECT pg_create_physical_replication_slot('${physical}')`);
    expect(await failureOf({ slot: physical, tables: [table('fine')] })).toMatchObject({ code: 'SLOT_FOREIGN' });
    expect(await failureOf({ slot: 'Not A Slot', publication: 'p1', tables: [table('fine')] })).toMatchObject({
      code: 'SLOT_NAME_INVALID',
    });
  });

  it('waits for a server that is not there yet, and says so', async () => {
    const reading = startReading(
      { connectionString: 'postgresql://x:y@127.0.0.1:1/x' },
      { slot: 'nope', tables: [table('fine')] },
    );
    await reading.untilEvent('POSTGRES_UNAVAILABLE');
    expect(reading.failure()).toBeUndefined();
    await reading.stop();
  });

  it('checks wal_level, version and standby', async () => {
    const server = (row: Record<string, unknown>) =>
      ({
        query: () =>
          Promise.resolve([
            {
              wal_level: 'logical',
              version: 180_000,
              segment: '16777216',
              timeout: '60000',
              recovery: false,
              database: 'd',
              flushed: '0/1',
              ...row,
            },
          ]),
      }) as unknown as Database;
    const identity = { systemId: '1', timeline: 1 };
    await expect(readServer(server({ wal_level: 'replica' }), identity)).rejects.toMatchObject({
      code: 'WAL_LEVEL',
      kind: 'fatal',
    });
    await expect(readServer(server({ version: 130_005 }), identity)).rejects.toMatchObject({
      code: 'POSTGRES_TOO_OLD',
    });
    await expect(readServer(server({ recovery: true }), identity)).rejects.toMatchObject({ code: 'POSTGRES_STANDBY' });
    await expect(readServer(server({}), identity)).resolves.toMatchObject({
      systemId: '1',
      segmentBytes: 16_777_216n,
      flushed: 1n,
    });
  });

  it('keeps values out of error messages and causes', async () => {
    const reading = startReading(cluster, { slot: uniqueName('x'), tables: [table('fine')] });
    await reading.until(finished());
    const error = await reading.source
      .row(tableId('public.fine'), rowKey(['jane.doe@example.com']), new AbortController().signal)
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(FreshetError);
    expect((error as FreshetError).message).toContain('22P02');
    expect((error as FreshetError).kind).toBe('poison');
    expect(
      `${String(error)} ${String((error as FreshetError).cause)} ${JSON.stringify((error as FreshetError).details)}`,
    ).not.toContain('jane');
    await reading.end();
  });
});
