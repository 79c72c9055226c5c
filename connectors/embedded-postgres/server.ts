import { spawn, type ChildProcess } from 'node:child_process';
import { open, readFile, writeFile, chown, rm } from 'node:fs/promises';
import { platform } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FreshetError } from '../../src/domain/errors.ts';
import type { Account } from './account.ts';
import { isAlive, readPidFile } from './leftover.ts';

export interface Launch {
  readonly binaries: string;
  readonly cluster: string;
  readonly account: Account | undefined;
  readonly logFile: string;
}

const identity = (account: Account | undefined) =>
  account === undefined ? {} : { uid: account.uid, gid: account.gid };

/** Nothing of our environment reaches the server: PG* variables would change it, secrets do not belong there. */
const ENVIRONMENT = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' };

function run(command: string, args: readonly string[], account: Account | undefined, input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...identity(account),
      env: ENVIRONMENT,
      cwd: '/',
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    child.stderr.on('data', (data: Buffer) => (output += data.toString()));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve(output) : reject(new Error(output.trim().slice(-2_000)))));
  });
}

/** UTF8 with the C locale: byte order is the order of every key, on every platform. */
export async function initialise(launch: Launch, target: string, password: string): Promise<void> {
  const passwordFile = `${target}.password`;
  try {
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    if (launch.account !== undefined) await chown(passwordFile, launch.account.uid, launch.account.gid);
    const flags = [
      '-U',
      'freshet',
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
      '--no-instructions',
    ];
    await run(
      join(launch.binaries, 'bin', 'initdb'),
      ['-D', target, `--pwfile=${passwordFile}`, ...flags],
      launch.account,
    );
  } catch (cause) {
    throw new FreshetError(
      'POSTGRES_INIT_FAILED',
      'fatal',
      `The embedded PostgreSQL could not make its database in ${target}: ${(cause as Error).message.split('\n').at(-1) ?? ''}`,
      { cause },
    );
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/** For a data folder whose password file was lost: the single-user server asks for none. */
export async function setPassword(launch: Launch, password: string): Promise<void> {
  const statement = `ALTER ROLE freshet PASSWORD '${password}'\n`;
  await run(
    join(launch.binaries, 'bin', 'postgres'),
    ['--single', '-D', launch.cluster, 'postgres'],
    launch.account,
    statement,
  );
}

const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  wal_level: 'logical',
  max_wal_senders: '10',
  max_replication_slots: '10',
  max_connections: '50',
  // A slot nobody reads any more must not fill the disk; Freshet sees a lost slot and starts a new epoch.
  max_slot_wal_keep_size: '2GB',
  shared_buffers: '32MB',
  min_wal_size: '32MB',
  max_wal_size: '256MB',
  max_parallel_workers_per_gather: '0',
  jit: 'off',
  huge_pages: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // The log must hold no text of rows or statements.
  log_min_messages: 'warning',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
};

/**
 * The server's parent is a shell that waits for our end of a pipe to close: however we die, kill -9 included, the server is stopped with
 * a fast shutdown. `detached` keeps a terminal's Ctrl-C from it, so that the orderly shutdown can still read and commit.
 */
const WATCHDOG = `
"$@" 3<&- </dev/null & server=$!
( read -r _ <&3; kill -INT $server 2>/dev/null ) & watch=$!
wait $server; status=$?
kill $watch 2>/dev/null
exit $status`;

export interface RunningServer {
  readonly pid: number;
  stop(): Promise<void>;
  /** Resolves when the server is gone, wanted or not. */
  readonly exited: Promise<void>;
}

const hasExited = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;

export async function startServer(launch: Launch, port: number): Promise<RunningServer> {
  const settings = Object.entries({ ...SETTINGS, port: String(port) }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  const command = [join(launch.binaries, 'bin', 'postgres'), '-D', launch.cluster, ...settings];
  const log = await open(launch.logFile, 'w', 0o600);
  let child: ChildProcess;
  try {
    const options = { ...identity(launch.account), env: ENVIRONMENT, cwd: '/', detached: true };
    child =
      platform() === 'win32'
        ? spawn(command[0] as string, command.slice(1), { ...options, stdio: ['ignore', log.fd, log.fd] })
        : spawn('/bin/sh', ['-c', WATCHDOG, 'freshet-postgres', ...command], {
            ...options,
            stdio: ['ignore', log.fd, log.fd, 'pipe'],
          });
  } finally {
    await log.close();
  }
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  child.unref();
  const lifeline = child.stdio[3] as (NodeJS.WritableStream & { unref?: () => void; destroy: () => void }) | undefined;
  lifeline?.on('error', () => undefined);
  lifeline?.unref?.();

  const pid = await untilReady(launch, child, port);
  return {
    pid,
    exited,
    async stop() {
      child.ref();
      if (isAlive(pid) && !hasExited(child)) process.kill(pid, 'SIGINT');
      const stopped = await Promise.race([exited.then(() => true), sleep(15_000, false, { ref: false })]);
      if (!stopped && isAlive(pid)) process.kill(pid, 'SIGQUIT');
      await exited;
      lifeline?.destroy();
    },
  };
}

async function untilReady(launch: Launch, child: ChildProcess, port: number): Promise<number> {
  const deadline = Date.now() + 60_000;
  while (!hasExited(child) && child.pid !== undefined && Date.now() < deadline) {
    const file = await readPidFile(launch.cluster);
    if (file?.port === port && file.status === 'ready') return file.pid;
    await sleep(10);
  }
  if (child.pid !== undefined && !hasExited(child)) child.kill('SIGTERM');
  const lines = (await readFile(launch.logFile, 'utf8').catch(() => '')).trim().split('\n').slice(-3).join(' | ');
  throw new FreshetError(
    /could not bind|Address already in use|could not create any TCP\/IP sockets/.test(lines)
      ? 'POSTGRES_PORT_TAKEN'
      : 'POSTGRES_START_FAILED',
    'fatal',
    `The embedded PostgreSQL did not start: ${lines}. Its log is ${launch.logFile}.`,
    { details: { port } },
  );
}
