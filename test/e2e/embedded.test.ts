import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { commitOn, connect, makePlace, type Instance, type Place } from './support/instance.ts';

const SCHEMA = `-- Made at every start.
CREATE TABLE IF NOT EXISTS notes (id int PRIMARY KEY, body text);
INSERT INTO notes VALUES (1, 'The marmot whistles.') ON CONFLICT DO NOTHING;
`;

let place: Place;
let instance: Instance;

const setup = (sql: string): void => writeFileSync(join(place.folder, 'schema.sql'), sql);
const facts = (): { postgres: string } =>
  JSON.parse(readFileSync(join(place.dataDir, 'instance.json'), 'utf8')) as { postgres: string };

beforeAll(() => {
  place = makePlace({
    sources: {
      app: { type: 'embedded-postgres', setup: './schema.sql', tables: { notes: { text: '{body}' } } },
    },
  });
});
afterAll(() => place.remove());

it('a PostgreSQL of its own makes its tables from the file beside the configuration', async () => {
  setup(SCHEMA);
  instance = await place.start();
  await instance.ready();
  expect((await instance.search('marmot')).data[0]?.content[0]?.text).toBe('The marmot whistles.');
});

it('says where the database answers, on the terminal and in a file that only its user may read', async () => {
  await instance.run.said('Ctrl-C stops.');
  const { postgres } = facts();
  expect(instance.run.stdout()).toContain(postgres);
  expect(instance.run.stderr()).not.toContain(postgres);
  expect(statSync(join(place.dataDir, 'instance.json')).mode & 0o077).toBe(0);
  expect(existsSync(join(place.dataDir, 'demo.json'))).toBe(false);
});

it('follows edits that others make there, and keeps them when the file is run again', async () => {
  const client = await connect(facts().postgres);
  try {
    const lsn = await commitOn(client, "UPDATE notes SET body = 'The marmot sleeps all winter.' WHERE id = 1");
    expect(await instance.textsAt(lsn, 'marmot')).toEqual(['The marmot sleeps all winter.']);
  } finally {
    await client.end();
  }
  expect(await instance.stop()).toEqual({ code: 0, signal: null });
  instance = await place.start();
  await instance.ready();
  expect((await instance.search('marmot')).data[0]?.content[0]?.text).toBe('The marmot sleeps all winter.');
  await instance.stop();
});

it.each([
  ['a syntax error', `${SCHEMA}\nCREAT TABLE more (id int);`, 'schema.sql:5:1', '42601'],
  ['a type that does not exist', `${SCHEMA}CREATE TABLE more (id integr);`, 'schema.sql:4:23', '42704'],
  ['a value of another type', `INSERT INTO notes VALUES ('private-note', 'x');`, 'schema.sql:1:27', '22P02'],
  ['a row that is there already', `INSERT INTO notes VALUES (1, 'private-note');`, 'constraint notes_pkey', '23505'],
])('stops at %s in the file, with its place and SQLSTATE and without its values', async (_what, sql, where, state) => {
  setup(sql);
  const run = await place.run('start', '--port', '0', '--embedder', 'hashing');
  expect((await run.exited).code).toBe(1);
  expect(run.stderr()).toContain('SETUP_FAILED');
  expect(run.stderr()).toContain(where);
  expect(run.stderr()).toContain(state);
  expect(run.stderr()).not.toContain('private-note');
});

it('stops when there is no such file', async () => {
  place.remove();
  place = makePlace({
    sources: { app: { type: 'embedded-postgres', setup: 'nowhere.sql', tables: { notes: { text: '{body}' } } } },
  });
  const run = await place.run('start', '--port', '0', '--embedder', 'hashing');
  expect((await run.exited).code).toBe(1);
  expect(run.stderr()).toMatch(/SETUP_UNREADABLE.*|nowhere\.sql.*ENOENT/s);
  expect(run.stderr()).toContain(join(place.folder, 'nowhere.sql'));
});
