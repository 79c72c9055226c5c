import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Freshet } from '../../src/composition/open.ts';
import { DEFAULT_TENANT } from '../../src/domain/ids.ts';
import { openInProcess } from '../support/freshet.ts';
import { startQdrant, type QdrantServer } from '../support/qdrant/double.ts';

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
});
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Settings {
  readonly pushes?: 'accept' | 'refuse' | 'take-over';
  readonly key?: string;
  readonly sources?: Record<string, unknown>;
}

/** An instance with a data folder of its own, on the collections of this test. */
async function open(name: string, { pushes = 'accept', key = 'sixteen letters!', sources = {} }: Settings = {}) {
  const dataDir = join(folder, name);
  mkdirSync(dataDir, { recursive: true });
  const index = { engine: 'qdrant', url: server.url, collection: `t${process.pid}-${run}` };
  const settings = { index, redaction: { key }, server: { pushes }, sources };
  const freshet = await openInProcess(dataDir, settings);
  opened.push(freshet);
  await expect.poll(async () => (await freshet.services.freshness.ready()).ready).toBe(true);
  return freshet;
}

async function titles({ services }: Freshet, query: string, token?: string): Promise<readonly string[]> {
  const consistency = token === undefined ? {} : { consistency: { mode: 'at_least', token, waitMs: 20_000 } as const };
  const { hits } = await services.search.search(
    { query, limit: 20, tenant: DEFAULT_TENANT, mode: 'lexical', ...consistency },
    never,
  );
  return hits.map(({ title }) => title);
}

const push = async ({ services }: Freshet, id: string, text: string): Promise<string> => {
  const [receipt] = await services.documents.put([{ id, tenant: DEFAULT_TENANT, title: id, text }], never);
  return receipt!.token;
};

describe('An instance whose index is in Qdrant', () => {
  it('indexes a folder, follows an edit, and verify finds nothing', async () => {
    const notes = join(folder, 'notes');
    mkdirSync(notes);
    writeFileSync(join(notes, 'tea.md'), '# Tea\n\nThe kettle is in the kitchen.');
    const freshet = await open('a', { sources: { notes: { type: 'files', path: notes } } });
    await expect.poll(() => titles(freshet, 'kettle')).toEqual(['Tea']);
    writeFileSync(join(notes, 'tea.md'), '# Tea\n\nThe samovar is in the garden.');
    await expect.poll(() => titles(freshet, 'samovar'), { timeout: 10_000 }).toEqual(['Tea']);
    expect(await titles(freshet, 'kettle')).toEqual([]);
    const report = await freshet.services.admin.verify({ repair: false, vectorSample: 10 }, () => undefined, never);
    expect(report.problems).toEqual([]);
  }, 60_000);

  it('keeps pushed documents, which another instance finds, also by the token of the write', async () => {
    const first = await open('a');
    const token = await push(first, 'umbrella', 'An umbrella stands by the door.');
    const second = await open('b', { pushes: 'refuse' });
    expect(await titles(second, 'umbrella', token)).toEqual(['umbrella']);
    await expect(push(second, 'hat', 'A hat.')).rejects.toMatchObject({ code: 'PUSHES_REFUSED' });
    // What the other keeps is no ghost, and is not retired either.
    await expect(
      second.services.admin.verify({ repair: true, vectorSample: 10 }, () => undefined, never),
    ).rejects.toMatchObject({ code: 'SOURCE_ROWS_UNAVAILABLE' });
    expect(await titles(first, 'umbrella')).toEqual(['umbrella']);
  }, 60_000);

  it('refuses a second owner of pushed documents, and another redaction key', async () => {
    await open('a');
    await expect(open('b')).rejects.toMatchObject({ code: 'PUSHES_OWNED_ELSEWHERE' });
    await expect(open('c', { pushes: 'refuse', key: 'another sixteen!' })).rejects.toMatchObject({
      code: 'REDACTION_KEY_DIFFERS',
    });
  }, 60_000);

  it('finds its documents again after a restart, and embeds nothing anew', async () => {
    const token = await push(await open('a'), 'umbrella', 'An umbrella stands by the door.');
    await titles(opened[0]!, 'umbrella', token);
    await opened.splice(0)[0]!.close();
    const again = await open('a');
    expect(await titles(again, 'umbrella')).toEqual(['umbrella']);
    const metrics = await again.registry.getMetricsAsJSON();
    const embedded = metrics.find(({ name }) => name === 'freshet_chunks_embedded_total');
    expect(embedded?.values ?? []).toEqual([]);
  }, 60_000);
});
