import { describe, expect, it } from 'vitest';
import type { Redacted } from '../../../src/domain/document.ts';
import { FreshetError } from '../../../src/domain/errors.ts';
import { DEFAULT_TENANT, type DocumentId } from '../../../src/domain/ids.ts';
import type { SearchHit } from '../../../src/domain/search.ts';
import type { FreshetEvent } from '../../../src/observability/events.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { LineSet } from '../../../src/services/blue-green/line-set.ts';
import { isOfShare, routeServices } from '../../../src/services/blue-green/route.ts';
import { createShadow, overlapOf } from '../../../src/services/blue-green/shadow.ts';
import type { IndexesService } from '../../../src/services/blue-green/service.ts';
import type { SearchRequest } from '../../../src/services/services.ts';
import { fakeCatalogue, fakeLine, type FakeLine } from './fakes.ts';

const never = new AbortController().signal;
const request = (query: string): SearchRequest => ({ query, limit: 10, tenant: DEFAULT_TENANT, mode: 'hybrid' });
const hits = (...names: string[]): SearchHit[] =>
  names.map((name) => ({ document: name as DocumentId, text: `text of ${name}` as Redacted<string> }) as SearchHit);

async function route(lines: readonly [FakeLine, FakeLine], canaryShare = 0, later?: FakeLine) {
  const recorded = fakeCatalogue({ live: lines[0].name, candidate: lines[1].name, canaryShare });
  const set = await LineSet.open<FakeLine>(
    {
      catalogue: recorded.catalogue,
      plan: ({ live, candidate, previous }) => ({
        lines: [live, candidate, previous]
          .filter((name) => name !== undefined)
          .map((name) => ({ name, settings: 'main' as const })),
        notes: [],
      }),
      open: async ({ name }) => [...lines, later].find((line) => line?.name === name) as FakeLine,
      make: () => Promise.resolve(),
      clock: systemClock,
      onTrouble: () => undefined,
    },
    never,
  );
  const shadow = createShadow(systemClock, { concurrency: 2, perSecond: 3, samples: 100 });
  const told: FreshetEvent[] = [];
  const { search, freshness } = routeServices({
    lines: set,
    shadow,
    clock: systemClock,
    observer: { emit: (event) => void told.push(event) },
    indexes: {} as IndexesService,
    rebuildBeside: () => Promise.reject(new Error('no')),
  });
  // Whether the candidate is built is found out behind the first query.
  await search.search(request('first'), never);
  await new Promise((resolve) => setImmediate(resolve));
  lines.forEach(({ asked }) => asked.splice(0));
  told.splice(0);
  return { search, freshness, shadow, set, recorded, told };
}

