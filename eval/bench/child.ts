import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { BareStart, FromChild, ProductStart, ToChild, Usage, Visible } from './messages.ts';

/** A process of the bench: the product, or the bare loop. */
export interface Child extends AsyncDisposable {
  readonly api: string;
  /** When it began to answer, and when its first copy was in. */
  readonly startedAt: number;
  readonly ready: Promise<number>;
  onVisible(listener: (visible: Visible) => void): () => void;
  embed(text: string): Promise<number>;
  memoryLoop(perSecond: number, edits: number): Promise<readonly number[]>;
  usage(): Promise<Usage>;
}

const STOP_WITHIN_MS = 30_000;

type Call = { readonly type: 'embed'; readonly text: string } | { readonly type: 'usage' } | MemoryLoopCall;
type MemoryLoopCall = { readonly type: 'memory-loop'; readonly perSecond: number; readonly edits: number };

interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

function deferred<T>(): Deferred<T> {
  let settle: Omit<Deferred<T>, 'promise'> | undefined;
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }));
  return { promise, ...(settle as unknown as Omit<Deferred<T>, 'promise'>) };
}

/** Resolves once the child listens; its first copy may still be under way (`ready`). Rejects when it fails to start. */
export async function startChild(module: string, start: ProductStart | BareStart, profile?: string): Promise<Child> {
  const child = fork(fileURLToPath(new URL(`./${module}.ts`, import.meta.url)), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [...process.execArgv, ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`])],
  });
  const calls = new Map<number, (value: unknown) => void>();
  const listeners = new Set<(visible: Visible) => void>();
  let nextCall = 1;
  let stopping = false;
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));

  const listening = deferred<string>();
  const ready = deferred<number>();
  for (const promise of [listening.promise, ready.promise]) promise.catch(() => undefined);
  const fail = (error: Error): void => {
    listening.reject(error);
    ready.reject(error);
    if (!stopping) {
      console.error(`\nThe ${module} failed: ${error.message}`);
      process.exitCode = 1;
    }
  };
  child.once('exit', (code) => fail(new Error(`it ended with exit code ${code}`)));
  child.on('message', (message: FromChild) => {
    switch (message.type) {
      case 'visible':
        for (const listener of listeners) listener(message);
        return;
      case 'answer':
        calls.get(message.call)?.(message.value);
        calls.delete(message.call);
        return;
      case 'listening':
        return listening.resolve(message.api);
      case 'ready':
        listening.resolve('');
        return ready.resolve(message.at);
      case 'failed':
        return fail(new Error(message.message));
    }
  });
  const send = (message: ToChild): void => void child.send(message);
  const ask = <T>(message: Call): Promise<T> =>
    new Promise((resolve) => {
      const call = nextCall++;
      calls.set(call, (value) => resolve(value as T));
      send({ ...message, call });
    });

  send(start);
  const api = await listening.promise;
  const startedAt = Number(process.hrtime.bigint()) / 1e6;
  return {
    api,
    startedAt,
    ready: ready.promise,
    onVisible(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    embed: (text) => ask({ type: 'embed', text }),
    memoryLoop: (perSecond, edits) => ask({ type: 'memory-loop', perSecond, edits }),
    usage: () => ask({ type: 'usage' }),
    async [Symbol.asyncDispose]() {
      stopping = true;
      if (child.exitCode !== null) return;
      send({ type: 'stop' });
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}
