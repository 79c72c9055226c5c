import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openSqliteIndex, type SqliteIndexOptions } from '../../connectors/sqlite/index.ts';
import { codeOf } from '../domain/errors.ts';
import { createSwappableIndex, type FullIndex, type SwappableIndex } from './swappable-index.ts';

const LIVE = 'index.sqlite';
const ASIDE = 'index.rebuild.sqlite';
/** SQLite's write-ahead log and its index belong to the file beside them. */
const COMPANIONS = ['', '-wal', '-shm'];

export interface IndexFiles {
  readonly index: SwappableIndex;
  /** Where a damaged index was put, if it was replaced. */
  readonly damagedIndex: string | undefined;
  openAside(): Promise<FullIndex>;
  /** See RebuildDeps.swap: the new file takes the old one's name in one rename. */
  swap(aside: FullIndex, last: (live: FullIndex) => Promise<void>): Promise<void>;
}

export type IndexOptions = Omit<SqliteIndexOptions, 'path'>;

/** @param settings with `replaceDamagedAt`, the time of now, a damaged index is put aside and an empty one takes its place */
export async function openIndexFiles(
  dataDir: string,
  settings: IndexOptions & { readonly replaceDamagedAt?: number },
): Promise<IndexFiles> {
  const { replaceDamagedAt, ...options } = settings;
  const live = join(dataDir, LIVE);
  const aside = join(dataDir, ASIDE);
  // A rebuild that did not finish left nothing worth keeping.
  removeStore(aside);
  let damagedIndex: string | undefined;
  const openLive = async (): Promise<FullIndex> => {
    try {
      return await openSqliteIndex({ ...options, path: live });
    } catch (error) {
      if (replaceDamagedAt === undefined || codeOf(error) !== 'INDEX_CORRUPT') throw error;
      damagedIndex = setIndexAside(dataDir, replaceDamagedAt);
      return openSqliteIndex({ ...options, path: live });
    }
  };
  const index = createSwappableIndex(await openLive());
  return {
    index,
    damagedIndex,
    openAside: async () => {
      removeStore(aside);
      const { onProgress: _onProgress, ...rest } = options;
      return openSqliteIndex({ ...rest, path: aside });
    },
    swap: (next, last) =>
      index.swap(async (current) => {
        await last(current);
        // Closing checkpoints each write-ahead log into its file, so that one rename moves all of it.
        await next[Symbol.asyncDispose]();
        await current[Symbol.asyncDispose]();
        for (const companion of COMPANIONS.slice(1)) rmSync(live + companion, { force: true });
        renameSync(aside, live);
        return openSqliteIndex({ ...options, path: live });
      }),
  };
}

/** Puts a damaged index out of the way. Returns its new name. */
function setIndexAside(dataDir: string, now: number): string {
  const live = join(dataDir, LIVE);
  const kept = join(dataDir, `index.damaged-${new Date(now).toISOString().replace(/[:.]/g, '-')}.sqlite`);
  for (const companion of COMPANIONS) if (existsSync(live + companion)) renameSync(live + companion, kept + companion);
  return kept;
}

function removeStore(path: string): void {
  for (const companion of COMPANIONS) rmSync(path + companion, { force: true });
}
