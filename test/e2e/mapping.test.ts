import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCluster, type Cluster } from './support/cluster.ts';
import { makePlace, type Instance, type Place } from './support/instance.ts';
import { until } from './support/process.ts';

let cluster: Cluster;
let place: Place;
let instance: Instance;

const source = (tables: Record<string, unknown>) => ({
  embedder: { engine: 'hashing' },
  sources: { app: { type: 'postgres', connection: cluster.connectionString, tables } },
});

beforeAll(async () => {
  cluster = await startCluster();
  await cluster.commit(`
    CREATE TABLE letters (id int PRIMARY KEY, body text, email text, size int GENERATED ALWAYS AS (length(body)) STORED);
    CREATE TABLE fine (id int PRIMARY KEY, body text);
    INSERT INTO letters VALUES (1, 'The heron waits.', 'heron@example.org');
    INSERT INTO fine VALUES (1, 'The stork walks.');`);
  place = makePlace(
    source({
      letters: { text: '{bdy}', metadata: ['size'], columns: { emial: 'drop' } },
      fine: { text: '{body}', columns: { id: 'scan' } },
    }),
  );
});
afterAll(async () => {
  place.remove();
  await cluster.remove();
});

describe('columns that the configuration names and a table does not have', () => {
  it('are said at the start, with the table and the nearest name, and the start goes on', async () => {
    instance = await place.start();
    await instance.ready();
    await instance.run.said('Ctrl-C stops.');
    for (const output of [instance.run.stdout(), instance.run.stderr()]) {
      expect(output).toMatch(/Source \\?"app\\?": Table app\.public\.letters has no column \\?"bdy\\?".*\\?"body\\?"/);
      expect(output).toMatch(/no column \\?"emial\\?".*protects nothing.*\\?"email\\?"/);
      expect(output).toMatch(/\\?"size\\?".*generated column/);
      expect(output).not.toContain('app.public.fine has');
    }
    expect(instance.run.stderr()).toContain('MAPPING_COLUMN_UNKNOWN');
    expect((await instance.search('stork')).data[0]?.content[0]?.text).toBe('The stork walks.');
  });

  it('make dead letters whose log line names table and code', async () => {
    await until(
      () =>
        instance.run.stderr().includes('A change of app.public.letters could not be processed (MAPPING_COLUMN_MISSING'),
      'the line of the dead letter',
    );
    const { value } = await place.json<{ data: { message: string }[] }>('dlq', 'list');
    expect(value.data[0]?.message).toContain('"bdy"');
  });

  it('fail "freshet doctor"', async () => {
    const { code, value } = await place.json<{ checks: { name: string; status: string; detail: string }[] }>('doctor');
    expect(code).toBe(1);
    const check = value.checks.find(({ name }) => name === 'source app');
    expect(check?.status).toBe('fail');
    for (const column of ['bdy', 'emial', 'size']) expect(check?.detail).toContain(`"${column}"`);
    expect(check?.detail).not.toContain('heron');
  });

  it('are a warning no more once the table has them', async () => {
    await instance.stop();
    await cluster.commit('ALTER TABLE letters RENAME COLUMN body TO bdy');
    await cluster.commit('ALTER TABLE letters RENAME COLUMN email TO emial');
    await cluster.commit('ALTER TABLE letters DROP COLUMN size, ADD COLUMN size int');
    instance = await place.start();
    await instance.run.said('Ctrl-C stops.');
    expect(instance.run.stdout()).not.toContain('no column');
    const { value } = await place.json<{ checks: { name: string; status: string }[] }>('doctor');
    expect(value.checks.find(({ name }) => name === 'source app')?.status).toBe('ok');
    await instance.stop();
  });
});

it.each([
  [
    'a wrong password',
    (url: string) => url.replace(/:[^:@]+@/, ':not-the-password@'),
    'POSTGRES_LOGIN_FAILED',
    '28P01',
  ],
  ['no password', (url: string) => url.replace(/:[^:@]+@/, '@'), 'POSTGRES_LOGIN_FAILED', 'no'],
  [
    'a database that is not there',
    (url: string) => url.replace(/postgres$/, 'elsewhere'),
    'POSTGRES_NO_DATABASE',
    '3D000',
  ],
])('%s ends the start with the source, the setting to mend, and no secret', async (_what, change, code, said) => {
  const broken = makePlace({
    embedder: { engine: 'hashing' },
    sources: {
      app: { type: 'postgres', connection: change(cluster.connectionString), tables: { fine: { text: '{body}' } } },
    },
  });
  try {
    const run = await broken.run('start', '--port', '0');
    expect((await run.exited).code).toBe(1);
    expect(run.stderr()).toContain(code);
    expect(run.stderr()).toContain(said);
    expect(run.stderr()).toContain('sources.app.connection');
    expect(run.stderr()).not.toContain('not-the-password');
  } finally {
    broken.remove();
  }
});
