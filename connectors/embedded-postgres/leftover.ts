import { readFile, rm } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { platform } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { FreshetError } from '../../src/domain/errors.ts';

export interface PidFile {
  readonly pid: number;
  readonly port: number;
  /** `starting`, `ready`, `stopping`, … */
  readonly status: string;
}

/** postmaster.pid, one value per line: pid, data folder, start time, port, socket folder, address, shared memory, status. */
export async function readPidFile(cluster: string): Promise<PidFile | undefined> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return { pid, port: Number(lines[3]), status: (lines[7] ?? '').trim() };
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The command line of a process, to tell our server from a stranger that got its pid after a reboot. */
async function commandLine(pid: number): Promise<string> {
  if (platform() === 'linux')
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
  if (platform() === 'win32') return '';
  try {
    return execFileSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

/** Field 22 of /proc/<pid>/stat: with the pid it names a process for as long as the machine runs. */
export async function startTime(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

const OWNER_FILE = 'running-for.json';

export const inUse = (pid: number): FreshetError =>
  new FreshetError(
    'POSTGRES_IN_USE',
    'fatal',
    `Process ${pid} already runs the embedded PostgreSQL of this data folder. Stop it first, or choose another --data-dir.`,
    { details: { pid } },
  );

/** Refuses while another living Freshet runs this cluster, and takes it over otherwise. */
export async function ensureSoleOwner(parent: string): Promise<void> {
  const text = await readFile(join(parent, OWNER_FILE), 'utf8').catch(() => undefined);
  if (text === undefined) return;
  let owner: { pid: number; startTime: string };
  try {
    owner = JSON.parse(text) as typeof owner;
  } catch {
    return;
  }
  if (owner.pid === process.pid || !isAlive(owner.pid) || (await startTime(owner.pid)) !== owner.startTime) return;
  throw inUse(owner.pid);
}

export const ownerFile = (parent: string) => join(parent, OWNER_FILE);

/**
 * After a kill -9 of Freshet its watchdog stops the server a moment later; a machine that lost power leaves only the pid file. Waits for
 * the first, stops what does not stop, removes the second.
 */
export async function clearLeftover(cluster: string, log: (line: string) => void): Promise<void> {
  const left = await readPidFile(cluster);
  if (left === undefined) return;
  const isOurs = isAlive(left.pid) && /postgres/.test(await commandLine(left.pid));
  if (isOurs) {
    log(`A PostgreSQL server (process ${left.pid}) was left running for this data folder; stopping it first.`);
    // SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one.
    for (const [signal, waitMs] of [
      [undefined, 1_000],
      ['SIGINT', 10_000],
      ['SIGQUIT', 5_000],
    ] as const) {
      if (signal !== undefined && isAlive(left.pid)) process.kill(left.pid, signal);
      for (let waited = 0; waited < waitMs && isAlive(left.pid); waited += 20) await sleep(20);
    }
    if (isAlive(left.pid)) {
      throw new FreshetError(
        'POSTGRES_LEFTOVER',
        'fatal',
        `A PostgreSQL server left running (process ${left.pid}) does not stop. End that process, then start again.`,
        { details: { pid: left.pid } },
      );
    }
  }
  await rm(join(cluster, 'postmaster.pid'), { force: true });
}
