import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCluster, type Cluster } from './support/cluster.ts';
import { makePlace, type Instance, type Place } from './support/instance.ts';
import { until } from './support/process.ts';

const TEN_MB = 10_000_000;
/** Longer than the configured limit. */
const TOO_LONG = 12_000_000;
const LONG_KEY = `key-${'long'.repeat(400)}`;

const SCHEMA = `
  CREATE TABLE texts (id int PRIMARY KEY, body text);
  CREATE TABLE pages (id uuid PRIMARY KEY, body text);
  CREATE TABLE amounts (id numeric PRIMARY KEY, body text);
  CREATE TABLE places (country text, city text, body text, PRIMARY KEY (city, country));
  CREATE TABLE named (name text PRIMARY KEY, body text);
  CREATE TABLE renamed (id int PRIMARY KEY, body text);
  INSERT INTO renamed VALUES (1, 'The badger digs.'), (2, 'The badger sleeps.');
  INSERT INTO texts VALUES (0, 'A plain row about the pelican.');`;

let cluster: Cluster;
let place: Place;
let instance: Instance;

const table = (name: string): Record<string, unknown> => ({ tables: [`app.public.${name}`], limit: 20 });
const found = (lsn: string, query: string, name: string): Promise<string[]> =>
  instance.textsAt(lsn, query, table(name));

interface Letter {
  readonly id: string;
  readonly table: string;
  readonly stage: string;
  readonly code: string;
  readonly message: string;
}
const letters = async (): Promise<Letter[]> => (await place.json<{ data: Letter[] }>('dlq', 'list')).value.data;

beforeAll(async () => {
  cluster = await startCluster();
  await cluster.commit(SCHEMA);
  const body = { text: '{body}' };
  place = makePlace({
    limits: { maxTextLength: 11_000_000 },
    sources: {
      app: {
        type: 'postgres',
        connection: cluster.connectionString,
        tables: {
          texts: body,
          pages: { ...body, format: 'html' },
          amounts: body,
          places: { ...body, title: '{city}, {country}' },
          named: body,
          renamed: body,
        },
      },
    },
  });
  instance = await place.start();
  await instance.ready();
});

afterAll(async () => {
  await instance?.stop();
  await cluster?.remove();
  place?.remove();
});

