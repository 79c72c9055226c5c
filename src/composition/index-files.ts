import { existsSync, renameSync, rmSync } from 'node:fs';
import { openSqliteIndex, type SqliteIndex, type SqliteIndexOptions } from '../../connectors/sqlite/index.ts';
import { codeOf, FreshetError } from '../domain/errors.ts';
import { createSwappableIndex, type FullIndex, type SwappableIndex } from './swappable-index.ts';

/** SQLite's write-ahead log and its index belong to the file beside them. */
const COMPANIONS = ['', '-wal', '-shm'];

export interface IndexFiles {
  readonly index: SwappableIndex;
  /** Where a damaged index was put, if it was replaced. */
  readonly damagedIndex: string | undefined;
  openAside(): Promise<FullIndex>;
  discardAside(): Promise<void>;
  /**
   * See RebuildDeps.swap: the new file takes the old one's name in one rename.
   * @throws fatal INDEX_SWAP_FAILED: the old index goes on; fatal INDEX_LOST: neither could be opened, and every later use fails with it.
   */
  swap(aside: FullIndex, last: (live: FullIndex) => Promise<void>): Promise<void>;
}

export type IndexOptions = Omit<SqliteIndexOptions, 'path'>;

/**
 * @param live path of the index, `….sqlite`
 * @param settings with `replaceDamagedAt`, the time of now, a damaged index is put aside and an empty one takes its place
 */
export async function openIndexFiles(
  live: string,
  settings: IndexOptions & { readonly replaceDamagedAt?: number },
): Promise<IndexFiles> {
  const { replaceDamagedAt, ...options } = settings;
  const aside = besides(live, 'rebuild');
  // A rebuild that did not finish left nothing worth keeping.
  removeStore(aside);
  let damagedIndex: string | undefined;
  const openLive = async (): Promise<FullIndex> => {
    try {
      return await openSqliteIndex({ ...options, path: live });
    } catch (error) {
      if (replaceDamagedAt === undefined || codeOf(error) !== 'INDEX_CORRUPT') throw error;
      damagedIndex = setIndexAside(live, replaceDamagedAt);
      return openSqliteIndex({ ...options, path: live });
    }
  };
  const index = createSwappableIndex(await openLive());
  let opened: SqliteIndex | undefined;
  return {
    index,
    damagedIndex,
    openAside: async () => {
      removeStore(aside);
      const { onProgress: _onProgress, ...rest } = options;
      return (opened = await openSqliteIndex({ ...rest, path: aside }));
    },
    discardAside: async () => {
      try {
        await opened?.[Symbol.asyncDispose]();
      } finally {
        opened = undefined;
        removeStore(aside);
      }
    },
    swap: (_next, last) =>
      index.swap(async (current, use) => {
        await last(current);
        try {
          await current[Symbol.asyncDispose]();
          if (opened === undefined) throw new TypeError('There is no index to swap in.');
          await replaceFile(live, opened);
          use(opened);
          opened = undefined;
        } catch (cause) {
          use(await openSqliteIndex({ ...options, path: live }).catch((error: unknown) => lost(live, error)));
          throw swapFailed(live, cause);
        }
      }),
  };
}

/** A log that closing could not write back belongs to the old file: beside the new one it would be taken for its own. */
async function replaceFile(live: string, next: SqliteIndex): Promise<void> {
  const logs = COMPANIONS.slice(1).filter((companion) => existsSync(live + companion));
  const parked = (companion: string): string => `${live}.replaced${companion}`;
  for (const log of logs) renameSync(live + log, parked(log));
  try {
    await next.moveTo(live);
  } catch (error) {
    for (const log of logs) renameSync(parked(log), live + log);
    throw error;
  }
  for (const log of logs) rmSync(parked(log), { force: true });
}

function swapFailed(path: string, cause: unknown): FreshetError {
  return new FreshetError(
    'INDEX_SWAP_FAILED',
    'fatal',
    `The rebuilt index could not take the place of ${path} (${reasonOf(cause)}). Check the disk and the folder's permissions, then run "freshet rebuild" again.`,
    { cause, details: { path } },
  );
}

function lost(path: string, cause: unknown): FreshetError {
  return new FreshetError(
    'INDEX_LOST',
    'fatal',
    `The index ${path} could not be opened again after a rebuild failed to replace it (${reasonOf(cause)}). Check the disk, then start Freshet again.`,
    { cause, details: { path } },
  );
}

function reasonOf(error: unknown): string {
  return codeOf(error) ?? (error as NodeJS.ErrnoException).code ?? 'unknown error';
}

/** Puts a damaged index out of the way. Returns its new name. */
function setIndexAside(live: string, now: number): string {
  const kept = besides(live, `damaged-${new Date(now).toISOString().replace(/[:.]/g, '-')}`);
  for (const companion of COMPANIONS) if (existsSync(live + companion)) renameSync(live + companion, kept + companion);
  return kept;
}

/** `index.sqlite` → `index.<what>.sqlite` */
const besides = (path: string, what: string): string => path.replace(/\.sqlite$/, `.${what}.sqlite`);

function removeStore(path: string): void {
  for (const companion of COMPANIONS) rmSync(path + companion, { force: true });
}
