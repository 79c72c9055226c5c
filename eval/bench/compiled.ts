import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const CACHE = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url));

/** A module as plain JavaScript, as the product is shipped: tsx keeps the names of functions, which costs a fast path a tenth of its speed. */
export interface Compiled extends AsyncDisposable {
  fork(args: readonly string[], execArgv?: readonly string[]): ChildProcess;
}

export async function compile(module: string): Promise<Compiled> {
  const folder = await mkdtemp(join(CACHE, 'bench-'));
  const outfile = join(folder, `${module}.mjs`);
  await build({
    entryPoints: [fileURLToPath(new URL(`./${module}.ts`, import.meta.url))],
    ...{ outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', packages: 'external' },
  });
  return {
    fork: (args, execArgv = []) =>
      fork(outfile, [...args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: [...execArgv] }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

interface Message<T> {
  readonly type: string;
  readonly value?: T;
}

/** What the child says at its end. Everything else it says goes to `onMessage`. */
export async function resultOf<T>(child: ChildProcess, onMessage: (message: unknown) => void = () => {}): Promise<T> {
  let result: { readonly value: T } | undefined;
  child.on('message', (message: Message<T>) => {
    if (message.type === 'result') result = { value: message.value as T };
    else onMessage(message);
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (result === undefined) throw new Error(`A child process of the bench ended without a result (exit code ${code}).`);
  return result.value;
}
