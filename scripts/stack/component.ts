import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, chmodSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StackError, toStderr, type Report } from './error.ts';
import { family, isAlive, signalEach } from './family.ts';
import { missing } from './tools.ts';

/** A real server of the stack, on loopback. Every method may be called in any state. */
export interface Component extends AsyncDisposable {
  readonly name: string;
  /** Standard output and error of every run, one after the other. */
  readonly logPath: string;
  readonly pid: number | undefined;
  /** On the same data and ports. Resolves when it answers; does nothing while it runs. */
  start(): Promise<void>;
  /** Orderly. Kills what does not leave in time. */
  stop(): Promise<void>;
  /** `kill -9` of the whole family at once, as when memory runs out or a machine is lost. */
  kill9(): Promise<void>;
  /** SIGSTOP: connections stay open and nobody answers. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  restart(): Promise<void>;
}

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Account to run as; only root can ask for one. */
  readonly account?: string;
}

export interface ComponentSpec {
  readonly name: string;
  /** Holds data and log; deleted when the component is disposed of. */
  readonly folder: string;
  readonly command: () => Promise<Command>;
  /** Whether it answers. What it throws means not yet. */
  readonly ready: () => Promise<boolean>;
  readonly stopSignal?: NodeJS.Signals;
  readonly readyMs?: number;
  readonly stopMs?: number;
  readonly report?: Report | undefined;
}

const READY_MS = 120_000;
const STOP_MS = 30_000;
const PROBE_MS = 100;

/** A folder for data and log that another account can reach (PostgreSQL refuses to run as root). */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `freshet-stack-${name}-`));
  chmodSync(folder, 0o755);
  return folder;
}

export async function startComponent(spec: ComponentSpec): Promise<Component> {
  const component = createComponent(spec);
  try {
    await component.start();
    return component;
  } catch (error) {
    await component[Symbol.asyncDispose]();
    throw error;
  }
}

function createComponent(spec: ComponentSpec): Component {
  const { name, folder, ready, stopSignal = 'SIGTERM', readyMs = READY_MS, stopMs = STOP_MS, report = toStderr } = spec;
  const logPath = join(folder, 'log');
  let child: ChildProcess | undefined;
  const running = (): ChildProcess | undefined =>
    child?.exitCode === null && child.signalCode === null ? child : undefined;
  const members = (): readonly number[] => {
    const pid = running()?.pid;
    return pid === undefined ? [] : family(pid);
  };
  const onParentExit = (): void => {
    signalEach(members(), 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };

  /** Every member: a server that starts again while a child of the last one lives finds its port or its data taken. */
  const gone = async (pids: readonly number[], withinMs: number): Promise<boolean> => {
    for (let waited = 0; pids.some(isAlive); waited += 20) {
      if (waited >= withinMs) return false;
      await sleep(20);
    }
    const parent = running();
    if (parent !== undefined && !isAlive(parent.pid as number)) await once(parent, 'exit');
    return true;
  };

  const failed = (what: string): StackError => {
    const tail = readFileSync(logPath, 'utf8').trimEnd().split('\n').slice(-20).join('\n');
    return new StackError(`${name} ${what}. The end of its log:\n${tail}`);
  };

  const component: Component = {
    name,
    logPath,
    get pid() {
      return running()?.pid;
    },
    async start() {
      if (running() !== undefined) return;
      const startedAt = performance.now();
      child = await launch(await spec.command(), logPath);
      for (;;) {
        if (running() === undefined)
          throw failed(`ended with ${child.exitCode ?? child.signalCode} before it was ready`);
        if (await ready().catch(() => false)) break;
        if (performance.now() - startedAt > readyMs) throw failed(`did not answer within ${readyMs / 1000} s`);
        await sleep(PROBE_MS);
      }
      report(`${name} is up (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`);
    },
    async stop() {
      const pids = members();
      if (pids.length === 0) return;
      component.resume();
      signalEach(pids.slice(0, 1), stopSignal);
      if (await gone(pids, stopMs)) return;
      report(`${name} did not stop within ${stopMs / 1000} s: killed`);
      await component.kill9();
    },
    async kill9() {
      // Stopped first, so that nobody forks a new member while the list is worked through.
      component.pause();
      const pids = members();
      signalEach(pids, 'SIGKILL');
      if (!(await gone(pids, STOP_MS))) throw new StackError(`${name} outlives SIGKILL: ${pids.join(', ')}.`);
    },
    pause() {
      signalEach(members(), 'SIGSTOP');
    },
    resume() {
      signalEach([...members()].reverse(), 'SIGCONT');
    },
    async restart() {
      await component.stop();
      await component.start();
    },
    async [Symbol.asyncDispose]() {
      process.off('exit', onParentExit);
      await component.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  process.on('exit', onParentExit);
  return component;
}

/**
 * Starts a process that the kernel kills when this one ends, however it ends (prctl PR_SET_PDEATHSIG, set by setpriv after it changed the
 * account: changing it clears the setting). In a session of its own, so that Ctrl-C stops it in order, by us, and not at once.
 */
async function launch({ command, args, env, account }: Command, logPath: string): Promise<ChildProcess> {
  const as = account === undefined ? [] : [`--reuid=${account}`, `--regid=${account}`, '--init-groups'];
  const log = openSync(logPath, 'a');
  try {
    const child = spawn('setpriv', [...as, '--pdeathsig', 'KILL', '--', command, ...args], {
      stdio: ['ignore', log, log],
      detached: true,
      env: { ...process.env, ...env },
    });
    await once(child, 'spawn').catch((error: unknown) => {
      throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? missing('setpriv') : error;
    });
    return child;
  } finally {
    closeSync(log);
  }
}
