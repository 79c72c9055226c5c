import type { Worker } from 'node:worker_threads';
import { abortedError, FreshetError } from '../../src/domain/errors.ts';
import type { StartWorker } from './worker-entry.ts';
import type { EmbedRequest, WorkerAnswer } from './worker-protocol.ts';

export interface WorkerPoolOptions {
  readonly startWorker: StartWorker;
  readonly workerData: unknown;
  readonly size: number;
  /** How long to leave a worker down after it failed to start, at first and at most. */
  readonly restartDelayMs?: { readonly first: number; readonly max: number };
}

export type Vectors = readonly Float32Array[];

export interface PoolTask {
  readonly ids: Int32Array<ArrayBuffer>;
  readonly lengths: Int32Array<ArrayBuffer>;
  /** Goes before waiting tasks that are not urgent. */
  readonly urgent: boolean;
  readonly signal: AbortSignal;
}

interface Job extends PoolTask {
  readonly number: number;
  settled: boolean;
  readonly resolve: (vectors: Vectors) => void;
  readonly reject: (error: FreshetError) => void;
}

/** One place for a worker thread. `idle` and `busy` have a loaded model; `down` waits until `retryAt`. */
interface Slot {
  state: 'down' | 'starting' | 'idle' | 'busy';
  worker: Worker | undefined;
  job: Job | undefined;
  failures: number;
  retryAtMs: number;
}

/**
 * A fixed number of worker threads, one task at a time each.
 *
 * - A worker that dies fails its task as `transient` and is replaced at once; one that cannot start is tried again with back-off, and
 *   while none is up or starting, tasks are refused as `transient` instead of waiting for ever.
 * - An aborted task is answered at once; a worker already computing it finishes in the background and its result is dropped.
 * - Idle workers do not keep the process alive.
 */
export class WorkerPool implements AsyncDisposable {
  readonly #options: WorkerPoolOptions;
  readonly #slots: readonly Slot[];
  readonly #waiting: Job[] = [];
  readonly #restartDelayMs: { readonly first: number; readonly max: number };
  #nextJob = 1;
  #disposed = false;
  #lastFailure = '';

