import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPostgresRows } from '../../../connectors/postgres/index.ts';
import { rowKey, tableId } from '../../../src/domain/ids.ts';
import { startCluster, type Cluster } from './harness.ts';

const never = new AbortController().signal;
const TABLE = tableId('app.public.articles');

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
  await cluster.sql(`CREATE TABLE by_slug (id int PRIMARY KEY, slug text UNIQUE NOT NULL, body text);
    ALTER TABLE by_slug REPLICA IDENTITY NOTHING;
    INSERT INTO by_slug VALUES (1, 'returns', 'Thirty days.');
    CREATE TABLE keyless (id int, body text)`);
});
afterAll(() => cluster.remove());

const open = (relation: string, key?: readonly string[]) =>
  openPostgresRows({
    name: 'app',
    connectionString: cluster.connectionString,
    tables: [{ id: TABLE, relation, ...(key === undefined ? {} : { key }) }],
  });

describe('rows of a table whose changes come by another log', () => {
  it('are found by any key that names one row, whatever the table’s replica identity', async () => {
    await using bySlug = open('public.by_slug', ['slug']);
    expect(await bySlug.row(TABLE, rowKey(['returns']), never)).toMatchObject({ id: 1, body: 'Thirty days.' });
    await using byId = open('public.by_slug');
    expect(await byId.row(TABLE, rowKey([1]), never)).toMatchObject({ slug: 'returns' });
  });

  it.each([
    ['a key that several rows may have', 'public.by_slug', ['body'], 'KEY_NOT_UNIQUE', 'CREATE UNIQUE INDEX'],
    ['a table without a key', 'public.keyless', undefined, 'TABLE_WITHOUT_KEY', 'ADD PRIMARY KEY'],
    ['a table that is not there', 'public.nowhere', undefined, 'TABLE_NOT_FOUND', 'Check its schema'],
  ])('%s makes a dead letter that says how to mend it, and stops nothing', async (_what, relation, key, code, mend) => {
    await using rows = open(relation, key);
    await expect(rows.row(TABLE, rowKey([1]), never)).rejects.toMatchObject({
      code,
      kind: 'poison',
      message: expect.stringContaining(mend) as string,
    });
  });
});
