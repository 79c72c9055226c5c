import type { Redacted } from '../domain/document.ts';
import { abortedError, codeOf, FreshetError, kindOf, throwIfAborted } from '../domain/errors.ts';
import type { Observer } from '../observability/events.ts';
import type { Clock } from '../ports/clock.ts';
import type { Embedder } from '../ports/embedder.ts';
import { backoffMs, RECOVERY_BACKOFF } from '../runtime/backoff.ts';
import { cutBatch, type FairQueue, createFairQueue, type QueuedText } from './fair-queue.ts';

export type EmbedClass = 'live' | 'backfill';

export interface EmbedInput {
  readonly text: Redacted<string>;
  /** By the embedder's tokenizer; only used to sort and cut batches. */
  readonly tokens: number;
}

/**
 * Embedding across all lanes, without timers: an idle engine runs at once, what arrives while it is busy is the next batch. Live edits go
 * before backfill, documents take turns within a class, batches are sorted by length and cut by padded tokens.
 */
export interface EmbedQueue {
  readonly fingerprint: string;
  readonly dimensions: number;
  /** Vectors in the order of `inputs`. Rejects as a whole with the first input's error; never retried by the caller. */
  embedDocument(inputs: readonly EmbedInput[], kind: EmbedClass, signal: AbortSignal): Promise<readonly Float32Array[]>;
  embedQuery(text: Redacted<string>, signal: AbortSignal): Promise<Float32Array>;
  readonly down: boolean;
  readonly queued: number;
}

/** Backfill gets every n-th batch even under a flood of live edits, so that a snapshot always ends. */
const BACKFILL_SHARE = 8;
const PROBE_TEXT = 'freshet probe' as Redacted<string>;

export function createEmbedQueue(deps: {
  readonly embedder: Embedder;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly random: () => number;
  /** Ends the queue's own work (probes, running batches). */
  readonly signal: AbortSignal;
}): EmbedQueue {
  const { embedder, clock, observer, random, signal: life } = deps;
  const queues: Record<EmbedClass, FairQueue> = { live: createFairQueue(), backfill: createFairQueue() };
  let running = 0;
  let batchesSinceBackfill = 0;
  let downSince: number | undefined;
  let probing = false;
  /** Counts calls that succeeded: the witness that tells a poison text from an engine that is down. */
  let successes = 0;

  const takeBatch = (): QueuedText[] => {
    const { live, backfill } = queues;
    const preferBackfill = live.size === 0 || (backfill.size > 0 && batchesSinceBackfill >= BACKFILL_SHARE);
    batchesSinceBackfill = preferBackfill ? 0 : batchesSinceBackfill + 1;
    return cutBatch(preferBackfill ? backfill : live, embedder.maxBatchTokens);
  };

  const pump = (): void => {
    while (downSince === undefined && running < embedder.concurrency && queues.live.size + queues.backfill.size > 0) {
      const batch = takeBatch();
      if (batch.length === 0) continue;
      running += 1;
      void runBatch(batch).finally(() => {
        running -= 1;
        pump();
      });
    }
  };

  const runBatch = async (batch: readonly QueuedText[]): Promise<void> => {
    const started = clock.monotonic();
    const witness = successes;
    try {
      const vectors = await embedder.embed(
        batch.map((item) => item.text),
        'document',
        life,
      );
      successes += 1;
      for (const [at, item] of batch.entries()) item.done(vectors[at] as Float32Array);
      const longest = batch.reduce((most, item) => Math.max(most, item.tokens), 0);
      observer.emit({
        type: 'embed-batch',
        texts: batch.length,
        tokens: longest * batch.length,
        ms: clock.monotonic() - started,
        queued: queues.live.size + queues.backfill.size,
      });
    } catch (error) {
      await batchFailed(batch, error, witness);
    }
  };

  /** Halves a refused batch until the culprit stands alone; an engine that is away keeps the whole batch for later. */
  const batchFailed = async (batch: readonly QueuedText[], error: unknown, witness: number): Promise<void> => {
    const kind = kindOf(error);
    if (life.aborted || kind === 'aborted' || kind === 'fatal') {
      for (const item of batch) item.failed(life.aborted ? abortedError(life) : error);
      return;
    }
    if (kind === 'transient' || kind === 'stale') {
      putBack(batch);
      await outage(error);
      return;
    }
    if (batch.length > 1) {
      const middle = Math.ceil(batch.length / 2);
      await runBatch(batch.slice(0, middle));
      await runBatch(batch.slice(middle));
      return;
    }
    // Alone and refused. It is poison only if the engine answers others: something succeeded meanwhile, or the probe does now.
    if (successes > witness || (await probe())) for (const item of batch) item.failed(error);
    else {
      putBack(batch);
      await outage(error);
    }
  };

  const putBack = (batch: readonly QueuedText[]): void => {
    for (const item of [...batch].reverse()) queues[item.kind].putBack(item);
  };

  const probe = async (): Promise<boolean> => {
    try {
      await embedder.embed([PROBE_TEXT], 'document', life);
      successes += 1;
      return true;
    } catch {
      // The answer is in the return value; the outage that follows reports the cause.
      return false;
    }
  };

  /** One shared probe finds the recovery; until then nothing is sent and nothing is dead-lettered. */
  const outage = async (error: unknown): Promise<void> => {
    if (downSince === undefined) {
      downSince = clock.monotonic();
      observer.emit({ type: 'outage-began', what: 'embedder', code: codeOf(error), forMs: 0 });
    }
    if (probing) return;
    probing = true;
    try {
      for (let attempt = 1; !life.aborted; attempt += 1) {
        const delayMs = backoffMs(attempt, RECOVERY_BACKOFF, random());
        observer.emit({ type: 'retry', what: 'embedder', code: codeOf(error), attempt, delayMs });
        await clock.sleep(delayMs, life);
        if (!(await probe())) continue;
        observer.emit({
          type: 'outage-ended',
          what: 'embedder',
          code: 'RECOVERED',
          forMs: clock.monotonic() - downSince,
        });
        downSince = undefined;
        return;
      }
    } catch (failure) {
      if (kindOf(failure) !== 'aborted') throw failure;
    } finally {
      probing = false;
      if (life.aborted) {
        for (const queue of Object.values(queues)) queue.failAll(abortedError(life));
      }
    }
  };

  return {
    fingerprint: embedder.fingerprint,
    dimensions: embedder.dimensions,
    get down() {
      return downSince !== undefined;
    },
    get queued() {
      return queues.live.size + queues.backfill.size;
    },
    embedDocument(inputs, kind, signal) {
      if (inputs.length === 0) return Promise.resolve([]);
      throwIfAborted(signal);
      throwIfAborted(life);
      const result = queues[kind].submit(inputs, kind, signal);
      pump();
      return result;
    },
    async embedQuery(text, signal) {
      if (downSince !== undefined) {
        throw new FreshetError(
          'EMBEDDER_DOWN',
          'transient',
          'The embedding engine is down; the query was not embedded.',
        );
      }
      const [vector] = await embedder.embed([text], 'query', signal);
      if (vector === undefined)
        throw new FreshetError('EMBEDDER_EMPTY_ANSWER', 'transient', 'The embedder gave no vector.');
      return vector;
    },
  };
}
