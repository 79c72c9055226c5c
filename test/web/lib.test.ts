import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findWebRoot, loadAssets } from '../../src/web/assets.ts';
import { openServer } from '../api/fakes.ts';

interface Part {
  kind: 'same' | 'added' | 'removed';
  text: string;
}
interface Result {
  id: string;
  file_id: string;
  content: { text: string }[];
}
/** The page's own module: plain JavaScript, as the browser gets it. */
interface Lib {
  formatMs(ms: number | null | undefined): string;
  formatAge(ms: number): string;
  formatCount(count: number, one: string): string;
  modelName(embedder: { name?: string | null; fingerprint: string }): string;
  stagesOf(
    times: Record<string, string> | undefined,
  ): { name: string; state: string; tookMs: number | null; sinceCommitMs: number | null }[];
  stateOf(freshness: unknown, connected: boolean): { state: string; text: string; percent?: number | null };
  lagOf(freshness: unknown): { text: string; strong: string };
  withoutHeading(text: string, headings: string[]): string;
  diffWords(before: string, after: string): Part[];
  changesSince(previous: Result[] | undefined, current: Result[]): Map<string, { isNew: true; before?: string }>;
  splitByQuery(text: string, query: string): { hit: boolean; text: string }[];
  createSseParser(onEvent: (event: { event: string; data: unknown }) => void): (text: string) => void;
}
const lib = (await import(new URL('../../web/lib.js', import.meta.url).href)) as Lib;

describe('the page’s words', () => {
  it.each([
    [0.44, '0.4 ms'],
    [17.3, '17 ms'],
    [1234, '1.23 s'],
    [12_345, '12.3 s'],
    [90_000, '1 min 30 s'],
    [null, '–'],
  ])('%s milliseconds read %s', (ms, text) => expect(lib.formatMs(ms)).toBe(text));

  it.each([
    [-50, 'now'],
    [999, 'now'],
    [61_000, '1 min ago'],
    [7_300_000, '2 h ago'],
    [900_000_000, '10 d ago'],
  ])('%s milliseconds ago read %s', (ms, text) => expect(lib.formatAge(ms)).toBe(text));

  it('count one and many', () => {
    expect(lib.formatCount(1, 'chunk')).toBe('1 chunk');
    expect(lib.formatCount(12_345, 'chunk')).toBe('12,345 chunks');
  });

  it('name the model, or the kind of embedder when it has no name', () => {
    expect(lib.modelName({ name: 'all-MiniLM-L6-v2', fingerprint: 'transformers:abc' })).toBe('all-MiniLM-L6-v2');
    expect(lib.modelName({ name: null, fingerprint: 'hashing-v1:lexical:384' })).toBe('hashing-v1');
  });
});

describe('the stages of a change', () => {
  const at = (ms: number): string => new Date(Date.UTC(2026, 0, 1) + ms).toISOString();

  it('have the time each took and the time since the commit', () => {
    const stages = lib.stagesOf({
      committed: at(0),
      received: at(2),
      redacted: at(3),
      embedded: at(14),
      visible: at(17),
    });
    expect(stages.map((stage) => stage.tookMs)).toEqual([null, 2, 1, 11, 3]);
    expect(stages.at(-1)).toEqual({ name: 'visible', state: 'done', tookMs: 3, sinceCommitMs: 17 });
  });

  it('are skipped when a later one happened, and waiting after the last', () => {
    const deleted = lib.stagesOf({ committed: at(0), received: at(2), visible: at(4) });
    expect(deleted.map((stage) => stage.state)).toEqual(['done', 'done', 'skipped', 'skipped', 'done']);
    const underWay = lib.stagesOf({ committed: at(0), received: at(2) });
    expect(underWay.map((stage) => stage.state)).toEqual(['done', 'done', 'waiting', 'waiting', 'waiting']);
    expect(lib.stagesOf(undefined).every((stage) => stage.state === 'waiting')).toBe(true);
  });
});

describe('the state in the top bar', () => {
  const freshness = {
    ready: true,
    sources: [{ connected: true, snapshots: [{ rowsRead: 30, rowsTotal: 60, finished: false }] }],
    embedder: { lexicalOnly: false, down: false },
  };

  it.each([
    ['loading', undefined, true],
    ['ready', freshness, true],
    ['reconnecting', freshness, false],
    ['building', { ...freshness, ready: false }, true],
    ['warning', { ...freshness, embedder: { lexicalOnly: true, down: false } }, true],
    ['warning', { ...freshness, embedder: { lexicalOnly: false, down: true } }, true],
    ['warning', { ...freshness, sources: [{ connected: false, snapshots: [] }] }, true],
  ])('is %s', (state, given, connected) => expect(lib.stateOf(given, connected).state).toBe(state));

  it('says how far the first copy is, and nothing while the total is unknown', () => {
    const building = (snapshots: object[]) =>
      lib.stateOf({ ...freshness, ready: false, sources: [{ connected: true, snapshots }] }, true).percent;
    expect(building([{ rowsRead: 30, rowsTotal: 60, finished: false }])).toBe(50);
    expect(building([{ rowsRead: 99, rowsTotal: 60, finished: false }])).toBe(99);
    expect(building([{ rowsRead: 30, rowsTotal: null, finished: false }])).toBeNull();
    expect(building([])).toBeNull();
  });
});

