import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Freshet } from '../../src/composition/open.ts';
import { DEFAULT_TENANT } from '../../src/domain/ids.ts';
import type { IndexesReport, IndexReport, IndexRole } from '../../src/services/blue-green/service.ts';
import { openInProcess } from '../support/freshet.ts';
import { startCluster, type Cluster } from './support/cluster.ts';
import { connect } from './support/instance.ts';

const never = new AbortController().signal;
const BUILT_MS = 20_000;

let cluster: Cluster;
let folder: string;
let opened: Freshet | undefined;

beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.remove());
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'freshet-blue-green-'));
  await cluster.commit(`
    DROP TABLE IF EXISTS articles;
    CREATE TABLE articles (id int PRIMARY KEY, body text NOT NULL);
    INSERT INTO articles SELECT n, 'Article ' || n || ' about harbours. ' || repeat('It has some more text. ', 20) FROM generate_series(1, 50) n;
    INSERT INTO articles VALUES (1000, 'The lighthouse counts 0');`);
});
afterEach(async () => {
  await opened?.close();
  opened = undefined;
  // The server's side of a connection may live a moment longer than ours.
  await expect.poll(() => cluster.rows('SELECT FROM pg_replication_slots WHERE active')).toEqual([]);
  for (const { slot_name: slot } of await slots()) await cluster.rows('SELECT pg_drop_replication_slot($1)', [slot]);
  for (const { pubname } of await publications()) await cluster.commit(`DROP PUBLICATION ${String(pubname)}`);
  rmSync(folder, { recursive: true, force: true });
});

const publications = () => cluster.rows('SELECT pubname FROM pg_publication');
const slots = () => cluster.rows('SELECT slot_name FROM pg_replication_slots ORDER BY slot_name');

async function open(settings: Record<string, unknown> = {}): Promise<Freshet> {
  await opened?.close();
  const app = { type: 'postgres', connection: cluster.connectionString, tables: { articles: { text: '{body}' } } };
  const mine = (opened = await openInProcess(folder, { sources: { app }, ...settings }));
  await expect.poll(async () => (await mine.services.freshness.ready()).ready, { timeout: BUILT_MS }).toBe(true);
  return mine;
}

const report = ({ services }: Freshet): Promise<IndexesReport> => services.indexes.report(never);
const byRole = async (freshet: Freshet, role: IndexRole): Promise<IndexReport | undefined> =>
  (await report(freshet)).indexes.find((index) => index.role === role);
const candidateBuilt = (freshet: Freshet) =>
  expect.poll(async () => (await byRole(freshet, 'candidate'))?.built, { timeout: BUILT_MS }).toBe(true);

async function ask({ services }: Freshet, query: string, more: object = {}) {
  return services.search.search({ query, limit: 10, tenant: DEFAULT_TENANT, mode: 'lexical', ...more }, never);
}

/** What the lighthouse counts, by the answer of now; undefined: it was not found. */
async function counted(freshet: Freshet): Promise<number | undefined> {
  const { hits } = await ask(freshet, 'lighthouse counts', { limit: 1 });
  const found = /^The lighthouse counts (\d+)$/.exec(hits[0]?.text ?? '')?.[1];
  return found === undefined ? undefined : Number(found);
}

const CANDIDATE = { candidate: { chunker: { maxTokens: 24 } } };

