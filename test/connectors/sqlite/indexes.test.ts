import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSqliteIndex } from '../../../connectors/sqlite/index.ts';
import { openSqliteIndexes } from '../../../connectors/sqlite/indexes.ts';
import { describeIndexCatalogue } from '../../contracts/index-catalogue.contract.ts';
import { DIMENSIONS, never, write } from '../../contracts/index-fixtures.ts';

const SPEC = { dimensions: DIMENSIONS, embedderFingerprint: 'test-embedder' };
const NOTHING = { live: undefined, candidate: undefined, previous: undefined, canaryShare: 0 };

async function openFresh() {
  const folder = mkdtempSync(join(tmpdir(), 'freshet-indexes-'));
  const catalogue = openSqliteIndexes(folder);
  return {
    catalogue,
    async [Symbol.asyncDispose]() {
      await catalogue[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

describeIndexCatalogue('SQLite', openFresh, { takesAnyEmbedder: true });

describe('the indexes of a data folder', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'freshet-indexes-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('begin with the index that a folder without a catalogue has', async () => {
    const before = await openSqliteIndex({ ...SPEC, path: join(folder, 'index.sqlite') });
    await before.apply(write('a', { version: 1, chunks: [['text', 0]] }), never);
    await before[Symbol.asyncDispose]();
    await using catalogue = openSqliteIndexes(folder);
    const first = await catalogue.open('v1-aaaa1111', SPEC, never);
    expect((await first.stats(never)).documents).toBe(1);
    const second = await catalogue.open('v2-bbbb2222', SPEC, never);
    expect((await second.stats(never)).documents).toBe(0);
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(['index.sqlite', 'index.v2-bbbb2222.sqlite']));
  });

  it('are found again as they were left, roles included', async () => {
    {
      await using catalogue = openSqliteIndexes(folder);
      const index = await catalogue.open('v1-aaaa1111', SPEC, never);
      await index.apply(write('a', { version: 1, chunks: [['text', 0]] }), never);
      await catalogue.update(0, { ...NOTHING, live: 'v1-aaaa1111', canaryShare: 0.5 }, never);
    }
    await using again = openSqliteIndexes(folder);
    expect(await again.state(never)).toEqual({ ...NOTHING, live: 'v1-aaaa1111', canaryShare: 0.5, revision: 1 });
    const found = await again.open('v1-aaaa1111', SPEC, never);
    expect((await found.stats(never)).documents).toBe(1);
  });

  it('leave no file of an index that was dropped', async () => {
    await using catalogue = openSqliteIndexes(folder);
    await catalogue.open('v1-aaaa1111', SPEC, never);
    await catalogue.open('v2-bbbb2222', SPEC, never);
    await catalogue.drop('v2-bbbb2222', never);
    expect(readdirSync(folder).filter((name) => name.includes('v2'))).toEqual([]);
    expect(await catalogue.list(never)).toEqual(['v1-aaaa1111']);
  });

  it('are replaced whole: a crash while they are written leaves the state before', async () => {
    await using catalogue = openSqliteIndexes(folder);
    await catalogue.update(0, { ...NOTHING, live: 'v1-aaaa1111' }, never);
    writeFileSync(join(folder, 'indexes.json.new'), '{"format": 1, "revi');
    await using again = openSqliteIndexes(folder);
    expect((await again.state(never)).live).toBe('v1-aaaa1111');
  });

  it('say what to do when the file that names them is damaged, and touch nothing', () => {
    const file = join(folder, 'indexes.json');
    for (const text of ['', '{"format": 1', '{"format": 2, "revision": 0, "canaryShare": 0, "files": {}}']) {
      writeFileSync(file, text);
      expect(() => openSqliteIndexes(folder)).toThrow(
        expect.objectContaining({
          code: 'INDEXES_UNREADABLE',
          kind: 'fatal',
          message: expect.stringContaining('backup') as string,
        }),
      );
      expect(readFileSync(file, 'utf8')).toBe(text);
    }
  });
});