describe('how far behind', () => {
  const freshness = (asOf: string | null, ...lags: (number | null)[]) => ({
    asOf,
    lagMs: 800,
    sources: [{ partitions: lags.map((lagMs) => ({ lagMs })) }],
  });
  const asOf = '2026-11-20T06:31:02.114Z';

  it('is nothing when nothing waits, whatever the age of the last proof', () => {
    expect(lib.lagOf(freshness(asOf, 0, 0)).text).toBe('up to date as of');
    expect(lib.lagOf(freshness(asOf)).text).toBe('up to date as of');
  });

  it('is the longest lag, the age of the proof where one is not known, and unknown without a proof', () => {
    expect(lib.lagOf(freshness(asOf, 0, 1500))).toEqual({ text: 'behind', strong: '1.50 s' });
    expect(lib.lagOf(freshness(asOf, 0, null))).toEqual({ text: 'behind', strong: '800 ms' });
    expect(lib.lagOf(freshness(null, 0))).toEqual({ text: 'as of', strong: 'unknown' });
  });
});

it('a heading that is shown above a chunk is left out of its text', () => {
  expect(lib.withoutHeading('## Window\n\nWithin 30 days.', ['Returns', 'Window'])).toBe('Within 30 days.');
  expect(lib.withoutHeading('## Window\n\nWithin 30 days.', ['Returns'])).toBe('## Window\n\nWithin 30 days.');
  expect(lib.withoutHeading('## Window', ['Window'])).toBe('## Window');
});

describe('what changed', () => {
  it('is told word by word, and both texts can be read back from it', () => {
    const before = 'Returns within 30 days of delivery.';
    const after = 'Returns within 45 calendar days of delivery!';
    const parts = lib.diffWords(before, after);
    expect(
      parts
        .filter((part) => part.kind !== 'removed')
        .map((part) => part.text)
        .join(''),
    ).toBe(after);
    expect(
      parts
        .filter((part) => part.kind !== 'added')
        .map((part) => part.text)
        .join(''),
    ).toBe(before);
    expect(parts.filter((part) => part.kind === 'removed').map((part) => part.text.trim())).toEqual(['30', '.']);
  });

  it('is not worked out for texts no chunk is as long as', () => {
    const long = 'word '.repeat(2000);
    expect(lib.diffWords('other', long)).toEqual([{ kind: 'same', text: long }]);
  });

  it('finds the text that a new chunk replaced, of the same document', () => {
    const result = (id: string, file: string, text: string): Result => ({ id, file_id: file, content: [{ text }] });
    const before = [
      result('1', 'a', 'Returns within 30 days'),
      result('2', 'a', 'Refunds take a week'),
      result('3', 'b', 'Other'),
    ];
    const after = [
      result('2', 'a', 'Refunds take a week'),
      result('4', 'a', 'Returns within 45 days'),
      result('5', 'c', 'New one'),
    ];
    const marks = lib.changesSince(before, after);
    expect([...marks]).toEqual([
      ['4', { isNew: true, before: 'Returns within 30 days' }],
      ['5', { isNew: true, before: undefined }],
    ]);
    expect(lib.changesSince(undefined, after).size).toBe(0);
  });

  it('marks the words of the query, whatever signs the query holds', () => {
    expect(lib.splitByQuery('Orders: an order, reorder', 'order of (.*) a')).toEqual([
      { hit: true, text: 'Orders' },
      { hit: false, text: ': an ' },
      { hit: true, text: 'order' },
      { hit: false, text: ', reorder' },
    ]);
    expect(lib.splitByQuery('text', '(( a')).toEqual([{ hit: false, text: 'text' }]);
  });
});

it('server-sent events are read however the wire cuts them', () => {
  const wire =
    'retry: 1000\n: connected\n\nevent: document.stage\ndata: {"a":1}\n\n: heartbeat\n\nevent: end\ndata: {"reason":"shutdown"}\n\n';
  for (const size of [1, 7, wire.length]) {
    const events: unknown[] = [];
    const parse = lib.createSseParser((event) => events.push(event));
    for (let from = 0; from < wire.length; from += size) parse(wire.slice(from, from + size));
    expect(events).toEqual([
      { event: 'document.stage', data: { a: 1 } },
      { event: 'end', data: { reason: 'shutdown' } },
    ]);
  }
});

describe('the page’s files', () => {
  it('are served with a policy that lets nothing in from outside, and only sent again when they changed', async () => {
    await using server = await openServer({}, { webRoot: findWebRoot() });
    const page = await server.app.inject('/');
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.headers['content-security-policy']).toContain(
      "default-src 'none'; script-src 'self'; style-src 'self'",
    );
    expect(page.headers['x-content-type-options']).toBe('nosniff');
    const again = await server.app.inject({ url: '/', headers: { 'if-none-match': String(page.headers.etag) } });
    expect([again.statusCode, again.body]).toEqual([304, '']);
  });

  it('refer to nothing but each other', async () => {
    const root = findWebRoot();
    const assets = await loadAssets(root);
    const paths = new Set(assets.map((asset) => asset.path));
    expect([...paths].sort()).toContain('/app.js');
    const texts = await Promise.all(
      assets.map((asset) => readFile(join(root, asset.path === '/' ? 'index.html' : asset.path), 'utf8')),
    );
    for (const text of texts) {
      for (const [, path] of text.matchAll(/(?:src|href)="(\/[^"]*)"/gu)) expect(paths).toContain(path);
      for (const [, path] of text.matchAll(/from '\.(\/[^']+)'/gu)) expect(paths).toContain(path);
      expect(text.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:\/\//u);
    }
  });

  it('are listed in the package', async () => {
    const manifest = JSON.parse(await readFile(join(findWebRoot(), '..', 'package.json'), 'utf8')) as {
      files: string[];
    };
    expect(manifest.files).toContain('web');
  });

  it('cannot be found from a folder outside of the package', () => {
    expect(() => findWebRoot('/')).toThrow(expect.objectContaining({ code: 'WEB_ASSETS_MISSING' }) as Error);
  });
});
