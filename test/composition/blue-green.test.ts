import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Freshet, OpenOptions } from '../../src/composition/open.ts';
import { DEFAULT_TENANT } from '../../src/domain/ids.ts';
import type { IndexesReport, IndexRole } from '../../src/services/blue-green/service.ts';
import type { SearchAnswer } from '../../src/services/services.ts';
import { openInProcess } from '../support/freshet.ts';
import { smallEmbedding } from '../support/small-embedder.ts';

const never = new AbortController().signal;
const CANDIDATE = { chunker: { maxTokens: 16 } };

let folder: string;
let opened: Freshet | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'freshet-blue-green-'));
  mkdirSync(join(folder, 'notes'));
  note('tea', 'The kettle is in the kitchen.');
  note('long', Array.from({ length: 40 }, (_, at) => `Sentence number ${at} is about umbrellas.`).join(' '));
});
afterEach(async () => {
  await opened?.close();
  opened = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const note = (name: string, text: string): void => writeFileSync(join(folder, 'notes', `${name}.md`), text);

/** Opens the data folder under these settings, in place of the instance before, and waits for the first copies. */
async function open(settings: Record<string, unknown> = {}, more: Partial<OpenOptions> = {}): Promise<Freshet> {
  await opened?.close();
  const sources = { notes: { type: 'files', path: join(folder, 'notes') } };
  const mine = (opened = await openInProcess(folder, { sources, ...settings }, more));
  await expect.poll(async () => (await mine.services.freshness.ready()).ready).toBe(true);
  return mine;
}

const report = ({ services }: Freshet): Promise<IndexesReport> => services.indexes.report(never);
const byRole = async (freshet: Freshet, role: IndexRole) =>
  (await report(freshet)).indexes.find((index) => index.role === role);
const built = (freshet: Freshet) =>
  expect.poll(async () => (await byRole(freshet, 'candidate'))?.built, { timeout: 10_000 }).toBe(true);

async function search({ services }: Freshet, query: string, more: object = {}): Promise<SearchAnswer> {
  return services.search.search({ query, limit: 20, tenant: DEFAULT_TENANT, mode: 'lexical', ...more }, never);
}
const texts = (answer: SearchAnswer): readonly string[] => answer.hits.map(({ text }) => text);

describe('a candidate', () => {
  it('is built beside the live index, which goes on answering, and both are fed', async () => {
    const freshet = await open({ candidate: CANDIDATE });
    await built(freshet);
    const live = await byRole(freshet, 'live');
    const candidate = await byRole(freshet, 'candidate');
    expect(live?.name).toMatch(/^v1-[0-9a-f]{8}$/);
    expect(candidate?.name).toMatch(/^v2-[0-9a-f]{8}$/);
    expect(candidate?.documents).toBe(2);
    expect(candidate?.chunks).toBeGreaterThan(live?.chunks ?? 0);
    expect((await search(freshet, 'kettle')).index).toBe(live?.name);

    note('new', 'A teapot stands beside it.');
    await expect.poll(async () => (await byRole(freshet, 'candidate'))?.documents, { timeout: 10_000 }).toBe(3);
    await expect.poll(async () => (await byRole(freshet, 'live'))?.documents, { timeout: 10_000 }).toBe(3);
  });

  it('whose model is not there keeps the live index from nothing, and is told in the report', async () => {
    const broken = { embedder: { engine: 'transformers', modelPath: join(folder, 'nowhere') } };
    const freshet = await open({ candidate: broken });
    expect(texts(await search(freshet, 'kettle'))).toEqual(['The kettle is in the kitchen.']);
    const { indexes, notes, switchBlockers } = await report(freshet);
    expect(indexes.map(({ role }) => role)).toEqual(['live']);
    expect(notes).toEqual([expect.stringContaining('settings under "candidate:"')]);
    expect(switchBlockers).not.toEqual([]);
  });

  it('becomes the live index by a switch, and the one before stays fed for the way back', async () => {
    const freshet = await open({ candidate: CANDIDATE });
    await built(freshet);
    const [before, next] = [await byRole(freshet, 'live'), await byRole(freshet, 'candidate')];
    const switched = await freshet.services.indexes.switch({ force: false }, never);
    expect(switched.indexes.map(({ name, role, fed }) => [name, role, fed])).toEqual([
      [next?.name, 'live', true],
      [before?.name, 'previous', true],
    ]);
    expect((await search(freshet, 'umbrellas')).index).toBe(next?.name);
    note('tea', 'The kettle moved to the attic.');
    await expect
      .poll(async () => texts(await search(freshet, 'kettle')), { timeout: 10_000 })
      .toEqual(['The kettle moved to the attic.']);
    const back = await freshet.services.indexes.rollback({ force: false }, never);
    expect(back.indexes.map(({ name, role }) => [name, role])).toEqual([
      [before?.name, 'live'],
      [next?.name, 'candidate'],
    ]);
    expect(texts(await search(freshet, 'kettle'))).toEqual(['The kettle moved to the attic.']);
  });

  it('gets pushed documents as the live index does, also those pushed before it was there', async () => {
    const { services } = await open();
    const push = async ({ documents }: Freshet['services'], id: string): Promise<string> =>
      (await documents.put([{ id, tenant: DEFAULT_TENANT, text: `The ${id} is on the shelf.` }], never))[0]?.token ??
      '';
    await push(services, 'sextant');
    const freshet = await open({ candidate: CANDIDATE });
    await built(freshet);
    const token = await push(freshet.services, 'compass');
    await freshet.services.indexes.switch({ force: false }, never);
    const found = await search(freshet, 'shelf', { consistency: { mode: 'at_least', token, waitMs: 10_000 } });
    expect(texts(found).toSorted()).toEqual(['The compass is on the shelf.', 'The sextant is on the shelf.']);
    // The log has another reader now; who is told of a new document is who answers.
    const later = await push(freshet.services, 'astrolabe');
    const waiting = { consistency: { mode: 'at_least', token: later, waitMs: 10_000 } };
    expect(texts(await search(freshet, 'astrolabe', waiting))).toHaveLength(1);
    await freshet.services.indexes.rollback({ force: false }, never);
    expect(texts(await search(freshet, 'astrolabe', waiting))).toHaveLength(1);
  });

  it('may have another model, of other dimensions; queries are embedded by the model of the index that answers', async () => {
    const asked: string[] = [];
    const openEmbedding = (config: { readonly model: string }) => {
      const embedding = smallEmbedding(config.model === 'large' ? 128 : 64);
      const { embedder } = embedding;
      const embed: typeof embedder.embed = (given, kind, signal) => {
        if (kind === 'query') asked.push(embedding.name);
        return embedder.embed(given, kind, signal);
      };
      return Promise.resolve({ ...embedding, embedder: { ...embedder, embed } });
    };
    const freshet = await open({ candidate: { embedder: { model: 'large' } } }, { openEmbedding });
    await built(freshet);
    expect((await report(freshet)).indexes.map(({ embedder }) => embedder)).toEqual(['small-64', 'small-128']);
    expect((await freshet.services.freshness.report(never)).embedder.name).toBe('small-64');
    expect((await search(freshet, 'kettle', { mode: 'dense' })).hits[0]?.text).toContain('kettle');
    await freshet.services.indexes.switch({ force: false }, never);
    asked.length = 0;
    expect((await search(freshet, 'kettle', { mode: 'dense' })).hits[0]?.text).toContain('kettle');
    expect(asked).toEqual(['small-128']);
    expect((await freshet.services.freshness.report(never)).embedder.name).toBe('small-128');
  });

  it('with the model of the live index shares it: it is in memory once', async () => {
    let models = 0;
    const openEmbedding = () => {
      models += 1;
      return Promise.resolve(smallEmbedding(64));
    };
    await built(await open({ candidate: CANDIDATE }, { openEmbedding }));
    expect(models).toBe(1);
  });

  it('is followed by who listens to changes: a switch needs no new subscription, and nothing is told twice', async () => {
    const freshet = await open({ candidate: CANDIDATE });
    await built(freshet);
    const told: string[] = [];
    freshet.services.freshness.subscribe(DEFAULT_TENANT, (event) => {
      if (event.type === 'document.upserted') told.push(event.title);
    });
    const edited = async (title: string): Promise<void> => {
      note('tea', `# ${title}\n\nThe kettle is elsewhere.`);
      await expect.poll(() => told, { timeout: 10_000 }).toContain(title);
    };
    await edited('Before');
    await freshet.services.indexes.switch({ force: false }, never);
    await edited('After');
    expect(told).toEqual(['Before', 'After']);
  });

  it('goes back to settings that were changed in place, without touching what is there', async () => {
    await open();
    const [first] = (await report(await open({ chunker: { maxTokens: 32 } }))).indexes;
    const freshet = await open({ chunker: { maxTokens: 32 }, candidate: { chunker: { maxTokens: 200 } } });
    await built(freshet);
    const [live, candidate] = (await report(freshet)).indexes;
    expect(live).toMatchObject({ name: first?.name, role: 'live', chunks: first?.chunks });
    expect(candidate?.chunks).toBeLessThan(first?.chunks ?? 0);
    await freshet.services.indexes.switch({ force: false }, never);
    const again = await open({ chunker: { maxTokens: 32 }, candidate: { chunker: { maxTokens: 200 } } });
    expect((await report(again)).indexes.map(({ name, chunks }) => [name, chunks])).toEqual([
      [candidate?.name, candidate?.chunks],
      [live?.name, live?.chunks],
    ]);
  });

  it('is dropped with its file and its dead letters', async () => {
    const freshet = await open({ candidate: CANDIDATE });
    await built(freshet);
    expect(readdirSync(join(folder, 'data')).filter((name) => name.includes('v2-'))).not.toEqual([]);
    await freshet.services.indexes.drop('v2', never);
    expect(readdirSync(join(folder, 'data')).filter((name) => name.includes('v2-'))).toEqual([]);
    expect((await report(freshet)).indexes.map(({ role }) => role)).toEqual(['live']);
    expect(texts(await search(freshet, 'kettle'))).toHaveLength(1);
    expect(existsSync(join(folder, 'data', 'index.sqlite'))).toBe(true);
  });
});
