import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteIndex, type SqliteIndex } from '../../../connectors/sqlite/index.ts';
import type { IndexContext } from '../../contracts/index-context.ts';

export interface TestFolder extends Disposable {
  readonly path: string;
  file(name: string): string;
}

export function testFolder(): TestFolder {
  const path = mkdtempSync(join(tmpdir(), 'freshet-sqlite-'));
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

export async function openTestIndex({
  dimensions,
}: {
  readonly dimensions: number;
}): Promise<IndexContext & { readonly index: SqliteIndex }> {
  const folder = testFolder();
  const index = await openSqliteIndex({
    path: folder.file('index.db'),
    dimensions,
    embedderFingerprint: 'test-embedder',
  });
  return {
    index,
    lexical: { stems: true, segments: true },
    [Symbol.asyncDispose]: async () => {
      await index[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}
