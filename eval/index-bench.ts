/**
 * Times of the embedded index: opening, writing, searching. Run: `npx tsx eval/index-bench.ts [chunks] [dimensions]`.
 * Texts are made up, vectors random; the folder is temporary.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteIndex, type SqliteIndex } from '../connectors/sqlite/index.ts';
import type { Redacted } from '../src/domain/document.ts';
import { chunkId, partitionId, tableId, tenantId, type DocumentId } from '../src/domain/ids.ts';
import type { SearchQuery } from '../src/domain/search.ts';
import { makeVersion } from '../src/domain/version.ts';
import type { DocumentWrite } from '../src/ports/index-store.ts';

const CHUNKS = Number(process.argv[2] ?? 50_000);
const DIMENSIONS = Number(process.argv[3] ?? 384);
const PER_DOCUMENT = 7;
const DOCUMENTS = Math.ceil(CHUNKS / PER_DOCUMENT);
const FINGERPRINT = 'bench';
const never = new AbortController().signal;

const VOCABULARY = Array.from({ length: 20_000 }, (_, at) => `w${at.toString(36)}${'aeiou'[at % 5]}`);
// A few words often, most rarely, as in any language.
const word = (): string => VOCABULARY[Math.floor(VOCABULARY.length * Math.random() ** 3)]!;
const text = (): Redacted<string> => Array.from({ length: 110 }, word).join(' ') as Redacted<string>;

function vector(): Float32Array {
  const values = Float32Array.from({ length: DIMENSIONS }, () => Math.random() - 0.5);
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}

function document(
  number: number,
  version: number,
  keep: DocumentWrite['head']['chunks'],
  fresh: number,
): DocumentWrite {
  const id = `document-${number}` as DocumentId;
  const insert = Array.from({ length: fresh }, (_, at) => {
    const body = text();
    const place = { start: at * 1000, end: at * 1000 + body.length, headings: ['Handbook', 'Part'] };
    return { chunk: { id: chunkId(id, FINGERPRINT, body, 0), text: body, tokens: 110, ...place }, vector: vector() };
  });
  const refs = [
    ...keep,
    ...insert.map(({ chunk: { id: chunk, start, end, headings } }) => ({ id: chunk, start, end, headings })),
  ];
  return {
    head: {
      id,
      source: 'bench',
      table: tableId('bench.public.articles'),
      partition: partitionId('bench'),
      version: makeVersion(0, version),
      generation: 1,
      committedAt: Date.now(),
      receivedAt: Date.now(),
      indexedAt: Date.now(),
      rowHash: 'hash',
      attributes: {
        tenant: tenantId('default'),
        access: [],
        title: `Article ${number}`,
        uri: `kb://${number}`,
        metadata: { lang: number % 10 === 0 ? 'de' : 'en', stars: number % 5 },
      },
      chunks: refs,
      deleted: false,
    },
    keep: keep.map(({ id: chunk }) => chunk),
    insert,
  };
}

function report(what: string, times: readonly number[]): void {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): string =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(2);
  console.log(`${what.padEnd(44)} p50 ${at(0.5)} ms  p95 ${at(0.95)} ms  max ${at(1)} ms  (${times.length})`);
}

async function timed(count: number, action: (at: number) => Promise<unknown>): Promise<readonly number[]> {
  const times: number[] = [];
  for (let at = 0; at < count; at++) {
    const start = performance.now();
    await action(at);
    times.push(performance.now() - start);
  }
  return times;
}

async function searches(index: SqliteIndex): Promise<void> {
  const base = { limit: 10, tenant: tenantId('default'), now: Date.now() };
  const ask = (rest: Partial<SearchQuery> & Pick<SearchQuery, 'mode'>) => (): Promise<unknown> =>
    index.search(
      { ...base, text: [word(), word(), word()].join(' ') as Redacted<string>, vector: vector(), ...rest },
      never,
    );
  report('search dense', await timed(60, ask({ mode: 'dense' })));
  report('search lexical, 3 words', await timed(60, ask({ mode: 'lexical' })));
  report('search hybrid', await timed(60, ask({ mode: 'hybrid' })));
  report('search hybrid, 1 chunk per document', await timed(60, ask({ mode: 'hybrid', perDocument: 1 })));
  report(
    'search hybrid, filter passing 10 %',
    await timed(60, ask({ mode: 'hybrid', filter: { key: 'lang', op: 'eq', value: 'de' } })),
  );
  const long = Array.from({ length: 60 }, word).join(' ') as Redacted<string>;
  report('search lexical, 60 words', await timed(20, ask({ mode: 'lexical', text: long })));
}

const folder = mkdtempSync(join(tmpdir(), 'freshet-bench-'));
try {
  const options = { path: join(folder, 'index.db'), dimensions: DIMENSIONS, embedderFingerprint: FINGERPRINT };
  let index = await openSqliteIndex(options);
  const prepared = 200;
  let start = performance.now();
  let making = 0;
  for (let first = 0; first < DOCUMENTS; first += prepared) {
    const making0 = performance.now();
    const writes = Array.from({ length: Math.min(prepared, DOCUMENTS - first) }, (_, at) =>
      document(first + at, 1, [], PER_DOCUMENT),
    );
    making += performance.now() - making0;
    await Promise.all(writes.map((one) => index.apply(one, never)));
  }
  const seconds = (performance.now() - start - making) / 1000;
  const stats = await index.stats(never);
  console.log(
    `bulk load: ${stats.chunks} chunks, ${(stats.chunks / seconds).toFixed(0)} chunks/s, ${(stats.bytesOnDisk! / 2 ** 20).toFixed(0)} MiB`,
  );

  const edits = await timed(500, async (at) => {
    const number = (at * 37) % DOCUMENTS;
    const id = `document-${number}` as DocumentId;
    const head = (await index.heads([id], never)).get(id)!;
    await index.apply(document(number, head.version + 1, head.chunks.slice(1), 1), never);
  });
  report('apply, idle: 1 new chunk, 6 kept, 1 dropped', edits);
  report(
    'apply, 20 at once: the same, until all are visible',
    await timed(50, async (at) => {
      const writes = [];
      for (let lane = 0; lane < 20; lane++) {
        const number = (at * 20 + lane) % DOCUMENTS;
        const id = `document-${number}` as DocumentId;
        const head = (await index.heads([id], never)).get(id)!;
        writes.push(document(number, head.version + 1, head.chunks.slice(1), 1));
      }
      await Promise.all(writes.map((one) => index.apply(one, never)));
    }),
  );
  report('save a checkpoint, idle', await timed(200, (at) => index.save('bench', { at })));
  await searches(index);
  await index[Symbol.asyncDispose]();

  for (const what of ['open, closed cleanly', 'open, again']) {
    start = performance.now();
    index = await openSqliteIndex(options);
    console.log(`${what}: ${(performance.now() - start).toFixed(0)} ms`);
    await index[Symbol.asyncDispose]();
  }
  console.log(`rss ${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} MiB`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
