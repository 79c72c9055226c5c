import type { Delivery } from '../../src/domain/change.ts';
import { throwIfAborted } from '../../src/domain/errors.ts';

export type Lane = 'stream' | 'snapshot';

/** So that a table being copied still moves while edits never stop. */
const STREAM_RUN_MAX = 16;

interface Queue {
  readonly items: Delivery[];
  bytes: number;
  readonly waiting: (() => void)[];
}

/**
 * Between the tasks that read from the server and the one consumer: bounded per lane, fresh edits before the snapshot. A push waits
 * while its lane is full, which in the end pauses the socket.
 */
export class Outbox {
  readonly #maxBytes: number;
  readonly #maxItems: number;
  readonly #queues: Record<Lane, Queue> = {
    stream: { items: [], bytes: 0, waiting: [] },
    snapshot: { items: [], bytes: 0, waiting: [] },
  };
  #taker: (() => void) | undefined;
  #streamRun = 0;
  #end: { readonly error: unknown } | undefined;

  constructor(limits: { readonly maxBytes: number; readonly maxItems: number }) {
    this.#maxBytes = limits.maxBytes;
    this.#maxItems = limits.maxItems;
  }

  get size(): number {
    return this.#queues.stream.items.length + this.#queues.snapshot.items.length;
  }

  async push(lane: Lane, delivery: Delivery, signal: AbortSignal): Promise<void> {
    const queue = this.#queues[lane];
    while (
      queue.items.length >= this.#maxItems ||
      (queue.items.length > 0 && queue.bytes + delivery.bytes > this.#maxBytes)
    ) {
      throwIfAborted(signal);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener('abort', wake);
          resolve();
        };
        queue.waiting.push(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
    throwIfAborted(signal);
    queue.items.push(delivery);
    queue.bytes += delivery.bytes;
    this.#taker?.();
  }

  /** The next delivery; undefined once ended. Throws what it was ended with. */
  async take(): Promise<Delivery | undefined> {
    for (;;) {
      if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return undefined;
      }
      const lane = this.#pick();
      if (lane !== undefined) {
        const queue = this.#queues[lane];
        const delivery = queue.items.shift() as Delivery;
        queue.bytes -= delivery.bytes;
        for (const wake of queue.waiting.splice(0)) wake();
        return delivery;
      }
      await new Promise<void>((resolve) => (this.#taker = resolve));
      this.#taker = undefined;
    }
  }

  #pick(): Lane | undefined {
    const { stream, snapshot } = this.#queues;
    const preferSnapshot = this.#streamRun >= STREAM_RUN_MAX && snapshot.items.length > 0;
    if (stream.items.length > 0 && !preferSnapshot) {
      this.#streamRun += 1;
      return 'stream';
    }
    if (snapshot.items.length === 0) return undefined;
    this.#streamRun = 0;
    return 'snapshot';
  }

  /** What is still queued is dropped: it was never handed over, so it comes again. */
  end(error?: unknown): void {
    this.#end ??= { error };
    this.clear();
    this.#taker?.();
  }

  clear(): void {
    for (const queue of Object.values(this.#queues)) {
      queue.items.length = 0;
      queue.bytes = 0;
      for (const wake of queue.waiting.splice(0)) wake();
    }
  }
}
