import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openIndexFiles, type IndexFiles } from '../../src/composition/index-files.ts';
import { DIMENSIONS, documentId, lexical, never, query, texts, write } from '../contracts/index-fixtures.ts';
import { DEFAULT_TENANT } from '../../src/domain/ids.ts';
import type { Index } from '../../src/ports/index-store.ts';

const OPTIONS = { dimensions: DIMENSIONS, embedderFingerprint: 'test-embedder' };

let folder: string;
let files: IndexFiles;
const live = (): string => join(folder, 'index.sqlite');
const aside = (): string => join(folder, 'index.rebuild.sqlite');
const put = (index: Index, name: string, version: number, text: string): Promise<void> =>
  index.apply(write(name, { version, chunks: [[text, 0]] }), never);
const text = async (index: Index, name: string): Promise<string | undefined> =>
  (await index.document(documentId(name), DEFAULT_TENANT, never))?.chunks[0]?.text;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'freshet-index-files-'));
  files = await openIndexFiles(live(), OPTIONS);
  await put(files.index, 'a', 1, 'old text');
});
afterEach(async () => {
  await files.index[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const nothing = (): Promise<void> => Promise.resolve();

describe('the files of the index', () => {
  it('puts a rebuilt index in the place of the live one, which can be searched, written and opened again', async () => {
    const next = await files.openAside();
    await put(next, 'a', 1, 'new text');
    await files.swap(next, async (current) => {
      expect(await text(current, 'a')).toBe('old text');
      await put(next, 'b', 2, 'written last');
    });
    expect(readdirSync(folder).filter((name) => name.includes('rebuild') || name.includes('replaced'))).toEqual([]);
    expect(await text(files.index, 'a')).toBe('new text');
    expect(await texts(files.index, lexical('written'))).toEqual(['written last']);
    expect(await texts(files.index, query({}))).toContain('new text');
    await put(files.index, 'c', 3, 'written after');
    await files.index.save('app', { at: 3 });
    await files.index[Symbol.asyncDispose]();

    files = await openIndexFiles(live(), OPTIONS);
    expect(await text(files.index, 'a')).toBe('new text');
    expect(await text(files.index, 'c')).toBe('written after');
    expect(await files.index.load('app')).toEqual({ at: 3 });
  });

  it('does so time after time', async () => {
    for (let round = 1; round <= 3; round += 1) {
      const next = await files.openAside();
      await put(next, 'a', round, `text of round ${round}`);
      await files.swap(next, nothing);
      await put(files.index, 'b', round, `edit of round ${round}`);
      expect(await text(files.index, 'a')).toBe(`text of round ${round}`);
      expect(await text(files.index, 'b')).toBe(`edit of round ${round}`);
    }
  });

  it('leaves the live index alone when the last pass fails', async () => {
    const next = await files.openAside();
    await expect(files.swap(next, () => Promise.reject(new Error('no more')))).rejects.toThrow('no more');
    await files.discardAside();
    expect(existsSync(aside())).toBe(false);
    await put(files.index, 'a', 2, 'edited since');
    expect(await text(files.index, 'a')).toBe('edited since');
  });

  it('goes on with the old index when the new one cannot take its place, and says why', async () => {
    const next = await files.openAside();
    const failing = files.swap(next, () => Promise.resolve(rmSync(aside())));
    await expect(failing).rejects.toMatchObject({ code: 'INDEX_SWAP_FAILED', kind: 'fatal' });
    await files.discardAside();
    expect(existsSync(aside())).toBe(false);
    expect(await text(files.index, 'a')).toBe('old text');
    await put(files.index, 'a', 2, 'edited since');
    expect(await text(files.index, 'a')).toBe('edited since');
  });

  it('says at every later use that the index is lost when neither can be opened', async () => {
    const next = await files.openAside();
    const failing = files.swap(next, () => {
      rmSync(live());
      mkdirSync(live());
      return Promise.resolve();
    });
    await expect(failing).rejects.toMatchObject({ code: 'INDEX_SWAP_FAILED', kind: 'fatal' });
    await files.discardAside();
    await expect(text(files.index, 'a')).rejects.toMatchObject({ code: 'INDEX_LOST', kind: 'fatal' });
    await expect(put(files.index, 'a', 2, 'edited')).rejects.toMatchObject({ code: 'INDEX_LOST' });
  });
});
