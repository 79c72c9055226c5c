import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSqliteIndex } from '../../../connectors/sqlite/index.ts';
import { tenantId } from '../../../src/domain/ids.ts';
import { collect, DIMENSIONS, documentId, lexical, never, search } from '../../contracts/index-fixtures.ts';
import { testFolder, type TestFolder } from './support.ts';

describe('a process killed in the middle of its writes', () => {
  let folder: TestFolder;
  beforeEach(() => {
    folder = testFolder();
  });
  afterEach(() => folder[Symbol.dispose]());

  /** Kills it (SIGKILL) once it acknowledged so many writes; gives the last acknowledged version of each document. */
  async function writeUntilKilled(acknowledgements: number): Promise<Map<string, number>> {
    const script = new URL('crash-child.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, ['--import', 'tsx', script, folder.file('index.db')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const acknowledged = new Map<string, number>();
    let count = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const [name, version] = line.split(' ') as [string, string];
      acknowledged.set(name, Number(version));
      if (++count === acknowledgements) child.kill('SIGKILL');
    }
    return acknowledged;
  }

  it('has every acknowledged write, whole, with its checkpoint, each time it is opened again', async () => {
    for (let round = 0; round < 3; round++) {
      const acknowledged = await writeUntilKilled(200 + 37 * round);
      await using index = await openSqliteIndex({
        path: folder.file('index.db'),
        dimensions: DIMENSIONS,
        embedderFingerprint: 'test-embedder',
      });
      expect(acknowledged.size).toBe(8);
      let chunks = 0;
      for (const [name, version] of acknowledged) {
        const head = (await index.heads([documentId(name)], never)).get(documentId(name))!;
        expect(head.version).toBeGreaterThanOrEqual(version);
        expect(await index.load(name)).toEqual({ version: head.version });
        const stored = await index.document(documentId(name), tenantId('default'), never);
        expect(stored?.chunks.map(({ text }) => text)).toEqual(
          head.deleted ? undefined : ['kept', `first of ${head.version}`, `second of ${head.version}`],
        );
        chunks += head.chunks.length;
      }
      const all = await collect(index.scanChunks({ vectors: true }, never));
      expect(all.length).toBe(chunks);
      expect(all.every(({ vector }) => vector?.length === DIMENSIONS)).toBe(true);
      expect(await index.stats(never)).toMatchObject({ chunks });
      expect(await search(index, lexical('first', { limit: 100 }))).toHaveLength(chunks / 3);
    }
  });
});
