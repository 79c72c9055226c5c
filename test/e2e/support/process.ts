import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, ROOT } from './build.ts';

const BIN = join(ROOT, 'bin/freshet.js');

// While the file is imported: compiling takes as long as it takes, and is no test's time.
await ensureBuilt();

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A real `freshet` process, with all it wrote. */
export interface Run {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly exited: Promise<Exit>;
  stdout(): string;
  stderr(): string;
  /** Resolves once the output holds the text; rejects when the process ends without it. */
  said(text: string | RegExp, withinMs?: number): Promise<void>;
}

export interface RunSettings {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** For what comes in a moment on an idle machine: other test files may have the cores just now. */
const PATIENCE_MS = 45_000;

/** Only what a process needs: no setting of the machine that runs the tests. */
const surroundings = (): Record<string, string> =>
  Object.fromEntries(['PATH', 'HOME', 'TMPDIR', 'LANG'].flatMap((name) => entry(name, process.env[name])));

const entry = (name: string, value: string | undefined): [string, string][] =>
  value === undefined ? [] : [[name, value]];

export function spawnFreshet(args: readonly string[], { cwd, env }: RunSettings): Run {
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd,
    env: { ...surroundings(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // A test that failed halfway must leave nothing running.
  const killWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', killWithUs);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  let over = false;
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      over = true;
      process.off('exit', killWithUs);
      resolve({ code, signal });
    });
  });
  return {
    child,
    pid: child.pid as number,
    exited,
    stdout: () => stdout,
    stderr: () => stderr,
    async said(text, withinMs = PATIENCE_MS) {
      const holds = (output: string): boolean => (typeof text === 'string' ? output.includes(text) : text.test(output));
      await until(
        () => {
          if (holds(stdout + stderr)) return true;
          if (over) throw new Error(`It ended without saying ${String(text)}:\n${stdout}\n${stderr}`);
          return false;
        },
        `the output ${String(text)}`,
        withinMs,
      );
    },
  };
}

export interface Ended extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export async function freshet(args: readonly string[], settings: RunSettings): Promise<Ended> {
  const run = spawnFreshet(args, settings);
  const exit = await run.exited;
  return { ...exit, stdout: run.stdout(), stderr: run.stderr() };
}

/** Polls until the condition holds. */
export async function until<T>(
  probe: () => T | Promise<T>,
  what: string,
  withinMs = PATIENCE_MS,
  everyMs = 20,
): Promise<NonNullable<Awaited<T>>> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const found = await probe();
    if (found) return found as NonNullable<Awaited<T>>;
    if (Date.now() > deadline) throw new Error(`Waited ${withinMs} ms in vain for ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
