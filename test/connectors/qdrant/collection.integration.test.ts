import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openQdrantIndex, type QdrantIndex } from '../../../connectors/qdrant/index.ts';
import type { QdrantIndexOptions } from '../../../connectors/qdrant/options.ts';
import { chunkPayload } from '../../../connectors/qdrant/points.ts';
import { makeVersion } from '../../../src/domain/version.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import {
  collect,
  DIMENSIONS,
  documentId,
  lexical,
  never,
  NOW,
  PARTITION,
  query,
  search,
  texts,
  write,
} from '../../contracts/index-fixtures.ts';
import { startQdrant, type QdrantServer } from '../../support/qdrant/double.ts';
import { freshName, openTestIndex, removeCollection, type QdrantContext } from './support.ts';

let server: QdrantServer;
beforeAll(async () => {
  server = await startQdrant();
});
afterAll(() => server[Symbol.asyncDispose]());

const put = async (path: string, body: unknown, method = 'PUT'): Promise<void> => {
  const answer = await fetch(server.url + path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    headers: { 'content-type': 'application/json' },
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}`);
};

describe('A Qdrant collection', () => {
  let collection: string;
  beforeEach(() => {
    collection = freshName();
  });
  afterEach(() => removeCollection(server.url, collection));

  const open = (options: Partial<QdrantIndexOptions> = {}): Promise<QdrantIndex> =>
    openQdrantIndex({
      ...{ url: server.url, collection, dimensions: DIMENSIONS, embedderFingerprint: 'e', clock: systemClock },
      ...options,
    });

  it('is made by several instances at once, and is one', async () => {
    const all = await Promise.all([open(), open(), open()]);
    await all[0]!.apply(write('a', { version: 1, chunks: ['one'] }), never);
    expect(await texts(all[2]!)).toEqual(['one']);
    for (const one of all) await one[Symbol.asyncDispose]();
  });

  it('is made with quantization, shards and replicas where they are wanted', async () => {
    const index = await open({ quantization: 'scalar', onDisk: true, hnsw: { m: 32 }, shards: 1, replicas: 1 });
    await index.apply(write('a', { version: 1, chunks: ['one'] }), never);
    expect(await texts(index)).toEqual(['one']);
    await index[Symbol.asyncDispose]();
  });

  it('of somebody else is left alone, with what is wrong with it', async () => {
    await put(`/collections/${collection}`, { vectors: { dense: { size: DIMENSIONS, distance: 'Dot' } } });
    await expect(open()).rejects.toMatchObject({
      kind: 'fatal',
      code: 'INDEX_FOREIGN',
      message: expect.stringMatching(/distance is Dot and not Cosine, it has no sparse vector named "bm25"/),
    });
  });

  it('with the right vectors and points, but without our mark, is somebody else’s', async () => {
    await put(`/collections/${collection}`, {
      vectors: { dense: { size: DIMENSIONS, distance: 'Cosine' } },
      sparse_vectors: { bm25: { modifier: 'idf' }, title: { modifier: 'idf' } },
    });
    const upsert = { points: [{ id: documentId('x'), vector: {}, payload: { theirs: 1 } }] };
    await put(`/collections/${collection}/points/batch`, { operations: [{ upsert }] }, 'POST');
    await expect(open()).rejects.toMatchObject({ code: 'INDEX_FOREIGN' });
  });

  it('changes a state by compare-and-set: of several that claim it at once, one has it', async () => {
    const handles = await Promise.all(Array.from({ length: 4 }, () => open()));
    const claim = (by: number) =>
      handles[by]!.change('owner', (stored) => (stored === undefined ? { by } : undefined)) as Promise<{ by: number }>;
    const found = await Promise.all([0, 1, 2, 3].map(claim));
    expect(new Set(found.map(({ by }) => by)).size).toBe(1);
    expect(await handles[0]!.load('owner')).toEqual(found[0]);
    for (const each of handles) await each[Symbol.asyncDispose]();
  });

  it('refuses another embedder, other dimensions, and an instance with another redaction key', async () => {
    const index = await open();
    await expect(open({ dimensions: 16 })).rejects.toMatchObject({ kind: 'fatal', code: 'INDEX_DIMENSIONS' });
    await expect(open({ embedderFingerprint: 'f' })).rejects.toMatchObject({ code: 'INDEX_EMBEDDER_DIFFERS' });
    await index.checkKey('k1', never);
    await index.checkKey('k1', never);
    await expect(index.checkKey('k2', never)).rejects.toMatchObject({ kind: 'fatal', code: 'REDACTION_KEY_DIFFERS' });
    await index[Symbol.asyncDispose]();
  });

  it('has missing payload indexes made, and says so', async () => {
    const first = await open();
    await first.apply(write('a', { version: 1, chunks: ['one'], metadata: { lang: 'en' } }), never);
    await first[Symbol.asyncDispose]();
    for (const field of ['has', 'updated_at'])
      await put(`/collections/${collection}/index/${field}`, undefined, 'DELETE');
    const messages: string[] = [];
    const second = await open({ onMessage: (message) => messages.push(message) });
    expect(messages).toEqual([
      expect.stringMatching(/2 missing payload indexes .* \((has, updated_at|updated_at, has)\)/),
    ]);
    expect(await texts(second, query({ filter: { key: 'lang', op: 'eq', value: 'en' } }))).toEqual(['one']);
    await second[Symbol.asyncDispose]();
  });

  it('takes a document beyond one request’s size in several', async () => {
    const index = await open({ requestBytesMax: 20_000 });
    const chunks = Array.from({ length: 60 }, (_, at) => [`text ${at} ${'words '.repeat(80)}`, at] as const);
    await index.apply(write('a', { version: 1, chunks }), never);
    expect(await texts(index)).toHaveLength(60);
    await index.apply(
      write('a', { version: 2, chunks: chunks.slice(0, 30), keep: chunks.slice(0, 30).map(([t]) => t) }),
      never,
    );
    expect(await texts(index)).toHaveLength(30);
    await index[Symbol.asyncDispose]();
  });
});

describe('The Qdrant index', () => {
  let context: QdrantContext;
  let index: QdrantIndex;
  beforeEach(async () => {
    context = await openTestIndex(server.url, { dimensions: DIMENSIONS });
    ({ index } = context);
  });
  afterEach(() => context[Symbol.asyncDispose]());

  it('finds kept chunks by the new title and no more by the old one', async () => {
    await index.apply(write('a', { title: 'Harbour', version: 1, chunks: ['ropes'] }), never);
    expect(await texts(index, lexical('harbours'))).toEqual(['ropes']);
    await index.apply(write('a', { title: 'Lighthouse', version: 2, chunks: ['ropes'], keep: ['ropes'] }), never);
    expect(await texts(index, lexical('harbour'))).toEqual([]);
    expect(await texts(index, lexical('lighthouse'))).toEqual(['ropes']);
  });

  it('ranks a word in the title before the same word in a text', async () => {
    await index.apply(write('text', { version: 1, title: 'Ropes', chunks: ['about harbour'] }), never);
    await index.apply(write('title', { version: 1, title: 'Harbour', chunks: ['about ropes'] }), never);
    await index.apply(write('nothing', { version: 1, title: 'Woods', chunks: ['about trees'] }), never);
    const hits = await search(index, lexical('harbour'));
    expect(hits.map(({ document }) => document)).toEqual([documentId('title'), documentId('text')]);
  });

  it('says that a kept chunk is gone, so that the write is decided again', async () => {
    await index.apply(write('a', { version: 1, chunks: ['one', 'two'] }), never);
    const [chunk] = await collect(index.scanChunks({ vectors: false }, never));
    await index.deleteChunks([chunk!.id], never);
    const change = write('a', { version: 2, chunks: ['one', 'two'], keep: ['one', 'two'] });
    await expect(index.apply(change, never)).rejects.toMatchObject({ kind: 'stale', code: 'INDEX_CHUNK_GONE' });
  });

  /** A chunk that a zombie inserted after a newer version, which never knew it. */
  const haunt = async (name: string, text: string, version: number): Promise<void> => {
    const { head, insert } = write(name, { version, chunks: [[text, 0]] });
    const [one] = insert;
    const point = { id: one!.chunk.id, vector: { dense: [...one!.vector] }, payload: chunkPayload(head, one!) };
    const operations = [{ upsert: { points: [point] } }];
    await put(`/collections/${context.collection}/points/batch?wait=true`, { operations }, 'POST');
  };

  it('never shows a ghost, fills the answer up in its place, and sweeps it', async () => {
    for (const name of ['a', 'b', 'c']) await index.apply(write(name, { version: 5, chunks: [[name, 30]] }), never);
    for (let at = 0; at < 30; at++) await haunt('a', `ghost ${at}`, 4);
    expect([...(await texts(index, query({ limit: 3 })))].sort()).toEqual(['a', 'b', 'c']);
    const limits = { horizonMs: 1_000, now: NOW + 2_000, committed: new Map([[PARTITION, makeVersion(0, 9)]]) };
    expect((await index.sweep(limits, never)).chunks).toBe(30);
    expect([...(await texts(index))].sort()).toEqual(['a', 'b', 'c']);
  });

  it('leaves a chunk without a head to the write that made it, until the mark has passed it', async () => {
    await haunt('a', 'under way', 7);
    const at = (mark: number, now: number) => ({
      horizonMs: 1_000,
      now: NOW + now,
      committed: new Map([[PARTITION, makeVersion(0, mark)]]),
    });
    expect(await texts(index)).toEqual([]);
    expect((await index.sweep(at(6, 2_000), never)).chunks).toBe(0);
    expect((await index.sweep(at(7, 3_000), never)).chunks).toBe(1);
  });

  it('never deletes a chunk above its head: a commit is under way', async () => {
    await index.apply(write('a', { version: 1, chunks: ['one'] }), never);
    await haunt('a', 'two', 2);
    const limits = { horizonMs: 1_000, now: NOW + 9_000, committed: new Map([[PARTITION, makeVersion(0, 9)]]) };
    expect((await index.sweep(limits, never)).chunks).toBe(0);
    expect([...(await texts(index))].sort()).toEqual(['one', 'two']);
  });
});