describe('blue/green on PostgreSQL', () => {
  it('readers that look all the time never miss a document and never go back, while rows are edited and indexes switched', async () => {
    const freshet = await open(CANDIDATE);
    await candidateBuilt(freshet);
    let edits = 0;
    let reads = 0;
    let isOver = false;
    const write = async (): Promise<void> => {
      while (!isOver)
        await cluster.commit('UPDATE articles SET body = $1 WHERE id = 1000', [`The lighthouse counts ${++edits}`]);
    };
    const read = async (): Promise<void> => {
      for (let last = 0; !isOver; reads += 1) {
        const now = await counted(freshet);
        expect(now).toBeGreaterThanOrEqual(last);
        last = now ?? Infinity;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const work = [write(), read(), read()];
    const { indexes } = freshet.services;
    try {
      for (let round = 0; round < 3; round += 1) {
        await indexes.switch({ force: false }, never);
        const seen = edits;
        await expect.poll(() => edits).toBeGreaterThan(seen + 10);
        await indexes.rollback({ force: false }, never);
        await expect.poll(() => edits).toBeGreaterThan(seen + 20);
      }
    } finally {
      isOver = true;
      await Promise.all(work);
    }
    expect(reads).toBeGreaterThan(50);
    const token = await cluster.commit("UPDATE articles SET body = 'The lighthouse counts 1000000' WHERE id = 1000");
    const { hits } = await ask(freshet, 'lighthouse', { consistency: { mode: 'at_least', token, waitMs: 10_000 } });
    expect(hits[0]?.text).toBe('The lighthouse counts 1000000');
    for (const index of (await report(freshet)).indexes) {
      const options = { repair: false, vectorSample: 5, index: index.name };
      const found = await freshet.services.admin.verify(options, () => undefined, never);
      expect(found).toMatchObject({ missing: 0, stale: 0, ghost: 0, duplicate: 0 });
    }
  });

  it('each index has a slot of its own, and a dropped one leaves none behind', async () => {
    const freshet = await open(CANDIDATE);
    await candidateBuilt(freshet);
    const name = (await byRole(freshet, 'candidate'))?.name ?? '';
    const own = `freshet_app_${name.replace('-', '_')}`;
    expect((await slots()).map((row) => row.slot_name)).toEqual(['freshet_app', own]);
    await freshet.services.indexes.switch({ force: false }, never);
    await expect(freshet.services.indexes.drop(name, never)).rejects.toMatchObject({ code: 'INDEX_IN_USE' });
    expect(await freshet.services.indexes.drop('v1', never)).toMatchObject({ leftBehind: [] });
    expect((await slots()).map((row) => row.slot_name)).toEqual([own]);
    expect((await publications()).map((row) => row.pubname)).toEqual([own]);
    await cluster.commit("UPDATE articles SET body = 'The lighthouse counts 7' WHERE id = 1000");
    await expect.poll(() => counted(freshet)).toBe(7);
    expect((await report(freshet)).indexes.map(({ role }) => role)).toEqual(['live']);
  });

  it('opens as it was left, in every state, and the settings are moved without a hole', async () => {
    let freshet = await open(CANDIDATE);
    const [live, candidate] = [(await byRole(freshet, 'live'))?.name, (await byRole(freshet, 'candidate'))?.name];
    const roles = async () =>
      Object.fromEntries(
        (await report(freshet)).indexes.map(({ name, role, fed }) => [name, fed ? role : `${role}, not fed`]),
      );
    freshet = await open(CANDIDATE); // While it is being built.
    await candidateBuilt(freshet);
    freshet = await open(CANDIDATE); // Built.
    expect(await roles()).toEqual({ [live!]: 'live', [candidate!]: 'candidate' });
    await freshet.services.indexes.canary(0.5, never);
    freshet = await open(CANDIDATE); // In canary.
    expect((await report(freshet)).canaryShare).toBe(0.5);
    await freshet.services.indexes.switch({ force: false }, never);
    freshet = await open(CANDIDATE); // Switched, nothing moved yet.
    expect(await roles()).toEqual({ [candidate!]: 'live', [live!]: 'previous' });
    expect((await report(freshet)).notes.join()).toContain('Make them the main ones');
    const moved = { chunker: { maxTokens: 24 }, candidate: { chunker: { maxTokens: 200 } } };
    freshet = await open(moved); // Moved, the old settings kept for a rollback.
    expect(await roles()).toEqual({ [candidate!]: 'live', [live!]: 'previous' });
    expect((await report(freshet)).notes).toEqual([]);
    await cluster.commit("UPDATE articles SET body = 'The lighthouse counts 5' WHERE id = 1000");
    await freshet.services.indexes.rollback({ force: false }, never);
    expect(await counted(freshet)).toBe(5);
    await freshet.services.indexes.switch({ force: false }, never);
    freshet = await open({ chunker: { maxTokens: 24 } }); // The old settings are gone.
    expect(await roles()).toEqual({ [candidate!]: 'live', [live!]: 'previous, not fed' });
    await expect(freshet.services.indexes.rollback({ force: true }, never)).rejects.toMatchObject({
      code: 'INDEX_NOT_READY',
    });
    await freshet.services.indexes.drop(live!, never);
    expect(await roles()).toEqual({ [candidate!]: 'live' });
    expect((await slots()).map((row) => row.slot_name)).toEqual([`freshet_app_${candidate!.replace('-', '_')}`]);
    await freshet.close();
    await expect(open({ chunker: { maxTokens: 24 } })).resolves.toBeDefined();
  });

  it('refuses to switch to an index that is not built, and says so; the canary waits for it, too', async () => {
    await open();
    // A copy begins once every transaction that is open now has ended.
    await using other = await connectTo(cluster.connectionString);
    await other.client.query('BEGIN; SELECT txid_current()');
    const freshet = await open(CANDIDATE);
    const [live, candidate] = [(await byRole(freshet, 'live'))?.name, (await byRole(freshet, 'candidate'))?.name];
    await expect(freshet.services.indexes.switch({ force: false }, never)).rejects.toMatchObject({
      code: 'INDEX_NOT_READY',
      message: expect.stringContaining(`Index ${candidate} is still being built`) as string,
    });
    await freshet.services.indexes.canary(1, never);
    expect(new Set(await answeredBy(freshet))).toEqual(new Set([live]));
    await other.client.query('COMMIT');
    await candidateBuilt(freshet);
    await expect.poll(async () => (await ask(freshet, 'harbours')).index).toBe(candidate);
  });

  it('a candidate that fails for good is said so and refused, and the live index goes on', async () => {
    const max = Number((await cluster.rows('SHOW max_replication_slots'))[0]?.max_replication_slots);
    await open();
    const taken = Array.from({ length: max - 1 }, (_, at) => `taken_${at}`);
    for (const slot of taken) await cluster.rows("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
    const second = await open(CANDIDATE);
    await expect
      .poll(async () => (await byRole(second, 'candidate'))?.failure?.code, { timeout: BUILT_MS })
      .toBeDefined();
    expect((await byRole(second, 'candidate'))?.fed).toBe(false);
    await expect(second.services.indexes.switch({ force: true }, never)).rejects.toMatchObject({
      code: 'INDEX_NOT_READY',
    });
    await cluster.commit("UPDATE articles SET body = 'The lighthouse counts 3' WHERE id = 1000");
    await expect.poll(() => counted(second)).toBe(3);
  });
});

describe('comparing', () => {
  it('puts queries to the candidate in the background, and tells how much of the answers is the same', async () => {
    const freshet = await open(CANDIDATE);
    await candidateBuilt(freshet);
    // The first query after it was built finds out that it is.
    await expect
      .poll(async () => {
        await ask(freshet, 'harbours');
        await new Promise((resolve) => setTimeout(resolve, 50));
        return (await report(freshet)).shadow?.compared ?? 0;
      })
      .toBeGreaterThan(2);
    const { shadow } = await report(freshet);
    expect(shadow).toMatchObject({ failed: 0 });
    expect(shadow?.overlapByDocument).toBeGreaterThan(0);
    expect(shadow?.overlapByDocument).toBeLessThanOrEqual(1);
    expect(shadow?.candidateMs.p50).toBeGreaterThan(0);
    const metrics = await freshet.registry.metrics();
    expect(metrics).toMatch(/freshet_candidate_built_ratio 1/);
    expect(metrics).toMatch(/freshet_candidate_overlap_ratio\{by="document"\} /);
  });

  it('lets the candidate answer its share, the same query always from the same index', async () => {
    const freshet = await open(CANDIDATE);
    await candidateBuilt(freshet);
    const [live, candidate] = [(await byRole(freshet, 'live'))?.name, (await byRole(freshet, 'candidate'))?.name];
    await freshet.services.indexes.canary(0.5, never);
    // Whether the candidate is close enough is found out behind the first queries' backs.
    let first: readonly (string | undefined)[] = [];
    await expect
      .poll(async () => {
        first = await answeredBy(freshet);
        return new Set(first).size;
      })
      .toBe(2);
    await expect
      .poll(async () => {
        const before = first;
        first = await answeredBy(freshet);
        return first.every((name, at) => name === before[at]);
      })
      .toBe(true);
    const share = first.filter((name) => name === candidate).length / first.length;
    expect(share).toBeGreaterThan(0.25);
    expect(share).toBeLessThan(0.75);
    await freshet.services.indexes.canary(0, never);
    expect(new Set(await answeredBy(freshet))).toEqual(new Set([live]));
    await freshet.services.indexes.canary(1, never);
    await expect.poll(async () => new Set(await answeredBy(freshet))).toEqual(new Set([candidate]));
  });
});

async function connectTo(connectionString: string): Promise<AsyncDisposable & { readonly client: pg.Client }> {
  const client = await connect(connectionString);
  return { client, [Symbol.asyncDispose]: () => client.end() };
}

async function answeredBy(freshet: Freshet): Promise<readonly (string | undefined)[]> {
  const names: (string | undefined)[] = [];
  for (let at = 0; at < 60; at += 1) names.push((await ask(freshet, `harbours ${at}`)).index);
  return names;
}
