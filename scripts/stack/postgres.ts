import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { startComponent, temporaryFolder, type Component } from './component.ts';
import { StackError, toStderr, type Report } from './error.ts';
import { freePorts } from './ports.ts';
import { debianPostgresBin, missing, runTool } from './tools.ts';

export interface PostgresOptions {
  /** Added to the server's settings, or in place of them. */
  readonly settings?: Readonly<Record<string, string | number>>;
  readonly report?: Report;
}

export interface Postgres extends Component {
  readonly url: string;
  readonly port: number;
}

/** Of the superuser, as everywhere. */
const USER = 'postgres';
const ACCOUNT = 'postgres';

/** Debian's PostgreSQL with logical replication, trusting everyone on loopback. It refuses to run as root: then it runs as `postgres`. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const { settings = {}, report = toStderr } = options;
  const bin = debianPostgresBin();
  if (bin === undefined) throw missing('postgres');
  const asRoot = process.getuid?.() === 0;
  const folder = temporaryFolder('postgres');
  const data = join(folder, 'data');
  const [port] = (await freePorts(1)) as [number];
  await mkdir(data, { mode: 0o700 });
  const init = ['-D', data, '-U', USER, '-A', 'trust', '-E', 'UTF8', '--locale', 'C', '--no-sync'];
  if (asRoot) {
    await runTool('chown', [ACCOUNT, data]);
    await runTool('runuser', ['-u', ACCOUNT, '--', join(bin, 'initdb'), ...init], folder);
  } else {
    await runTool(join(bin, 'initdb'), init, folder);
  }
  const all = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    wal_level: 'logical',
    max_replication_slots: 50,
    max_wal_senders: 50,
    shared_buffers: '64MB',
    ...settings,
  };
  const url = `postgres://${USER}@127.0.0.1:${port}/postgres`;
  const component = await startComponent({
    name: 'postgres',
    folder,
    command: async () => ({
      command: join(bin, 'postgres'),
      args: ['-D', data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      ...(asRoot ? { account: ACCOUNT } : {}),
    }),
    ready: () => answersPostgres(url),
    // Fast shutdown: sessions are ended, the checkpoint is written.
    stopSignal: 'SIGINT',
    report,
  });
  return Object.assign(component, { url, port });
}

async function answersPostgres(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  // The server may go away once more while it recovers.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ wal_level: string }>('SHOW wal_level');
    if (rows[0]?.wal_level === 'logical') return true;
    throw new StackError('PostgreSQL runs without logical replication.');
  } finally {
    await client.end().catch(() => undefined);
  }
}
