import type { Worker } from 'node:worker_threads';
import { abortedError, FreshetError } from '../../src/domain/errors.ts';
import type { StartWorker } from './worker-entry.ts';
import type { EmbedRequest, WorkerAnswer } from './worker-protocol.ts';

export interface WorkerPoolOptions {
  readonly startWorker: StartWorker;
  readonly workerData: unknown;
  readonly size: number;
  /** What a person can do when no worker can load its model. */
  readonly mend: string;
  /** How long to leave a worker down after it failed to start, at first and at most. */
  readonly restartDelayMs?: { readonly first: number; readonly max: number };
}

export type Vectors = readonly Float32Array[];

export interface Batch {
  readonly ids: Int32Array<ArrayBuffer>;
  readonly lengths: Int32Array<ArrayBuffer>;
}

export interface CallOptions {
  /** Goes before waiting batches that are not urgent. */
  readonly urgent: boolean;
  readonly signal: AbortSignal;
}

/** The batches of one caller succeed or fail together. */
interface Call {
  readonly urgent: boolean;
  readonly results: Vectors[];
  missing: number;
  settled: boolean;
  readonly settle: (outcome: readonly Vectors[] | FreshetError) => void;
}

interface Job extends Batch {
  readonly number: number;
  /** Which batch of the call it is. */
  readonly at: number;
  readonly call: Call;
}

/** One place for a worker thread. `idle` and `busy` have a loaded model; `down` waits until `retryAt`. */
interface Slot {
  state: 'down' | 'starting' | 'idle' | 'busy';
  worker: Worker | undefined;
  job: Job | undefined;
  /** What the worker said before it ended. */
  lastWords: string | undefined;
  failures: number;
  retryAtMs: number;
}

/**
 * A fixed number of worker threads, one batch at a time each.
 *
 * - A worker that dies fails its call as `transient` and is replaced at once; one that cannot start is tried again with back-off, and
 *   while none is up or starting, calls are refused as `transient` instead of waiting for ever.
 * - An aborted or failed call is answered at once; a worker already computing for it finishes and its result is dropped.
 * - Idle workers do not keep the process alive.
 */
export class WorkerPool implements AsyncDisposable {
  readonly #options: WorkerPoolOptions;
  readonly #slots: readonly Slot[];
  #waiting: Job[] = [];
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
      lastWords: undefined,
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
      `The embedding model could not be loaded: ${pool.#lastFailure}. ${options.mend}`,
    );
  }

  /** The vectors of each batch, in order. The batches' buffers are transferred away. */
  run(batches: readonly Batch[], { urgent, signal }: CallOptions): Promise<readonly Vectors[]> {
    if (this.#disposed) return Promise.reject(disposedError());
    if (signal.aborted) return Promise.reject(abortedError(signal));
    if (batches.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const abort = (): void => call.settle(abortedError(signal));
      const call: Call = {
        urgent,
        results: new Array<Vectors>(batches.length),
        missing: batches.length,
        settled: false,
        settle: (outcome) => {
          if (call.settled) return;
          call.settled = true;
          signal.removeEventListener('abort', abort);
          this.#waiting = this.#waiting.filter((job) => job.call !== call);
          if (outcome instanceof FreshetError) reject(outcome);
          else resolve(outcome);
        },
      };
      signal.addEventListener('abort', abort, { once: true });
      const jobs = batches.map((batch, at): Job => ({ ...batch, number: this.#nextJob++, at, call }));
      if (urgent) this.#waiting.splice(firstNotUrgent(this.#waiting), 0, ...jobs);
      else this.#waiting.push(...jobs);
      this.#pump();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    for (const job of [...this.#waiting]) job.call.settle(disposedError());
    await Promise.all(
      this.#slots.map(async (slot) => {
        slot.job?.call.settle(disposedError());
        await slot.worker?.terminate();
      }),
    );
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
    for (const { call } of [...this.#waiting]) {
      const message = `No embedding worker is running (${this.#lastFailure}); they are started again by themselves.`;
      call.settle(new FreshetError('EMBED_ENGINE_DOWN', 'transient', message));
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
        slot.lastWords = error.message;
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
        slot.lastWords = answer.message;
        // 'exit' follows and books the failure.
        void slot.worker?.terminate();
        return;
      case 'done':
        if (slot.job !== undefined) complete(slot.job, answer.vectors);
        this.#release(slot);
        return;
      case 'refused':
        slot.job?.call.settle(refusedError(slot.job, answer.message));
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
    this.#lastFailure = slot.lastWords ?? `it ended with code ${code}`;
    slot.lastWords = undefined;
    if (wasStarting) {
      slot.failures++;
      slot.retryAtMs =
        performance.now() + Math.min(this.#restartDelayMs.max, this.#restartDelayMs.first * 2 ** (slot.failures - 1));
    } else void this.#start(slot);
    if (job !== undefined) {
      const message = `The embedding worker ended (code ${code}) while it worked on ${job.lengths.length} texts; it is being replaced.`;
      job.call.settle(new FreshetError('EMBED_WORKER_CRASHED', 'transient', message, { details: { code } }));
    }
    this.#pump();
  }
}

function complete({ call, at }: Job, vectors: Vectors): void {
  call.results[at] = vectors;
  call.missing--;
  if (call.missing === 0) call.settle(call.results);
}

function firstNotUrgent(jobs: readonly Job[]): number {
  const at = jobs.findIndex((job) => !job.call.urgent);
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