describe('a row with', () => {
  it.each([
    ['NULL', null],
    ['no text', ''],
    ['nothing but white space', ' \t\r\n \u00a0\u2003\u3000 \n'],
    ['a zero-width space', '\u200b'],
  ])('%s is no document, and becomes one when it gets text', async (_what, body) => {
    await cluster.commit('INSERT INTO texts VALUES (1, $1)', [body]);
    const lsn = await cluster.commit('UPDATE texts SET body = $1 WHERE id = 1', ['The heron came late.']);
    expect((await found(lsn, 'heron', 'texts'))[0]).toBe('The heron came late.');
    const emptied = await cluster.commit('UPDATE texts SET body = $1 WHERE id = 1', [body]);
    expect((await found(emptied, 'heron', 'texts')).join()).not.toContain('heron');
    await cluster.commit('DELETE FROM texts WHERE id = 1');
  });

  it('10 MB of text is indexed to its last word', async () => {
    const sentence = 'The reservoir fills slowly in the winter months of every year. ';
    const body = `${sentence.repeat(Math.ceil(TEN_MB / sentence.length))} Its last word is flamingo.`;
    const lsn = await cluster.commit('INSERT INTO texts VALUES (2, $1)', [body]);
    expect((await found(lsn, 'flamingo', 'texts'))[0]).toContain('flamingo');
    await cluster.commit('DELETE FROM texts WHERE id = 2');
  });

  it('more text than the configured limit is a dead letter that says so, and the rows behind it are not held up', async () => {
    await cluster.commit('INSERT INTO texts VALUES (3, $1)', ['x'.repeat(TOO_LONG)]);
    const lsn = await cluster.commit('INSERT INTO texts VALUES (4, $1)', ['The ibis stands behind it.']);
    expect((await found(lsn, 'ibis', 'texts'))[0]).toBe('The ibis stands behind it.');
    const [letter, ...others] = await letters();
    expect(others).toEqual([]);
    expect(letter).toMatchObject({ table: 'app.public.texts', stage: 'map' });
    expect(letter?.code).toMatch(/LONG|LARGE/);
    expect(letter?.message).toMatch(/11.?000.?000/);
    expect(letter?.message).toContain('limits.maxTextLength');
    expect((await place.json('dlq', 'retry', letter?.id as string)).code).toBe(1);

    const mended = await cluster.commit("UPDATE texts SET body = 'Short now.' WHERE id = 3");
    expect(await found(mended, 'short now', 'texts')).toContain('Short now.');
    await until(async () => (await letters()).length === 0, 'the dead letter of a row that is well again to go');
  });

  it('one endless word is cut into chunks that are found', async () => {
    const lsn = await cluster.commit('INSERT INTO texts VALUES (5, $1)', [
      `before ${'endless'.repeat(30_000)} cormorant`,
    ]);
    expect((await found(lsn, 'cormorant', 'texts'))[0]).toContain('cormorant');
  });

  it('control characters, emoji and scripts without spaces is found by its words', async () => {
    const odd = 'Der Kranich \ufffd \u0001\u001f \u202e 鶴は千年 👩‍👩‍👧 e\u0301 zieht fort.';
    const lsn = await cluster.commit('INSERT INTO texts VALUES (6, $1)', [odd]);
    expect((await found(lsn, 'Kranich', 'texts'))[0]).toContain('zieht fort');
    expect((await instance.search('鶴', { ...table('texts'), mode: 'lexical' })).data[0]?.content[0]?.text).toContain(
      '千年',
    );
  });

  it('HTML nested 20,000 deep, unclosed and with scripts is found by its text only', async () => {
    const html = `${'<div><b>'.repeat(10_000)}<script>var toucan = 1;</script><p>The parrot &amp; its nest${'</b>'.repeat(500)}`;
    const lsn = await cluster.commit("INSERT INTO pages VALUES ('00000000-0000-4000-8000-000000000001', $1)", [html]);
    const texts = await found(lsn, 'parrot nest', 'pages');
    expect(texts[0]).toContain('The parrot & its nest');
    expect(texts.join()).not.toMatch(/toucan|<b>/);
  });
});

describe('a key that is', () => {
  it.each([
    ['a UUID', 'pages', "'9b2f6a52-5c41-4d0e-8f4b-0c8d8d6d2f10'"],
    ['a numeric beyond 2^53', 'amounts', '12345678901234567890123456789.000000000123'],
    ['a text of over 1 KB', 'named', `'${LONG_KEY}'`],
    ['an empty text', 'named', "''"],
    ['a text with quotes, commas and brackets', 'named', `'["a", ''b''], {}\\'`],
  ])('%s names one document through insert, update, delete', async (_what, name, key) => {
    const column = name === 'named' ? 'name' : 'id';
    const inserted = await cluster.commit(`INSERT INTO ${name} (${column}, body) VALUES (${key}, 'The puffin nests.')`);
    expect(await found(inserted, 'puffin', name)).toContain('The puffin nests.');
    const updated = await cluster.commit(`UPDATE ${name} SET body = 'The puffin fishes.' WHERE ${column} = ${key}`);
    const texts = await found(updated, 'puffin', name);
    expect(texts).toContain('The puffin fishes.');
    expect(texts).not.toContain('The puffin nests.');
    const deleted = await cluster.commit(`DELETE FROM ${name} WHERE ${column} = ${key}`);
    expect((await found(deleted, 'puffin', name)).join()).not.toContain('puffin');
  });

  it('made of two columns follows a change of one of them', async () => {
    await cluster.commit(
      "INSERT INTO places VALUES ('FR', 'Paris', 'The auk is French.'), ('US', 'Paris', 'The auk is Texan.')",
    );
    const lsn = await cluster.commit("UPDATE places SET city = 'Lyon' WHERE country = 'FR'");
    const consistency = { mode: 'at_least', token: lsn, waitMs: 10_000 };
    const { data } = await instance.search('auk', { ...table('places'), consistency });
    expect(data.map((hit) => hit.filename).toSorted()).toEqual(['Lyon, FR', 'Paris, US']);
  });
});