  private constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#restartDelayMs = options.restartDelayMs ?? { first: 200, max: 10_000 };
    this.#slots = Array.from({ length: options.size }, () => ({
      state: 'down',
      worker: undefined,
      job: undefined,
      failures: 0,
      retryAtMs: 0,
    }));
  }

  /** Resolves when every worker has loaded its model. Throws MODEL_LOAD_FAILED (fatal). */
  static async start(options: WorkerPoolOptions): Promise<WorkerPool> {
    const pool = new WorkerPool(options);
    await Promise.all(pool.#slots.map((slot) => pool.#start(slot)));
    if (pool.#slots.every((slot) => slot.state === 'idle')) return pool;
    await pool[Symbol.asyncDispose]();
    throw new FreshetError(
      'MODEL_LOAD_FAILED',
      'fatal',
      `The embedding model could not be loaded: ${pool.#lastFailure}. Delete the model folder, so that it is fetched again, or choose another.`,
    );
  }

  run(task: PoolTask): Promise<Vectors> {
    if (this.#disposed) return Promise.reject(disposedError());
    if (task.signal.aborted) return Promise.reject(abortedError(task.signal));
    return new Promise((resolve, reject) => {
      const job: Job = { ...task, number: this.#nextJob++, settled: false, resolve, reject };
      task.signal.addEventListener('abort', () => this.#abort(job), { once: true });
      if (task.urgent) this.#waiting.splice(firstNotUrgent(this.#waiting), 0, job);
      else this.#waiting.push(job);
      this.#pump();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    for (const job of this.#waiting.splice(0)) settle(job, disposedError());
    await Promise.all(
      this.#slots.map(async (slot) => {
        if (slot.job !== undefined) settle(slot.job, disposedError());
        await slot.worker?.terminate();
      }),
    );
  }

  #abort(job: Job): void {
    if (job.settled) return;
    const at = this.#waiting.indexOf(job);
    if (at >= 0) this.#waiting.splice(at, 1);
    settle(job, abortedError(job.signal));
  }

  #pump(): void {
    if (this.#disposed || this.#waiting.length === 0) return;
    for (const slot of this.#slots) {
      if (slot.state === 'idle') {
        const job = this.#waiting.shift();
        if (job === undefined) return;
        this.#give(slot, job);
      } else if (slot.state === 'down' && performance.now() >= slot.retryAtMs) void this.#start(slot);
    }
    if (this.#slots.some((slot) => slot.state !== 'down')) return;
    for (const job of this.#waiting.splice(0)) {
      const message = `No embedding worker is running (${this.#lastFailure}); they are started again by themselves.`;
      settle(job, new FreshetError('EMBED_ENGINE_DOWN', 'transient', message));
    }
  }

  #give(slot: Slot, job: Job): void {
    slot.state = 'busy';
    slot.job = job;
    slot.worker?.ref();
    const request: EmbedRequest = { job: job.number, ids: job.ids, lengths: job.lengths };
    slot.worker?.postMessage(request, [job.ids.buffer, job.lengths.buffer]);
  }

  /** Resolves when the worker is ready or has failed; never rejects. */
  #start(slot: Slot): Promise<void> {
    slot.state = 'starting';
    const worker = this.#options.startWorker({ workerData: this.#options.workerData });
    slot.worker = worker;
    return new Promise((resolve) => {
      worker.on('message', (answer: WorkerAnswer) => {
        this.#hear(slot, answer);
        resolve();
      });
      // 'error' is always followed by 'exit', which does the work.
      worker.on('error', (error) => {
        this.#lastFailure = error.message;
      });
      worker.on('exit', (code) => {
        this.#exited(slot, code);
        resolve();
      });
    });
  }

  #hear(slot: Slot, answer: WorkerAnswer): void {
    switch (answer.type) {
      case 'ready':
        slot.failures = 0;
        this.#release(slot);
        return;
      case 'failed-to-load':
        this.#lastFailure = answer.message;
        // 'exit' follows and books the failure.
        void slot.worker?.terminate();
        return;
      case 'done':
        if (slot.job !== undefined) settle(slot.job, answer.vectors);
        this.#release(slot);
        return;
      case 'refused':
        if (slot.job !== undefined) settle(slot.job, refusedError(slot.job, answer.message));
        this.#release(slot);
        return;
    }
  }

  #release(slot: Slot): void {
    slot.state = 'idle';
    slot.job = undefined;
    slot.worker?.unref();
    this.#pump();
  }

  #exited(slot: Slot, code: number): void {
    const wasStarting = slot.state === 'starting';
    const job = slot.job;
    slot.state = 'down';
    slot.worker = undefined;
    slot.job = undefined;
    if (this.#disposed) return;
    if (this.#lastFailure === '') this.#lastFailure = `it ended with code ${code}`;
    if (wasStarting) {
      slot.failures++;
      slot.retryAtMs =
        performance.now() + Math.min(this.#restartDelayMs.max, this.#restartDelayMs.first * 2 ** (slot.failures - 1));
    } else void this.#start(slot);
    if (job !== undefined) {
      const message = `The embedding worker ended (code ${code}) while it worked on ${job.lengths.length} texts; it is being replaced.`;
      settle(job, new FreshetError('EMBED_WORKER_CRASHED', 'transient', message, { details: { code } }));
    }
    this.#pump();
  }
}

function settle(job: Job, outcome: Vectors | FreshetError): void {
  if (job.settled) return;
  job.settled = true;
  if (outcome instanceof FreshetError) job.reject(outcome);
  else job.resolve(outcome);
}

function firstNotUrgent(jobs: readonly Job[]): number {
  const at = jobs.findIndex((job) => !job.urgent);
  return at < 0 ? jobs.length : at;
}

function disposedError(): FreshetError {
  return new FreshetError('EMBED_DISPOSED', 'aborted', 'The embedder was shut down.');
}

/** onnxruntime's message names operators and shapes, never text: it saw only numbers. */
function refusedError(job: Job, message: string): FreshetError {
  return new FreshetError('EMBED_REFUSED', 'poison', `The embedding model refused a batch: ${message}`, {
    details: { texts: job.lengths.length },
  });
}
