import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCluster, type Cluster } from './support/cluster.ts';
import { makePlace, type Instance, type Place } from './support/instance.ts';
import { until } from './support/process.ts';
import { watchChanges } from './support/sse.ts';

const SCHEMA = `
  CREATE TABLE articles (
    id int PRIMARY KEY, slug text, title text, body text, tenant text DEFAULT 'default', visible_to text[],
    language text, author text, note text, published boolean DEFAULT true);
  CREATE TABLE notices (id int PRIMARY KEY, body text);
  INSERT INTO articles (id, slug, title, body, language) VALUES
    (1, 'returns', 'Returns', E'# Returns\\n\\nItems may be returned within thirty days.', 'en'),
    (2, 'shipping', 'Shipping', 'Parcels leave the warehouse every afternoon.', 'en'),
    (3, 'versand', 'Versand', 'Pakete verlassen das Lager jeden Nachmittag.', 'de');
  INSERT INTO notices VALUES (1, 'The canteen closes early on Friday.');`;

let cluster: Cluster;
let place: Place;
let instance: Instance;

/** The row's document, by its address. */
async function documentOf(token: string, uri: string, more: Record<string, unknown> = {}): Promise<string> {
  const consistency = { mode: 'at_least', token, waitMs: 10_000 };
  const { data } = await instance.search(uri, { consistency, limit: 50, ...more });
  const found = data.find((hit) => hit.attributes.uri === uri);
  if (found === undefined) throw new Error(`${uri} is not among ${data.length} results.`);
  return found.file_id;
}