describe('a text column renamed in mid-stream', () => {
  it('makes dead letters that name the column, and stops nothing', async () => {
    await cluster.commit('ALTER TABLE renamed RENAME COLUMN body TO content');
    await cluster.commit("UPDATE renamed SET content = 'The badger climbs.' WHERE id = 1");
    const lsn = await cluster.commit('INSERT INTO texts VALUES (7, $1)', ['The lynx is not held up.']);
    expect((await found(lsn, 'lynx', 'texts'))[0]).toBe('The lynx is not held up.');
    const [letter] = await until(async () => {
      const all = await letters();
      return all.length > 0 ? all : undefined;
    }, 'a dead letter');
    expect(letter).toMatchObject({ table: 'app.public.renamed' });
    expect(letter?.code).toMatch(/COLUMN/);
    expect(letter?.message).toContain('body');
    // The last version stays searchable.
    expect((await instance.search('badger', table('renamed'))).data.map((hit) => hit.content[0]?.text)).toContain(
      'The badger digs.',
    );
    const { value } = await place.json<{ deadLetters: number }>('status');
    expect(value.deadLetters).toBe((await letters()).length);
  });

  it('is indexed by a retry after the column has its name back', async () => {
    const lsn = await cluster.commit('ALTER TABLE renamed RENAME COLUMN content TO body');
    await instance.textsAt(lsn, 'anything');
    const { code, value } = await place.json('dlq', 'retry', 'all');
    expect(value).toMatchObject({ failed: 0 });
    expect(code).toBe(0);
    await until(async () => {
      const { data } = await instance.search('badger climbs', table('renamed'));
      return data.some((hit) => hit.content[0]?.text === 'The badger climbs.');
    }, 'the retried row');
    expect(await letters()).toEqual([]);
  });
});

it('after all of that the index is what the rows say', async () => {
  const { code, value } = await place.json('verify');
  expect(value).toMatchObject({ missing: 0, stale: 0, ghost: 0, duplicate: 0, problems: [] });
  expect(code).toBe(0);
  expect(instance.run.child.exitCode).toBeNull();
});

describe('a table that', () => {
  /** `start` on a configuration of this one table, which must fail. */
  async function refusal(
    name: string,
    settings: Record<string, unknown> = {},
  ): Promise<{ code: number | null; stderr: string }> {
    const broken = makePlace({
      embedder: { engine: 'hashing' },
      sources: {
        other: {
          type: 'postgres',
          connection: cluster.connectionString,
          tables: { [name]: { text: '{body}', ...settings } },
        },
      },
    });
    try {
      const run = await broken.run('start', '--port', '0');
      const { code } = await run.exited;
      return { code, stderr: run.stderr() };
    } finally {
      broken.remove();
    }
  }

  it('does not exist is named, with what to do', async () => {
    const { code, stderr } = await refusal('nowhere');
    expect(code).toBe(1);
    expect(stderr).toContain('public.nowhere');
    expect(stderr).toMatch(/There is no table/);
  });

  it('has no primary key is named, with what to do', async () => {
    await cluster.commit('CREATE TABLE keyless (id int, body text)');
    const { code, stderr } = await refusal('keyless');
    expect(code).toBe(1);
    expect(stderr).toContain('public.keyless');
    expect(stderr).toMatch(/PRIMARY KEY|REPLICA IDENTITY/i);
  });
});
