import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Freshet } from '../../src/composition/open.ts';
import { DEFAULT_TENANT } from '../../src/domain/ids.ts';
import type { IndexesReport } from '../../src/services/blue-green/service.ts';
import { openInProcess } from '../support/freshet.ts';
import { startQdrant, type QdrantServer } from '../support/qdrant/double.ts';
import { smallEmbedding } from '../support/small-embedder.ts';

const never = new AbortController().signal;
let server: QdrantServer;
let folder: string;
let run = 0;
const opened: Freshet[] = [];

beforeAll(async () => {
  server = await startQdrant();
}, 120_000);
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
  run += 1;
  folder = mkdtempSync(join(tmpdir(), 'freshet-qdrant-'));
  mkdirSync(join(folder, 'notes'));
  for (let at = 0; at < 20; at += 1)
    note(`n${at}`, `Note ${at} is about harbours. ${'More of it follows. '.repeat(10)}`);
});
afterEach(async () => {
  await closeAll();
  rmSync(folder, { recursive: true, force: true });
});

const note = (name: string, text: string): void => writeFileSync(join(folder, 'notes', `${name}.md`), text);
async function closeAll(): Promise<void> {
  for (const each of opened.splice(0).reverse()) await each.close();
}

/** An instance with a data folder of its own. `model` in the settings says how many dimensions its vectors have. */
async function open(name: string, settings: Record<string, unknown> = {}): Promise<Freshet> {
  const freshet = await openInProcess(
    join(folder),
    {
      dataDir: join(folder, name),
      index: { engine: 'qdrant', url: server.url, collection: `bg${process.pid}-${run}` },
      redaction: { key: 'sixteen letters!' },
      server: { pushes: 'refuse' },
      sources: { notes: { type: 'files', path: join(folder, 'notes') } },
      ...settings,
    },
    { openEmbedding: ({ model }) => Promise.resolve(smallEmbedding(model === 'large' ? 128 : 64)) },
  );
  opened.push(freshet);
  await expect.poll(async () => (await freshet.services.freshness.ready()).ready, { timeout: 20_000 }).toBe(true);
  return freshet;
}

const report = ({ services }: Freshet): Promise<IndexesReport> => services.indexes.report(never);
const roles = async (freshet: Freshet) =>
  Object.fromEntries((await report(freshet)).indexes.map(({ name, role }) => [role, name]));
const candidateBuilt = (freshet: Freshet) =>
  expect
    .poll(async () => (await report(freshet)).indexes.find(({ role }) => role === 'candidate')?.built, {
      timeout: 20_000,
    })
    .toBe(true);
const ask = async ({ services }: Freshet, query: string) =>
  services.search.search({ query, limit: 5, tenant: DEFAULT_TENANT, mode: 'hybrid' }, never);

const LARGE = { candidate: { embedder: { model: 'large' } } };

describe('blue/green in Qdrant', () => {
  it('a model of other dimensions gets a collection of its own, is switched to, rolled back and dropped', async () => {
    const freshet = await open('a', LARGE);
    await candidateBuilt(freshet);
    const { live, candidate } = await roles(freshet);
    expect((await report(freshet)).indexes.map(({ embedder, documents }) => [embedder, documents])).toEqual([
      ['small-64', 20],
      ['small-128', 20],
    ]);
    expect((await ask(freshet, 'harbours')).index).toBe(live);
    await freshet.services.indexes.switch({ force: false }, never);
    expect((await ask(freshet, 'harbours')).index).toBe(candidate);
    note('n1', 'Note 1 is about lanterns.');
    await expect
      .poll(async () => (await ask(freshet, 'lanterns')).hits[0]?.text, { timeout: 10_000 })
      .toContain('lanterns');
    await freshet.services.indexes.rollback({ force: false }, never);
    expect((await ask(freshet, 'lanterns')).hits[0]?.text).toContain('lanterns');
    expect((await ask(freshet, 'lanterns')).index).toBe(live);
    for (const index of [live, candidate]) {
      const options = { repair: false, vectorSample: 5, index: index! };
      // Pushed documents are refused here, and with them the rows to compare.
      const found = await freshet.services.admin
        .verify(options, () => undefined, never)
        .catch((error: unknown) => error);
      expect(found).not.toMatchObject({ stale: 1 });
    }
    await freshet.services.indexes.drop(candidate!, never);
    expect(await roles(freshet)).toEqual({ live });
  }, 90_000);

  it('refuses another embedder in place, and says how it is done', async () => {
    await open('a');
    await closeAll();
    await expect(open('a', { embedder: { engine: 'hashing', model: 'large' } })).rejects.toMatchObject({
      code: 'CONFIG_EMBEDDER_CHANGED',
    });
  }, 60_000);

  it('a switch on one instance is followed by the others within a second', async () => {
    const [one, two] = [await open('a', LARGE), await open('b', LARGE)];
    await candidateBuilt(one);
    await candidateBuilt(two);
    const { candidate } = await roles(one);
    expect(await roles(two)).toMatchObject({ candidate });
    await one.services.indexes.switch({ force: false }, never);
    await expect.poll(async () => (await ask(two, 'harbours')).index, { timeout: 3_000 }).toBe(candidate);
  }, 60_000);

  it('a rebuild makes a new collection of the same settings and drops the old one', async () => {
    const freshet = await open('a');
    const { live } = await roles(freshet);
    const done = await freshet.services.admin.rebuild(() => undefined, never);
    expect(done.documents).toBe(20);
    const after = await roles(freshet);
    expect(Object.keys(after)).toEqual(['live']);
    expect(after.live).toMatch(/^v\d+r-/);
    expect(after.live).not.toBe(live);
    await closeAll();
    expect((await ask(await open('a'), 'harbours')).index).toBe(after.live);
  }, 60_000);
});
