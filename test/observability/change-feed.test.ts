import { describe, expect, it } from 'vitest';
import { tableId, tenantId, type DocumentId } from '../../src/domain/ids.ts';
import type { Version } from '../../src/domain/version.ts';
import { createChangeFeed, type ChangeFeedOptions } from '../../src/observability/change-feed.ts';
import type { FreshetEvent } from '../../src/observability/events.ts';
import { percentile, RecentSamples } from '../../src/observability/percentiles.ts';
import type { LiveEvent } from '../../src/services/services.ts';

const ACME = tenantId('acme');
const OTHER = tenantId('other');
const doc = (n: number | string): DocumentId => `d${n}` as DocumentId;

function open(overrides: Partial<ChangeFeedOptions> = {}) {
  return createChangeFeed({
    now: () => 10_000,
    describe: async (id) => ({ title: `Title of ${id}`, uri: `kb://${id}` }),
    ...overrides,
  });
}

type Finished = FreshetEvent & { readonly type: 'document-visible' };

function visible(n: number, overrides: Partial<Finished> = {}): Finished {
  return {
    type: 'document-visible',
    source: 'app',
    table: tableId('app.public.articles'),
    document: doc(n),
    tenant: ACME,
    version: 1 as Version,
    times: { committed: 1000, received: 1002, visible: 1020 },
    snapshot: false,
    chunksTotal: 4,
    chunksEmbedded: 1,
    tokensEmbedded: 90,
    ...overrides,
  };
}

const received = (n: number, version = 1): FreshetEvent & { readonly type: 'document-received' } => ({
  ...visible(n, { version: version as Version, times: { committed: 1000, received: 1002 } }),
  type: 'document-received',
});

const withoutTenant = (event: FreshetEvent & { readonly type: 'document-received' }): FreshetEvent => ({
  ...event,
  tenant: undefined,
});