describe('a query', () => {
  it('is answered by the live index, and put to the candidate afterwards', async () => {
    const [live, candidate] = [fakeLine('v1'), fakeLine('v2')];
    live.answer = async () => ({ hits: hits('a', 'b', 'c', 'd') });
    candidate.answer = async () => ({ hits: hits('b', 'a', 'x', 'y') });
    const { search, shadow } = await route([live, candidate]);
    expect((await search.search(request('q'), never)).index).toBe('v1');
    await shadow.idle();
    expect(candidate.asked.map(({ query }) => query)).toEqual(['q']);
    expect(shadow.report('v2')).toMatchObject({ compared: 1, failed: 0, overlapByDocument: 0.5, overlapByText: 0.5 });
    expect(shadow.report('v3')).toBeUndefined();
  });

  it('is never kept waiting by the candidate, and what is too much for it is left out and counted', async () => {
    const [live, candidate] = [fakeLine('v1'), fakeLine('v2')];
    let answer: () => void = () => undefined;
    candidate.answer = () => new Promise((resolve) => (answer = () => resolve({})));
    const { search, shadow } = await route([live, candidate]);
    for (let at = 0; at < 6; at += 1) expect((await search.search(request(`q${at}`), never)).index).toBe('v1');
    expect(candidate.asked.length).toBeLessThanOrEqual(2);
    expect(shadow.report('v2')?.skipped).toBeGreaterThanOrEqual(4);
    answer();
  });

  it('is not put to a candidate that is not built, or failed', async () => {
    const unbuilt = fakeLine('v2', { isBuilt: false });
    const first = await route([fakeLine('v1'), unbuilt], 1);
    expect((await first.search.search(request('q'), never)).index).toBe('v1');
    const failed = fakeLine('v2');
    failed.fail(new FreshetError('NO', 'fatal', 'no'));
    const second = await route([fakeLine('v1'), failed], 1);
    expect((await second.search.search(request('q'), never)).index).toBe('v1');
    expect([...unbuilt.asked, ...failed.asked]).toEqual([]);
  });

  it('of the canary’s share is answered by the candidate; by the live index where that cannot', async () => {
    const candidate = fakeLine('v2');
    const { search } = await route([fakeLine('v1'), candidate], 1);
    expect((await search.search(request('q'), never)).index).toBe('v2');
    candidate.answer = () => Promise.reject(new FreshetError('AWAY', 'transient', 'away'));
    expect((await search.search(request('q'), never)).index).toBe('v1');
    candidate.answer = () => Promise.reject(new FreshetError('BAD_TOKEN', 'poison', 'bad'));
    await expect(search.search(request('q'), never)).rejects.toMatchObject({ code: 'BAD_TOKEN' });
  });

  it('is told of once, whichever index answered it; a comparison with the candidate is nobody’s query', async () => {
    const { search, shadow, told, set } = await route([fakeLine('v1'), fakeLine('v2')], 1);
    expect((await search.search(request('q'), never)).index).toBe('v2');
    await set.update(set.state, { canaryShare: 0 }, never);
    expect((await search.search(request('q'), never)).index).toBe('v1');
    await shadow.idle();
    expect(told.map(({ type }) => type)).toEqual(['search', 'search']);
  });

  it('is not put to a candidate that fell far behind', async () => {
    const late = fakeLine('v2', { lagMs: 60_000 });
    const { search } = await route([fakeLine('v1'), late], 1);
    expect((await search.search(request('q'), never)).index).toBe('v1');
    expect(late.asked).toEqual([]);
  });

  it('counts a comparison that fails, and does not show it to anybody', async () => {
    const candidate = fakeLine('v2', { answer: () => Promise.reject(new Error('broken')) });
    const { search, shadow } = await route([fakeLine('v1'), candidate]);
    await search.search(request('q'), never);
    await shadow.idle();
    expect(shadow.report('v2')).toMatchObject({ compared: 0, failed: 1, overlapByDocument: undefined });
  });
});

it('events of an index that was begun after somebody subscribed reach them once it is live', async () => {
  const lines = [fakeLine('v1'), fakeLine('v2'), fakeLine('v3')] as const;
  const { freshness, set, recorded } = await route([lines[0], lines[1]], 0, lines[2]);
  const heard: string[] = [];
  const end = freshness.subscribe(DEFAULT_TENANT, ({ type }) => heard.push(type));
  recorded.set({ candidate: 'v3' });
  await set.refresh(never);
  lines[2].happens({ type: 'document.failed', document: 'd' as DocumentId, stage: 'map', code: 'NO' });
  expect(heard).toEqual([]);
  await set.update(set.state, { live: 'v3', candidate: undefined, previous: 'v1' }, never);
  lines[2].happens({ type: 'document.failed', document: 'd' as DocumentId, stage: 'map', code: 'NO' });
  expect(heard).toEqual(['document.failed']);
  end();
  lines[2].happens({ type: 'document.failed', document: 'd' as DocumentId, stage: 'map', code: 'NO' });
  expect(heard).toHaveLength(1);
});

describe('the canary’s share', () => {
  const queries = Array.from({ length: 2_000 }, (_, at) => ({ tenant: DEFAULT_TENANT, query: `query ${at}` }));
  const chosen = (share: number) => queries.filter((each) => isOfShare(each, share));

  it('is about what was asked for, none at 0 and all at 1', () => {
    expect(chosen(0)).toHaveLength(0);
    expect(chosen(1)).toHaveLength(queries.length);
    expect(chosen(0.1).length).toBeGreaterThan(120);
    expect(chosen(0.1).length).toBeLessThan(280);
  });

  it('keeps the queries it has while it grows', () => {
    expect(chosen(0.5)).toEqual(expect.arrayContaining(chosen(0.1)));
  });
});

it('the overlap is that of the best ten, whatever their order; two empty answers are the same', () => {
  const names = Array.from({ length: 12 }, (_, at) => `d${at}`);
  expect(overlapOf(hits(...names), hits(...names.slice(0, 10).reverse()))).toEqual({ byDocument: 1, byText: 1 });
  expect(overlapOf([], [])).toEqual({ byDocument: 1, byText: 1 });
  expect(overlapOf(hits('a'), [])).toEqual({ byDocument: 0, byText: 0 });
  expect(overlapOf(hits('a', 'a', 'b'), hits('a', 'c')).byDocument).toBe(0.5);
});
