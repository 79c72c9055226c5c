import Libsql from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSqliteIndex, type SqliteIndex } from '../../../connectors/sqlite/index.ts';
import { DIMENSIONS, documentId, lexical, never, query, search, texts, write } from '../../contracts/index-fixtures.ts';
import { testFolder, type TestFolder } from './support.ts';

describe('titles in lexical search', () => {
  let folder: TestFolder;
  let index: SqliteIndex;
  const open = (): Promise<SqliteIndex> =>
    openSqliteIndex({ path: folder.file('index.db'), dimensions: DIMENSIONS, embedderFingerprint: 'test-embedder' });
  beforeEach(async () => {
    folder = testFolder();
    index = await open();
  });
  afterEach(async () => {
    await index[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });
  const put = (name: string, spec: Partial<Parameters<typeof write>[1]>): Promise<void> =>
    index.apply(write(name, { version: 1, chunks: [name], ...spec }), never);

  it('finds every chunk of a document by a word of its title that stands in none of them', async () => {
    await put('a', { title: 'Harbour handbook', chunks: ['ropes', 'lights'] });
    await put('b', { title: 'Hills', chunks: ['paths'] });
    expect(new Set(await texts(index, lexical('harbours')))).toEqual(new Set(['ropes', 'lights']));
  });

  it('ranks a word in the title before the same word in a text', async () => {
    await put('text', { title: 'Ropes', chunks: ['about harbour'] });
    await put('title', { title: 'Harbour', chunks: ['about ropes'] });
    await put('neither', { title: 'Hills', chunks: ['about paths'] });
    await put('nothing', { title: 'Woods', chunks: ['about trees'] });
    const hits = await search(index, lexical('harbour'));
    expect(hits.map(({ document }) => document)).toEqual([documentId('title'), documentId('text')]);
  });

  it('finds kept chunks by the new title and no more by the old one', async () => {
    await put('a', { title: 'Harbour', chunks: ['ropes'] });
    await put('a', { title: 'Lighthouse', version: 2, chunks: ['ropes'], keep: ['ropes'] });
    expect(await texts(index, lexical('harbour'))).toEqual([]);
    expect(await texts(index, lexical('lighthouse'))).toEqual(['ropes']);
    expect(await texts(index, lexical('ropes'))).toEqual(['ropes']);
  });

  it('takes a title of any characters', async () => {
    await put('a', { title: 'NUL\0here \ud800 "quoted" (', chunks: ['ropes'] });
    expect(await texts(index, lexical('quoted'))).toEqual(['ropes']);
  });

  it('searches the titles of an index that was written before titles were searched', async () => {
    await put('a', { title: 'Harbour', chunks: ['ropes', 'odd \ud800 text'] });
    await put('b', { title: 'Hills', tenant: 'other', chunks: ['paths'] });
    await put('gone', { chunks: [], deleted: true });
    await index[Symbol.asyncDispose]();
    const file = new Libsql(folder.file('index.db'));
    file.exec(`DROP TABLE words;
      CREATE VIRTUAL TABLE words USING fts5(scope, text, content='', contentless_delete=1);
      INSERT INTO words (rowid, scope, text) SELECT row, 't1', text FROM chunks;
      PRAGMA user_version = 1;`);
    file.close();

    index = await open();
    expect(new Set(await texts(index, lexical('harbour')))).toEqual(new Set(['ropes', 'odd \ud800 text']));
    expect(await texts(index, lexical('hills', { tenant: 'other' }))).toEqual(['paths']);
    await put('a', { title: 'Lighthouse', version: 2, chunks: ['ropes'], keep: ['ropes'] });
    expect(await texts(index, lexical('lighthouse'))).toEqual(['ropes']);
  });
});

describe('hybrid search trusts the words list as far as its best hits hold the words of the question', () => {
  it('by the share of the words, on average', async () => {
    const folder = testFolder();
    const index = await openSqliteIndex({
      path: folder.file('index.db'),
      dimensions: DIMENSIONS,
      embedderFingerprint: 'test-embedder',
    });
    try {
      const put = (name: string, degrees: number): Promise<void> =>
        index.apply(write(name, { version: 1, title: '', chunks: [[name, degrees]] }), never);
      await put('harbour ropes', 90);
      await put('harbour', 80);
      await put('hills', 0);
      const hits = await search(index, query({ text: 'harbour ropes lighthouse keeper', mode: 'hybrid' }));
      // Two of four words and one of four: 3/8 of a place of the words list.
      const scores = Object.fromEntries(hits.map(({ text, score }) => [text, score]));
      expect(scores['hills']).toBeCloseTo(1 / 61, 8);
      expect(scores['harbour']).toBeCloseTo(1 / 62 + 0.375 / 62, 8);
      expect(scores['harbour ropes']).toBeCloseTo(1 / 63 + 0.375 / 61, 8);
    } finally {
      await index[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    }
  });
});
