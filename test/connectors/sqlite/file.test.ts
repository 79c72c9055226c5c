import { readdirSync, readFileSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import Libsql from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSqliteIndex, type SqliteIndex, type SqliteIndexOptions } from '../../../connectors/sqlite/index.ts';
import { sourcePosition } from '../../../src/domain/source-position.ts';
import {
  ARTICLES,
  DIMENSIONS,
  documentId,
  idOf,
  lexical,
  never,
  query,
  search,
  texts,
  write,
} from '../../contracts/index-fixtures.ts';
import { testFolder, type TestFolder } from './support.ts';

describe('the index file', () => {
  let folder: TestFolder;
  let path: string;
  const opened: SqliteIndex[] = [];
  beforeEach(() => {
    folder = testFolder();
    path = folder.file('index.db');
  });
  afterEach(async () => {
    for (const index of opened.splice(0)) await index[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  async function open(options: Partial<SqliteIndexOptions> = {}): Promise<SqliteIndex> {
    const index = await openSqliteIndex({
      path,
      dimensions: DIMENSIONS,
      embedderFingerprint: 'test-embedder',
      ...options,
    });
    opened.push(index);
    return index;
  }

  async function filled(documents = 1): Promise<void> {
    const index = await open();
    const all = Array.from({ length: documents }, (_, at) =>
      write(`d${at}`, { version: 1, chunks: [`text number ${at} `.repeat(50)] }),
    );
    await Promise.all(all.map((one) => index.apply(one, never)));
    await index[Symbol.asyncDispose]();
  }

  function alter(sql: string): void {
    const db = new Libsql(path);
    db.exec(sql);
    db.close();
  }

  it('has everything again when it is opened again', async () => {
    const before = await open();
    const generation = await before.registerSettings('settings', never);
    await before.apply(
      write('a', { version: 1, chunks: [['one', 0], 'two'], tenant: 'red', metadata: { n: 1 } }),
      never,
    );
    await before.apply(write('b', { version: 2, deleted: true }), never);
    await before.truncate(ARTICLES, { epoch: 0, sourcePosition: sourcePosition(0n) }, never);
    await before.save('app', { lsn: '0/1' });
    const wanted = query({ tenant: 'red', mode: 'hybrid', text: 'one' });
    const hits = await search(before, wanted);
    await before[Symbol.asyncDispose]();

    const after = await open();
    expect(await search(after, wanted)).toEqual(hits);
    expect(hits).toHaveLength(2);
    expect((await after.heads([documentId('b')], never)).get(documentId('b'))?.deleted).toBe(true);
    expect((await after.truncations(never)).get(ARTICLES)).toEqual({ epoch: 0, sourcePosition: sourcePosition(0n) });
    expect(await after.load('app')).toEqual({ lsn: '0/1' });
    expect(await after.registerSettings('settings', never)).toBe(generation);
    expect((await after.stats(never)).bytesOnDisk).toBeGreaterThan(4096);
  });

  it('is whole by itself as soon as it is closed, so that it can be moved', async () => {
    await filled(20);
    expect(readdirSync(folder.path)).toEqual(['index.db']);
    renameSync(path, folder.file('moved.db'));
    await filled(1);
    const moved = await open({ path: folder.file('moved.db') });
    expect((await moved.stats(never)).documents).toBe(20);
    await moved.apply(write('later', { version: 1, chunks: ['later'] }), never);
    expect(readdirSync(folder.path)).toContain('moved.db-wal');
  });

  it('undoes a write that fails half-way, words and vectors included, and nothing else of its transaction', async () => {
    const index = await open();
    await index.apply(write('a', { version: 1, chunks: [['taken', 0]] }), never);
    const stranger = write('b', { version: 1, chunks: ['harbour', 'stolen'] });
    const stolen = { ...stranger.insert[1]!, chunk: { ...stranger.insert[1]!.chunk, id: idOf('a', 'taken') } };
    const clash = {
      ...stranger,
      head: {
        ...stranger.head,
        chunks: [stranger.head.chunks[0]!, { ...stranger.head.chunks[1]!, id: stolen.chunk.id }],
      },
      insert: [stranger.insert[0]!, stolen],
    };
    const results = await Promise.allSettled([
      index.apply(clash, never),
      index.apply(write('c', { version: 1, chunks: [['hills', 10]] }), never),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(await texts(index, lexical('harbour'))).toEqual([]);
    expect(await texts(index)).toEqual(['taken', 'hills']);
    expect((await index.heads([documentId('b')], never)).size).toBe(0);
    await index.apply(stranger, never);
    expect(await texts(index, lexical('harbour stolen'))).toHaveLength(2);
  });

  it('takes into memory, when it is replayed, a write that reached the file unnoticed', async () => {
    const index = await open();
    await index.apply(write('a', { version: 1, chunks: ['one'] }), never);
    const unnoticed = await open();
    await unnoticed.apply(write('a', { version: 2, chunks: ['two'] }), never);
    await unnoticed.apply(write('b', { version: 1, chunks: ['three'] }), never);
    expect(await texts(index)).toHaveLength(1);
    await index.apply(write('a', { version: 2, chunks: ['two'] }), never);
    await index.apply(write('b', { version: 1, chunks: ['three'] }), never);
    expect(new Set(await texts(index))).toEqual(new Set(['two', 'three']));
    await unnoticed.apply(write('a', { version: 3, deleted: true }), never);
    await index.apply(write('a', { version: 3, deleted: true }), never);
    expect(await texts(index)).toEqual(['three']);
  });

  it('finds the chunks of another embedder by their words only, until they are embedded again', async () => {
    await filled();
    const index = await open({ embedderFingerprint: 'another' });
    expect(await texts(index, query({}))).toEqual([]);
    expect(await texts(index, lexical('number'))).toHaveLength(1);
    expect(await texts(index, query({ mode: 'hybrid', text: 'number' }))).toHaveLength(1);
    await index.apply(write('d0', { version: 1, generation: 2, chunks: [['anew', 0]] }), never);
    expect(await texts(index, query({}))).toEqual(['anew']);
  });

  it('keeps chunks of another dimension out of the dense scan', async () => {
    await filled();
    const index = await open({ dimensions: DIMENSIONS * 2 });
    const vector = new Float32Array(DIMENSIONS * 2).fill(0.25);
    expect(await search(index, { ...query({}), vector })).toEqual([]);
    expect(await texts(index, lexical('number'))).toHaveLength(1);
    await expect(search(index, query({}))).rejects.toMatchObject({ code: 'INDEX_DIMENSIONS' });
  });

  it('reports progress while it is opened', async () => {
    await filled(7);
    const seen: unknown[] = [];
    await open({ onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)).toEqual({ done: 7, total: 7 });
  });

  describe('that is damaged', () => {
    const failure = () =>
      open().then(
        () => undefined,
        (error: unknown) => error,
      );
    const corrupt = {
      code: 'INDEX_CORRUPT',
      kind: 'fatal',
      message: expect.stringContaining('freshet rebuild') as string,
    };

    it('by other content is refused, with the way out', async () => {
      writeFileSync(path, 'This is not a database. '.repeat(500));
      expect(await failure()).toMatchObject(corrupt);
    });

    it('by overwritten pages is refused, with the way out', async () => {
      await filled(50);
      const bytes = readFileSync(path);
      bytes.fill(0xa5, 8192, bytes.length - 4096);
      writeFileSync(path, bytes);
      expect(await failure()).toMatchObject(corrupt);
    });

    it('by truncation is refused, with the way out', async () => {
      await filled(50);
      truncateSync(path, Math.floor(statSync(path).size / 2 / 4096) * 4096);
      expect(await failure()).toMatchObject(corrupt);
    });

    it('by a row whose words are lost is refused before anyone searches it', async () => {
      await filled(50);
      alter('DELETE FROM words_data WHERE id > 10');
      const found = await failure();
      if (found === undefined) {
        await expect(search(opened.at(-1)!, lexical('number'))).rejects.toMatchObject({ code: 'INDEX_CORRUPT' });
      } else {
        expect(found).toMatchObject(corrupt);
      }
    });
  });

  it('of a newer Freshet is refused and left as it is', async () => {
    await filled();
    alter('PRAGMA user_version = 99');
    await expect(open()).rejects.toMatchObject({ code: 'INDEX_NEWER', kind: 'fatal', details: { found: 99 } });
  });

  it('of another program is refused and left as it is', async () => {
    alter('CREATE TABLE theirs (x)');
    const before = readFileSync(path);
    await expect(open()).rejects.toMatchObject({ code: 'INDEX_FOREIGN', kind: 'fatal' });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it('in a folder that does not exist is refused by its path', async () => {
    await expect(open({ path: folder.file('none/index.db') })).rejects.toMatchObject({
      code: 'INDEX_NOT_WRITABLE',
      message: expect.stringContaining('none/index.db') as string,
    });
  });

  describe('on a full disk', () => {
    const big = (at: number, version = 1) =>
      write(`d${String(at).padStart(3, '0')}`, { version, chunks: [`word${at} ${'filler '.repeat(1_000)}`] });

    const applied = (write: Promise<void>): Promise<boolean> =>
      write.then(
        () => true,
        () => false,
      );

    it('fails for a while, loses nothing that was acknowledged, and goes on once there is space', async () => {
      const index = await open({ bytesMax: 600_000 });
      const results = await Promise.allSettled(Array.from({ length: 100 }, (_, at) => index.apply(big(at), never)));
      const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
      expect(refused.length).toBeGreaterThan(0);
      for (const error of refused) expect(error).toMatchObject({ code: 'INDEX_DISK_FULL', kind: 'transient' });

      const stored: number[] = [];
      for (let at = 0; at < 100; at++) {
        if (await applied(index.apply(big(at), never))) stored.push(at);
      }
      expect(stored.length).toBeGreaterThan(3);
      await expect(index.apply(big(200), never)).rejects.toMatchObject({ code: 'INDEX_DISK_FULL' });
      for (const at of stored) expect(await texts(index, lexical(`word${at}`))).toHaveLength(1);
      expect((await index.stats(never)).chunks).toBe(stored.length);

      for (const at of stored.slice(0, 5)) {
        const { head } = big(at, 2);
        await index.apply({ head: { ...head, chunks: [], deleted: true }, keep: [], insert: [] }, never);
      }
      await index.apply(big(200, 3), never);
      expect(await texts(index, lexical('word200'))).toHaveLength(1);
    });

    it('still has everything when it is opened again with more space', async () => {
      const index = await open({ bytesMax: 400_000 });
      let stored = 0;
      while (await applied(index.apply(big(stored), never))) stored += 1;
      await index[Symbol.asyncDispose]();
      const again = await open();
      expect((await again.stats(never)).documents).toBe(stored);
      await again.apply(big(stored), never);
      expect(await texts(again, lexical(`word${stored}`))).toHaveLength(1);
    });
  });

  it('says that it is closed to whoever writes later', async () => {
    const index = await open();
    await index[Symbol.asyncDispose]();
    await expect(index.save('app', {})).rejects.toMatchObject({ code: 'INDEX_CLOSED', kind: 'aborted' });
  });

  it('takes what was written before it was closed', async () => {
    const index = await open();
    const saved = index.save('app', { last: true });
    await index[Symbol.asyncDispose]();
    await saved;
    expect(await (await open()).load('app')).toEqual({ last: true });
  });
});
