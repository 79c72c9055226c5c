import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canReach } from '../../../connectors/embedded-postgres/account.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../../connectors/embedded-postgres/index.ts';
import { isAlive } from '../../../connectors/embedded-postgres/leftover.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freshet-embedded-'));
  await chmod(folder, 0o755);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function query(connectionString: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return (await client.query(text)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

async function gone(pid: number): Promise<boolean> {
  for (let i = 0; i < 500 && isAlive(pid); i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  return !isAlive(pid);
}

interface Child {
  readonly process: ChildProcess;
  readonly port: number;
  readonly pid: number;
  readonly clusterDir: string;
  readonly log: string[];
}

async function startInChild(dataDir: string): Promise<Child> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'child.ts'), dataDir], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (data: Buffer) => resolve(data.toString()));
    child.once('exit', (code) => reject(new Error(`the child ended with ${code}`)));
  });
  return { process: child, ...(JSON.parse(line) as Omit<Child, 'process'>) };
}

async function takenPort(): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, server };
}

describe('the embedded PostgreSQL', () => {
  let dataDir: string;

  it('starts a real server on loopback with logical WAL, UTF8 and the C locale', async () => {
    dataDir = join(folder, 'first');
    const server = await startEmbeddedPostgres({ dataDir });
    const [row] = await query(
      server.connectionString,
      `SELECT current_setting('server_version_num')::int AS version, current_setting('wal_level') AS wal, current_setting('listen_addresses') AS listen,
              current_setting('server_encoding') AS encoding, datcollate FROM pg_database WHERE datname = current_database()`,
    );
    expect(row).toEqual({ version: 180_004, wal: 'logical', listen: '127.0.0.1', encoding: 'UTF8', datcollate: 'C' });
    await query(server.connectionString, `CREATE TABLE kept (id int); INSERT INTO kept VALUES (42)`);
    await expect(query(server.connectionString.replace(/:[0-9a-f]{48}@/, ':wrong@'), 'SELECT 1')).rejects.toThrow(
      /password/,
    );
    expect((await stat(join(dataDir, 'postgres-password'))).mode & 0o777).toBe(0o600);
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toMatchObject({ code: 'POSTGRES_IN_USE' });
    await server.stop();
    expect(await gone(server.pid)).toBe(true);
  });

  it('starts the same cluster again, with the same password and data, on another port when its own is taken', async () => {
    const { port, server: taken } = await takenPort();
    const lines: string[] = [];
    const server = await startEmbeddedPostgres({ dataDir, port, onLog: (line) => lines.push(line) });
    expect(server.port).not.toBe(port);
    expect(lines.join()).toContain('taken');
    expect(await query(server.connectionString, 'SELECT id FROM kept')).toEqual([{ id: 42 }]);
    await server.stop();
    await new Promise((resolve) => taken.close(resolve));
  });

  it('writes no row text into its log', async () => {
    const server = await startEmbeddedPostgres({ dataDir });
    await query(server.connectionString, `CREATE TABLE u (t text UNIQUE); INSERT INTO u VALUES ('jane@example.com')`);
    await expect(query(server.connectionString, `INSERT INTO u VALUES ('jane@example.com')`)).rejects.toThrow();
    await server.stop();
    expect(await readFile(join(dataDir, 'postgres.log'), 'utf8')).not.toContain('jane');
  });

  it('makes a new password when the file with it was lost', async () => {
    await rm(join(dataDir, 'postgres-password'));
    const server = await startEmbeddedPostgres({ dataDir });
    expect(await query(server.connectionString, 'SELECT id FROM kept')).toEqual([{ id: 42 }]);
    await server.stop();
  });

  it('starts over when initdb was interrupted, and past a stale postmaster.pid', async () => {
    const half = join(folder, 'half');
    await mkdir(join(half, 'postgres', 'cluster.unfinished'), { recursive: true });
    await writeFile(join(half, 'postgres', 'cluster.unfinished', 'PG_VERSION'), '18');
    const server = await startEmbeddedPostgres({ dataDir: half });
    const pidFile = join(server.clusterDir, 'postmaster.pid');
    const text = await readFile(pidFile, 'utf8');
    await server.stop();
    // The pid of a stranger, as after a reboot: this very process.
    await writeFile(pidFile, text.replace(/^\d+/, String(process.pid)));
    const again = await startEmbeddedPostgres({ dataDir: half });
    expect(await query(again.connectionString, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await again.stop();
  });

  it('says what is wrong with a data folder that cannot be written', async () => {
    await writeFile(join(folder, 'a-file'), '');
    await expect(startEmbeddedPostgres({ dataDir: join(folder, 'a-file', 'data') })).rejects.toMatchObject({
      code: 'DATA_DIR_NOT_WRITABLE',
      kind: 'fatal',
      message: expect.stringContaining('--data-dir'),
    });
    await expect(startEmbeddedPostgres({ dataDir: '/proc/freshet' })).rejects.toMatchObject({
      code: 'DATA_DIR_NOT_WRITABLE',
    });
  });
});

describe('when its parent ends', () => {
  it('by kill -9, the server ends too', async () => {
    const child = await startInChild(join(folder, 'killed'));
    child.process.kill('SIGKILL');
    expect(await gone(child.pid)).toBe(true);
  });

  it('by a signal it handles, the server was stopped in order', async () => {
    const child = await startInChild(join(folder, 'killed'));
    child.process.kill('SIGTERM');
    expect(await gone(child.pid)).toBe(true);
    expect(await readFile(join(folder, 'killed', 'postgres.log'), 'utf8')).toContain('database system is shut down');
  });

  it.runIf(process.platform === 'linux')(
    'with a server left running all the same, the next start takes its place',
    async () => {
      const child = await startInChild(join(folder, 'killed'));
      const watchdog = Number((await readFile(`/proc/${child.pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[1]);
      const helpers = await readFile(`/proc/${watchdog}/task/${watchdog}/children`, 'utf8');
      for (const pid of helpers.trim().split(' ').map(Number)) if (pid !== child.pid) process.kill(pid, 'SIGKILL');
      process.kill(watchdog, 'SIGKILL');
      child.process.kill('SIGKILL');
      await gone(child.process.pid ?? 0);
      expect(isAlive(child.pid)).toBe(true);
      const lines: string[] = [];
      const server = await startEmbeddedPostgres({
        dataDir: join(folder, 'killed'),
        onLog: (line) => lines.push(line),
      });
      expect(isAlive(child.pid)).toBe(false);
      expect(lines.join()).toContain('left running');
      await server.stop();
    },
  );

  it('a second Freshet on the same data folder is refused while the first one lives', async () => {
    const child = await startInChild(join(folder, 'killed'));
    await expect(startEmbeddedPostgres({ dataDir: join(folder, 'killed') })).rejects.toMatchObject({
      code: 'POSTGRES_IN_USE',
    });
    expect(isAlive(child.pid)).toBe(true);
    child.process.kill('SIGTERM');
    expect(await gone(child.pid)).toBe(true);
  });
});

describe('the account the server runs as', () => {
  it('reaches a folder only through folders that are open to it', async () => {
    const nobody = { name: 'nobody', uid: 65_534, gid: 65_534 };
    const closed = join(folder, 'closed');
    await mkdir(join(closed, 'below'), { recursive: true });
    await chmod(closed, 0o700);
    expect(await canReach(join(closed, 'below'), nobody)).toBe(false);
    expect(await canReach(join(closed, 'below'), undefined)).toBe(true);
    await chmod(closed, 0o711);
    expect(await canReach(join(closed, 'below', 'not-made-yet'), nobody)).toBe(true);
  });

  it('is us, or, for root below a 0700 folder, another one with a place of its own that goes when the data folder does', async () => {
    const closed = join(folder, 'private');
    await mkdir(closed, { recursive: true });
    await chmod(closed, 0o700);
    const isRoot = process.getuid?.() === 0;
    const lines: string[] = [];
    const start = (name: string): Promise<EmbeddedPostgres> =>
      startEmbeddedPostgres({ dataDir: join(closed, name), onLog: (line) => lines.push(line) });
    const first = await start('data');
    await query(first.connectionString, `CREATE TABLE kept (id int)`);
    await first.stop();
    const second = await start('data');
    expect(await query(second.connectionString, 'SELECT count(*)::int AS n FROM kept')).toEqual([{ n: 0 }]);
    await second.stop();
    expect(second.clusterDir).toBe(first.clusterDir);
    expect(first.clusterDir.startsWith(closed)).toBe(!isRoot);
    expect(lines.some((line) => line.includes('cannot reach'))).toBe(isRoot);
    await rm(join(closed, 'data'), { recursive: true });
    const third = await start('other');
    await third.stop();
    await expect(stat(first.clusterDir)).rejects.toThrow();
    if (isRoot) {
      const home = dirname(dirname(third.clusterDir));
      await rm(dirname(third.clusterDir), { recursive: true });
      if ((await readdir(home)).length === 0) await rm(dirname(home), { recursive: true });
    }
  });
});

describe('servers that start at the same moment', () => {
  it('find a port each, although all prefer the same one', async () => {
    const names = ['one', 'two', 'three'];
    const servers = await Promise.all(names.map((name) => startEmbeddedPostgres({ dataDir: join(folder, name) })));
    try {
      expect(new Set(servers.map(({ port }) => port)).size).toBe(names.length);
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  });
});