describe('the change feed', () => {
  it('keeps the newest changes of each tenant apart, newest first', async () => {
    const feed = open({ recentPerTenant: 3 });
    for (let n = 1; n <= 5; n += 1) feed.emit(visible(n));
    feed.emit(visible(9, { tenant: OTHER }));
    await feed.idle();
    expect(feed.recent(ACME, 10).map((change) => change.title)).toEqual(['Title of d5', 'Title of d4', 'Title of d3']);
    expect(feed.recent(ACME, 1)).toHaveLength(1);
    expect(feed.recent(OTHER, 10).map((change) => change.document)).toEqual(['d9']);
    expect(feed.recent(tenantId('none'), 10)).toEqual([]);
  });

  it('tells the subscribers of a tenant each stage in order, and nobody else', async () => {
    const feed = open();
    const seen: LiveEvent[] = [];
    const others: LiveEvent[] = [];
    const unsubscribe = feed.subscribe(ACME, (event) => seen.push(event));
    feed.subscribe(OTHER, (event) => others.push(event));
    feed.emit(received(1));
    feed.emit(visible(1));
    feed.emit({
      ...visible(1, { version: 2 as Version, chunksTotal: 0, chunksEmbedded: 0 }),
      type: 'document-deleted',
    });
    await feed.idle();
    unsubscribe();
    feed.emit(visible(2));
    await feed.idle();
    expect(seen.map((event) => event.type)).toEqual(['document.stage', 'document.upserted', 'document.deleted']);
    expect(seen[1]).toMatchObject({
      document: 'd1',
      title: 'Title of d1',
      uri: 'kb://d1',
      kind: 'upserted',
      chunksTotal: 4,
    });
    expect(others).toEqual([]);
  });

  it('keeps the order when a description takes its time', async () => {
    let release = (): void => undefined;
    const slow = new Promise<void>((resolve) => (release = resolve));
    const feed = open({
      describe: async (id) => {
        if (id === doc(1)) await slow;
        return { title: id, uri: '' };
      },
    });
    const seen: string[] = [];
    feed.subscribe(ACME, (event) => seen.push(event.document));
    feed.emit(visible(1));
    feed.emit(visible(2));
    release();
    await feed.idle();
    expect(seen).toEqual(['d1', 'd2']);
  });

  it('tells a change without its title when it cannot be described', async () => {
    const feed = open({ describe: () => Promise.reject(new Error('away')) });
    feed.emit(visible(1));
    await feed.idle();
    expect(feed.recent(ACME, 1)).toMatchObject([{ title: '', uri: '' }]);
  });

  it('knows the stage of a document’s last change, and forgets the documents that changed longest ago', () => {
    const feed = open({ documentsMax: 2 });
    feed.emit(received(1));
    feed.emit(received(2));
    expect(feed.lastChange(doc(1), ACME)).toEqual({
      state: 'received',
      version: 1,
      times: { committed: 1000, received: 1002 },
    });
    feed.emit(visible(1));
    feed.emit(received(3));
    expect(feed.lastChange(doc(1), ACME)?.state).toBe('visible');
    expect(feed.lastChange(doc(2), ACME)).toBeUndefined();
  });

  it('does not let late news of an older change replace a newer one', async () => {
    const feed = open();
    feed.emit(received(1, 5));
    feed.emit(visible(1, { version: 4 as Version }));
    await feed.idle();
    expect(feed.lastChange(doc(1), ACME)).toMatchObject({ state: 'received', version: 5 });
    expect(feed.recent(ACME, 10)).toEqual([]);
  });

  it('tells a failure to the tenant whose document it was', async () => {
    const feed = open();
    const seen: LiveEvent[] = [];
    feed.subscribe(ACME, (event) => seen.push(event));
    const failure = {
      type: 'dead-lettered',
      source: 'app',
      table: undefined,
      stage: 'embed',
      code: 'TOO_LONG',
      attempts: 1,
    } as const;
    feed.emit({ ...failure, document: doc(7) });
    feed.emit({ ...failure, document: undefined });
    feed.emit(received(1));
    feed.emit({ ...failure, document: doc(1) });
    await feed.idle();
    expect(seen.at(-1)).toEqual({ type: 'document.failed', document: 'd1', stage: 'embed', code: 'TOO_LONG' });
    expect(seen).toHaveLength(2);
    expect(feed.lastChange(doc(1), ACME)).toMatchObject({
      state: 'failed',
      failure: { stage: 'embed', code: 'TOO_LONG' },
    });
    expect(feed.lastChange(doc(7), ACME)).toBeUndefined();
  });

  it('hides a document whose tenant is another or not yet known', () => {
    const feed = open();
    feed.emit(visible(1));
    feed.emit(withoutTenant(received(2)));
    expect(feed.lastChange(doc(1), OTHER)).toBeUndefined();
    expect(feed.lastChange(doc(2), ACME)).toBeUndefined();
    feed.emit(visible(2));
    expect(feed.lastChange(doc(2), ACME)?.state).toBe('visible');
  });

  it('leaves rows of a snapshot out: they are no edits', async () => {
    const feed = open();
    feed.emit(visible(1, { snapshot: true }));
    await feed.idle();
    expect(feed.recent(ACME, 10)).toEqual([]);
    expect(feed.commitToVisible().count).toBe(0);
  });

  it('drops a listener that throws, and nothing else', async () => {
    const feed = open();
    const seen: string[] = [];
    feed.subscribe(ACME, () => {
      seen.push('bad');
      throw new Error('listener');
    });
    feed.subscribe(ACME, () => void seen.push('good'));
    feed.emit(visible(1));
    feed.emit(visible(2));
    await feed.idle();
    expect(seen).toEqual(['bad', 'good', 'good']);
  });

  it('measures commit → visible, never below zero when the clocks differ', async () => {
    const feed = open();
    feed.emit(visible(1));
    feed.emit(visible(2, { times: { committed: 5000, received: 4000, visible: 4020 } }));
    await feed.idle();
    expect(feed.commitToVisible()).toEqual({ count: 2, p50: 0, p95: 20, p99: 20 });
  });
});

describe('recent samples', () => {
  it('are the newest by count and by age', () => {
    const samples = new RecentSamples(3, 100);
    for (let i = 1; i <= 10; i += 1) samples.add(i, i * 10);
    expect(samples.summary(100)).toEqual({ count: 3, p50: 9, p95: 10, p99: 10 });
    expect(samples.summary(195).count).toBe(1);
    expect(samples.summary(500)).toEqual({ count: 0, p50: undefined, p95: undefined, p99: undefined });
  });

  it('give percentiles by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, i) => i + 1);
    expect([50, 95, 99, 100].map((percent) => percentile(values, percent))).toEqual([50, 95, 99, 100]);
    expect(percentile([7], 50)).toBe(7);
    expect(percentile([], 50)).toBeUndefined();
  });
});

describe('the name of a deleted document', () => {
  const deleted = {
    ...visible(1, { version: 2 as Version, chunksTotal: 0, chunksEmbedded: 0 }),
    type: 'document-deleted',
  } as const;

  it('is what it was called before, though the index no longer knows', async () => {
    let name = { title: 'Returns', uri: 'kb://returns' };
    const feed = open({ describe: async () => name });
    feed.emit(received(1));
    name = { title: '', uri: '' };
    feed.emit(deleted);
    await feed.idle();
    expect(feed.recent(ACME, 1)).toMatchObject([{ title: 'Returns', uri: 'kb://returns', kind: 'deleted' }]);
    expect(feed.lastChange(doc(1), ACME)).not.toHaveProperty('name');
  });

  it('is empty when nobody here ever knew it', async () => {
    const feed = open({ describe: async () => undefined });
    feed.emit(received(1));
    feed.emit(deleted);
    await feed.idle();
    expect(feed.recent(ACME, 1)).toMatchObject([{ title: '', uri: '' }]);
  });
});
