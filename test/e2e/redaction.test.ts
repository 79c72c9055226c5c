import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePlace, type Instance, type Place } from './support/instance.ts';
import { secrets } from './support/secrets.ts';

const BODY = secrets(1);
const FIELDS = secrets(2);
const PUSHED = secrets(3);
const PUSHED_FIELDS = secrets(4);
const QUERIES = secrets(5);
/** What a mapped column may never hold because it is dropped or hashed. */
const POLICY = ['Drop this plain sentence about a person', 'Hashed Author Canary'];
const ALL = [...BODY, ...FIELDS, ...PUSHED, ...PUSHED_FIELDS, ...QUERIES, ...POLICY];

let place: Place;
let instance: Instance;
/** Everything that left the process over HTTP. */
const answers: string[] = [];

async function call(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const answer = await instance.call<Record<string, unknown> | undefined>(method, path, body);
  answers.push(answer.text, ...[...answer.headers].map(([name, value]) => `${name}: ${value}`));
  return answer.body ?? {};
}

/** Files of the data folder that Freshet writes: everything but the database of the demo, which holds the rows themselves. */
function ownFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'database' ? [] : ownFiles(path);
    return statSync(path).size === 0 ? [] : [path];
  });
}

const foundIn = (text: string | Buffer): string[] => ALL.filter((secret) => text.includes(secret));

beforeAll(async () => {
  place = makePlace();
  instance = await place.start();
  await instance.ready();

  const [bodyText, ...bodies] = BODY.map((secret, at) => `Canary paragraph ${at}: ${secret} belongs to nobody.`);
  await instance.sql(
    'INSERT INTO articles (slug, title, body, category, author, internal_note) VALUES ($1, $2, $3, $4, $5, $6)',
    [
      `canary ${FIELDS[0]}`,
      `Canary title ${FIELDS.slice(1, 5).join(' and ')}`,
      [bodyText, ...bodies].join('\n\n'),
      `canaries ${FIELDS.slice(5).join(' ')}`,
      POLICY[1],
      POLICY[0],
    ],
  );
  const lsn = await instance.commit("UPDATE articles SET body = body || ' Edited once.' WHERE author = $1", [
    POLICY[1],
  ]);
  const { token } = (await call('PUT', '/v1/documents/canary', {
    text: `A pushed canary: ${PUSHED.join(', then ')}.`,
    title: `Pushed canary ${PUSHED_FIELDS.slice(0, 4).join(' ')}`,
    uri: `canary:${PUSHED_FIELDS[6]}`,
    metadata: { contact: PUSHED_FIELDS[4] as string, keys: PUSHED_FIELDS.slice(5) },
  })) as { token: string };
  for (const state of [lsn, token]) {
    const consistency = { mode: 'at_least', token: state, waitMs: 10_000 };
    await call('POST', '/v1/search', { query: 'canary paragraph', limit: 50, consistency });
  }
  for (const query of QUERIES) await call('POST', '/v1/search', { query: `who is ${query}`, limit: 50 });
});

afterAll(async () => {
  await instance?.stop();
  place?.remove();
});

describe('invented secrets in rows, pushed documents and queries', () => {
  it('are replaced by placeholders, and what surrounds them is found', async () => {
    const found = await instance.search('canary paragraph', { limit: 50 });
    const texts = found.data.map((hit) => hit.content[0]?.text ?? '').join('\n');
    expect(texts).toContain('Canary paragraph 0: ');
    expect(texts).toContain('A pushed canary: ');
    expect(texts).toMatch(/EMAIL/);
    expect(texts).toMatch(/IBAN/);
    expect((await instance.search(`who is ${QUERIES[0]}`)).search_query.join()).toMatch(/EMAIL/);
  });

  it('become the same placeholder in a query as in a row, so that documents with one are found', async () => {
    const answer = await instance.search(`canary paragraph ${BODY[2]}`, { mode: 'lexical', limit: 5 });
    answers.push(JSON.stringify(answer));
    expect(answer.search_query.join()).toMatch(/^canary paragraph \W?IBAN/);
    expect(answer.data[0]?.content[0]?.text).toContain('IBAN');
  });

  it('appear in no HTTP answer, errors and metrics included', async () => {
    const list = (await call('GET', '/v1/changes')) as { data: { document: string }[] };
    for (const { document } of list.data.slice(0, 5)) {
      await call('GET', `/v1/documents/${document}`);
      await call('GET', `/v1/documents/${document}/status`);
    }
    for (const path of [
      '/v1/documents/canary',
      '/v1/documents/canary/status',
      '/v1/freshness',
      '/metrics',
      '/readyz',
    ]) {
      await call('GET', path);
    }
    // Wrong requests: what is refused is not said back.
    for (const secret of QUERIES) {
      await call('POST', '/v1/search', { query: 'x', limit: secret });
      await call('POST', '/v1/search', { query: 'x', filters: { type: secret, key: 'a', value: secret } });
      await call('POST', '/v1/search', { query: 'x', consistency: { mode: 'at_least', token: secret } });
      await call('GET', `/v1/documents/${encodeURIComponent(secret)}`);
    }
    expect(answers.filter((answer) => answer.includes('anary')).length).toBeGreaterThan(5);
    expect(foundIn(answers.join('\n'))).toEqual([]);
  });

  it('appear in no line that the process writes', () => {
    expect(instance.run.stderr()).toContain('"msg"');
    expect(foundIn(instance.run.stdout() + instance.run.stderr())).toEqual([]);
  });

  it('lie in no file that Freshet writes, neither while it runs nor after it stopped', async () => {
    const found = (): Record<string, string[]> =>
      Object.fromEntries(
        ownFiles(place.dataDir).flatMap((file) => {
          const secretsThere = foundIn(readFileSync(file));
          return secretsThere.length === 0 ? [] : [[file, secretsThere]];
        }),
      );
    expect(ownFiles(place.dataDir).join()).toMatch(/index\.sqlite.*state\.sqlite/s);
    expect(found()).toEqual({});
    await instance.stop();
    expect(found()).toEqual({});
    const index = readFileSync(join(place.dataDir, 'index.sqlite'));
    expect(index.includes('Canary paragraph 0: ')).toBe(true);
  });
});