beforeAll(async () => {
  cluster = await startCluster();
  await cluster.commit(SCHEMA);
  place = makePlace({
    sources: {
      app: {
        type: 'postgres',
        connection: cluster.connectionString,
        tables: {
          articles: {
            text: '{body}',
            title: '{title}',
            uri: 'kb://{slug}',
            tenant: { column: 'tenant' },
            access: { column: 'visible_to' },
            metadata: { lang: 'language', author: 'author' },
            columns: { author: 'hash', note: 'drop' },
            filter: { column: 'published', value: true },
          },
          notices: { text: '{body}' },
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

describe('a row edited in PostgreSQL', () => {
  it('is found with the text of the edit by the first answer that asks for its LSN', async () => {
    for (const [days, word] of [
      ['forty', 'forty'],
      ['fifty', 'fifty'],
      ['sixty', 'sixty'],
    ] as const) {
      const lsn = await cluster.commit('UPDATE articles SET body = $1 WHERE id = 1', [
        `# Returns\n\nItems may be returned within ${days} days.`,
      ]);
      const texts = await instance.textsAt(lsn, 'returned within days');
      expect(texts[0]).toContain(`within ${word} days`);
      expect(texts.join('\n')).not.toMatch(/thirty/);
    }
  });

  it('is found by the first answer that asks for the token of the freshness report after the commit', async () => {
    await cluster.commit("UPDATE articles SET body = 'Parcels leave at noon, by tricycle.' WHERE id = 2");
    const { body } = await instance.call<{ token: string }>('GET', '/v1/freshness');
    expect((await instance.textsAt(body.token, 'parcels tricycle'))[0]).toContain('tricycle');
  });

  it('is found after an INSERT, and no more after its DELETE', async () => {
    const inserted = await cluster.commit(
      "INSERT INTO articles (id, slug, title, body) VALUES (10, 'giraffe', 'Giraffe', 'The giraffe is the mascot.')",
    );
    expect(await instance.textsAt(inserted, 'giraffe mascot', { limit: 1 })).toEqual(['The giraffe is the mascot.']);
    const deleted = await cluster.commit('DELETE FROM articles WHERE id = 10');
    expect(await instance.textsAt(deleted, 'giraffe mascot', { limit: 50 })).not.toContainEqual(
      expect.stringContaining('giraffe'),
    );
  });

  it('is hidden when it stops passing the filter, and back when it passes again', async () => {
    const hidden = await cluster.commit('UPDATE articles SET published = false WHERE id = 3');
    expect((await instance.textsAt(hidden, 'Pakete Lager')).join()).not.toContain('Pakete');
    const shown = await cluster.commit('UPDATE articles SET published = true WHERE id = 3');
    expect((await instance.textsAt(shown, 'Pakete Lager'))[0]).toContain('Pakete');
  });

  it('moves to another tenant with every chunk, and takes new metadata along', async () => {
    const lsn = await cluster.commit("UPDATE articles SET tenant = 'acme', language = 'fr' WHERE id = 2");
    expect((await instance.textsAt(lsn, 'parcels tricycle', { limit: 50 })).join()).not.toContain('tricycle');
    const { data } = await instance.search('parcels tricycle', { tenant: 'acme' });
    expect(data).toHaveLength(1);
    expect(data[0]?.attributes).toMatchObject({ title: 'Shipping', uri: 'kb://shipping', lang: 'fr' });
    const other = { filters: { type: 'eq', key: 'lang', value: 'en' }, tenant: 'acme' };
    expect((await instance.search('parcels tricycle', other)).data).toEqual([]);
    const back = await cluster.commit("UPDATE articles SET tenant = 'default', language = 'en' WHERE id = 2");
    expect((await instance.textsAt(back, 'parcels tricycle'))[0]).toContain('tricycle');
  });

  it('is shown to the principals on its access list only', async () => {
    const lsn = await cluster.commit(
      "INSERT INTO articles (id, slug, body, visible_to) VALUES (11, 'salaries', 'Salaries rise in spring.', '{finance}')",
    );
    const seenBy = (principals: string[]) => instance.textsAt(lsn, 'salaries spring', { principals, limit: 1 });
    expect(await seenBy(['finance', 'staff'])).toEqual(['Salaries rise in spring.']);
    expect((await seenBy(['staff'])).join()).not.toContain('Salaries');
  });

  it('takes its table’s other rows along in a TRUNCATE, and rows written after it are there', async () => {
    const lsn = await cluster.commit(
      "BEGIN; TRUNCATE notices; INSERT INTO notices VALUES (2, 'The canteen opens on Sunday.'); COMMIT",
    );
    const texts = await instance.textsAt(lsn, 'canteen', { tables: ['app.public.notices'] });
    expect(texts).toEqual(['The canteen opens on Sunday.']);
  });

  it('has a status with a time per stage, in order, and ends as deleted', async () => {
    const lsn = await cluster.commit("UPDATE articles SET body = 'Pakete fahren Rad.' WHERE id = 3");
    const id = await documentOf(lsn, 'kb://versand');
    const { body } = await instance.call<{ state: string; times: Record<string, string>; freshnessMs: number }>(
      'GET',
      `/v1/documents/${id}/status`,
    );
    expect(body.state).toBe('visible');
    const stages = ['received', 'redacted', 'embedded', 'visible'].map((stage) => Date.parse(body.times[stage] ?? ''));
    expect(stages).toEqual(stages.toSorted((a, b) => a - b));
    expect(body.freshnessMs).toBeGreaterThanOrEqual(0);
    const deleted = await cluster.commit('DELETE FROM articles WHERE id = 3');
    await instance.textsAt(deleted, 'anything');
    expect((await instance.call('GET', `/v1/documents/${id}/status`)).body).toMatchObject({ state: 'deleted' });
    expect((await instance.call('GET', `/v1/documents/${id}`)).status).toBe(404);
  });

  it('is seen by a watcher of the change stream, stage by stage', async () => {
    await using changes = await watchChanges(`${instance.api}/v1/changes/stream`);
    const lsn = await cluster.commit("UPDATE articles SET body = 'Watched returns take a week.' WHERE id = 1");
    const id = await documentOf(lsn, 'kb://returns');
    const upserted = await changes.until(
      (change) => change.event === 'document.upserted' && change.data.document === id,
    );
    expect(upserted.data).toMatchObject({ title: 'Returns', uri: 'kb://returns' });
    const stages = changes.seen.filter((change) => change.event === 'document.stage' && change.data.document === id);
    expect(stages.map(({ data }) => data.state)).toEqual(['redacted', 'embedded']);
    const { body } = await instance.call<{ data: { document: string }[] }>('GET', '/v1/changes?limit=1');
    expect(body.data[0]?.document).toBe(id);
  });
});

describe('documents pushed over HTTP', () => {
  it('are durable at 202, found with the token of the answer, read in chunks and deleted', async () => {
    const put = await instance.call<{ id: string; accepted: boolean; token: string }>('PUT', '/v1/documents/memo-7', {
      text: '# Memo\n\nThe zebra crossing is painted on Monday.',
      title: 'Memo',
      format: 'markdown',
      metadata: { team: 'roads' },
    });
    expect(put).toMatchObject({ status: 202, body: { accepted: true } });
    expect(put.headers.get('freshet-token')).toBe(put.body.token);
    expect((await instance.textsAt(put.body.token, 'zebra crossing'))[0]).toContain('zebra crossing');

    const read = await instance.call<{ chunks: { text: string }[] }>('GET', '/v1/documents/memo-7');
    expect(read.body).toMatchObject({ id: put.body.id, title: 'Memo', metadata: { team: 'roads' } });
    expect(read.body.chunks.map(({ text }) => text).join()).toContain('painted on Monday');

    const gone = await instance.call<{ token: string }>('DELETE', '/v1/documents/memo-7');
    expect(gone.status).toBe(202);
    expect((await instance.textsAt(gone.body.token, 'zebra crossing')).join()).not.toContain('zebra');
    expect((await instance.call('GET', '/v1/documents/memo-7')).status).toBe(404);
  });

  it('come in batches, are redacted before they are stored, and an older sourceVersion changes nothing', async () => {
    const { status, body } = await instance.call<{ receipts: { accepted: boolean }[]; token: string }>(
      'POST',
      '/v1/documents:batch',
      {
        documents: [
          { id: 'contact', text: 'Write to lena.hartwig@example.org about the walrus.', sourceVersion: 5 },
          { id: 'walrus', text: 'The walrus has tusks.' },
        ],
      },
    );
    expect(status).toBe(202);
    expect(body.receipts.map(({ accepted }) => accepted)).toEqual([true, true]);
    const texts = await instance.textsAt(body.token, 'walrus', { tables: ['push.documents'] });
    expect(texts).toHaveLength(2);
    expect(texts.join()).toContain('about the walrus');
    expect(texts.join()).not.toContain('lena.hartwig');
    const older = await instance.call('PUT', '/v1/documents/contact', { text: 'The walrus is old.', sourceVersion: 4 });
    expect(older.body).toMatchObject({ accepted: false, reason: 'superseded' });
    expect((await instance.search('walrus is old')).data.map((hit) => hit.content[0]?.text)).not.toContain(
      'The walrus is old.',
    );
  });

  it('are refused with a problem that names the field when they are malformed', async () => {
    const answer = await instance.call('PUT', '/v1/documents/bad', { txt: 'no text' });
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.text).toContain('text');
    expect(await instance.call('POST', '/v1/search', { query: '' })).toMatchObject({ status: 400 });
  });
});

describe('what an operator looks at', () => {
  it('counts the rows of the first copy', async () => {
    const { body } = await instance.call<{ sources: { snapshots: unknown }[] }>('GET', '/v1/freshness');
    expect(body.sources[0]?.snapshots).toEqual([
      expect.objectContaining({ table: 'app.public.articles', rowsRead: 3, finished: true }),
      expect.objectContaining({ table: 'app.public.notices', rowsRead: 1, finished: true }),
    ]);
  });

  it('is alive, ready, measured and described', async () => {
    expect((await instance.call('GET', '/livez')).body).toEqual({ live: true });
    expect((await instance.call('GET', '/readyz')).body).toEqual({ ready: true, reasons: [] });
    const metrics = await instance.call('GET', '/metrics');
    expect(metrics.text).toMatch(/^freshet_\w+(\{.*\})? [0-9.e+-]+$/m);
    const openapi = await instance.call<{ openapi: string; paths: Record<string, unknown> }>('GET', '/openapi.json');
    expect(openapi.body.openapi).toMatch(/^3\./);
    expect(Object.keys(openapi.body.paths)).toEqual(
      expect.arrayContaining(['/v1/search', '/v1/documents/{id}', '/v1/documents:batch', '/v1/freshness', '/readyz']),
    );
    expect((await instance.call('GET', '/')).status).toBe(200);
    expect((await instance.call('GET', '/nothing/here')).status).toBe(404);
  });

  it('reports how fresh it is, and that moves on while nothing is edited', async () => {
    const first = await until(async () => {
      const { body } = await instance.call<{ ready: boolean; asOf: string | null }>('GET', '/v1/freshness');
      return body.asOf === null ? undefined : body;
    }, 'an asOf');
    expect(first.ready).toBe(true);
    await until(async () => {
      const { body } = await instance.call<{ asOf: string }>('GET', '/v1/freshness');
      return body.asOf > (first.asOf as string);
    }, 'a later asOf');
  });

  it('answers a token that it cannot reach in time by saying so', async () => {
    const consistency = { mode: 'at_least', token: 'FF/0', waitMs: 50 };
    const { freshness } = await instance.search('returns', { consistency });
    expect(freshness.tokenReached).toBe(false);
  });
});

describe('the command line beside the running instance', () => {
  it('searches, with exit code 0 and the API’s answer', async () => {
    const { code, value } = await place.json<{ data: unknown[] }>('search', 'returns take a week');
    expect(code).toBe(0);
    expect(JSON.stringify(value.data[0])).toContain('Watched returns take a week.');
  });

  it('tells the status', async () => {
    const { code, value } = await place.json('status');
    expect(code).toBe(0);
    expect(value).toMatchObject({ ready: true, deadLetters: 0, sources: [{ source: 'app' }, { source: 'push' }] });
  });

  it('lists no dead letters, retries none, and says which one it does not know', async () => {
    expect(await place.json('dlq', 'list')).toEqual({ code: 0, value: { data: [], has_more: false, after: null } });
    expect(await place.json('dlq', 'retry', 'all')).toEqual({ code: 0, value: { retried: 0, failed: 0 } });
    const unknown = await place.cli('dlq', 'show', '42');
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toMatch(/dead letter/i);
  });

  it('replays the source: every row is read again, nothing changes', async () => {
    const before = (await instance.search('returns take a week')).data.map(({ id }) => id);
    const { code } = await place.json('replay', 'app');
    expect(code).toBe(0);
    await instance.ready();
    expect((await instance.search('returns take a week')).data.map(({ id }) => id)).toEqual(before);
    const unknown = await place.cli('replay', 'nobody', '--json');
    expect(unknown.code).toBeGreaterThan(0);
    expect(unknown.stderr).toContain('nobody');
  });

  it('rebuilds while rows are edited: searchable throughout, right afterwards', async () => {
    await cluster.commit(
      "INSERT INTO articles (id, slug, title, body) SELECT n, 'bulk-' || n, 'Bulk', 'Bulk row ' || n || ' version 0.' FROM generate_series(1000, 1399) n",
    );
    const rebuilding = place.json<{ documents: number }>('rebuild');
    let over = false;
    void rebuilding.finally(() => (over = true)).catch(() => undefined);
    let lsn = '';
    for (let version = 1; !over; version += 1) {
      lsn = await cluster.commit('UPDATE articles SET body = $1 WHERE id = 1000 + $2', [
        `Bulk row ${version} edited.`,
        version % 400,
      ]);
      expect((await instance.search('returns take a week')).data[0]?.content[0]?.text).toContain('Watched returns');
    }
    const { code, value } = await rebuilding;
    expect(code).toBe(0);
    expect(value.documents).toBeGreaterThanOrEqual(400);
    await instance.textsAt(lsn, 'bulk');
    const edited = await cluster.commit("UPDATE articles SET body = 'After the rebuild.' WHERE id = 1399");
    expect((await instance.textsAt(edited, 'after the rebuild'))[0]).toBe('After the rebuild.');
  });

  it('verifies that nothing is missing, stale, ghost or duplicate after all of that', async () => {
    const { code, value } = await place.json('verify');
    expect(value).toMatchObject({ missing: 0, stale: 0, ghost: 0, duplicate: 0, problems: [] });
    expect(code).toBe(0);
  });
});
