import { randomUUID } from 'node:crypto';
import { access, chown, constants, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { FreshetError } from '../../src/domain/errors.ts';
import { canReach, type Account } from './account.ts';
import { isAlive, readPidFile } from './leftover.ts';

/** Where a cluster and what belongs to it lies. */
export interface Place {
  /** As asked for: holds the password and, usually, everything else. */
  readonly dataDir: string;
  /** Parent of the cluster folder, owned by whoever runs Freshet. */
  readonly parent: string;
  readonly cluster: string;
  /** Where copies of the binaries go if they are needed. */
  readonly binaries: string;
}

/** Read in both directions, so that a cluster kept elsewhere never outlives its data folder by more than one start. */
const LOCATION_FILE = 'postgres-location.json';
const OWNER_FILE = 'owner.json';

async function json<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

/** `mkdir` with `recursive` never returns where a file system answers ENOENT to making a folder (/proc does). */
async function makeFolders(path: string): Promise<void> {
  const missing: string[] = [];
  for (let folder = path; ; folder = dirname(folder)) {
    const entry = await stat(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (entry !== undefined || folder === dirname(folder)) break;
    missing.unshift(folder);
  }
  for (const folder of missing) {
    await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function ensureWritable(dataDir: string): Promise<void> {
  try {
    await makeFolders(dataDir);
    await access(dataDir, constants.W_OK | constants.X_OK);
    // Root passes every access check; a read-only file system shows only when something is written.
    const probe = join(dataDir, `.writable-${process.pid}`);
    await writeFile(probe, '');
    await rm(probe);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new FreshetError(
      'DATA_DIR_NOT_WRITABLE',
      'fatal',
      `The data folder ${dataDir} cannot be written (${code}). Choose another with --data-dir, or give this user the right to write there.`,
      { cause, details: { dataDir, code } },
    );
  }
}

async function firstReachable(account: Account): Promise<string> {
  for (const base of ['/var/lib/freshet', join('/var/tmp', 'freshet'), join(tmpdir(), 'freshet')]) {
    try {
      await mkdir(base, { recursive: true, mode: 0o755 });
      await access(base, constants.W_OK | constants.X_OK);
    } catch {
      continue;
    }
    if (await canReach(base, account)) return base;
  }
  throw new FreshetError(
    'POSTGRES_NO_PLACE',
    'fatal',
    `The account "${account.name}" that runs PostgreSQL can reach neither the data folder nor /var/lib, /var/tmp or the temporary folder. ` +
      'Choose a data folder it can reach with --data-dir, or run Freshet as a normal user.',
  );
}

/** Clusters kept in `home` whose data folder was deleted, or was made anew, belong to nobody any more. */
async function sweep(home: string, log: (line: string) => void): Promise<void> {
  for (const id of await readdir(home).catch(() => [])) {
    const owner = await json<{ dataDir: string }>(join(home, id, OWNER_FILE));
    if (owner === undefined) continue;
    const back = await json<{ id: string }>(join(owner.dataDir, LOCATION_FILE));
    // A parent that is missing too may be a disk that is not mounted now.
    const parentThere = await stat(dirname(owner.dataDir)).catch(() => undefined);
    const server = await readPidFile(join(home, id, 'cluster'));
    if (back?.id === id || parentThere === undefined || (server !== undefined && isAlive(server.pid))) continue;
    await rm(join(home, id), { recursive: true, force: true });
    log(`Removed a PostgreSQL cluster whose data folder ${owner.dataDir} no longer exists.`);
  }
}

/**
 * The cluster lies in `<dataDir>/postgres`, unless we are root and the server's account cannot reach that (a folder above is 0700): then
 * in a folder of its own that it can reach, found again through a file in the data folder.
 */
export async function findPlace(
  requested: string,
  account: Account | undefined,
  log: (line: string) => void,
): Promise<Place> {
  const dataDir = resolve(requested);
  await ensureWritable(dataDir);
  const here = join(dataDir, 'postgres');
  if (account === undefined || (await canReach(dataDir, account))) {
    await mkdir(here, { recursive: true, mode: 0o755 });
    return { dataDir, parent: here, cluster: join(here, 'cluster'), binaries: join(here, 'binaries') };
  }

  const base = await firstReachable(account);
  const home = join(base, 'clusters');
  await sweep(home, log);
  const known = await json<{ id: string }>(join(dataDir, LOCATION_FILE));
  const id = known?.id ?? randomUUID();
  const parent = join(home, id);
  await mkdir(parent, { recursive: true, mode: 0o755 });
  await writeFile(join(parent, OWNER_FILE), JSON.stringify({ dataDir }));
  await writeFile(join(dataDir, LOCATION_FILE), JSON.stringify({ id, path: parent }));
  log(
    `The account "${account.name}" that runs PostgreSQL cannot reach ${dataDir}: its database is kept in ${parent} ` +
      'and is removed from there once the data folder is gone.',
  );
  return { dataDir, parent, cluster: join(parent, 'cluster'), binaries: join(base, 'binaries') };
}

/** Makes an empty folder the account owns. */
export async function ownedFolder(path: string, account: Account | undefined): Promise<void> {
  await rm(path, { recursive: true, force: true });
  await mkdir(path, { mode: 0o700 });
  if (account !== undefined) await chown(path, account.uid, account.gid);
}
