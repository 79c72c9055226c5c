import type { Lsn } from './lsn.ts';

/** What came over the wire and was not processed yet. A keepalive stands for its place in the stream. */
export type Queued =
  | { readonly kind: 'data'; readonly payload: Buffer }
  | { readonly kind: 'keepalive'; readonly walEnd: Lsn };

/** Bounded by bytes with hysteresis: full at the limit, open again at 80 % of it. Single consumer. */
export class FrameQueue {
  readonly #maxBytes: number;
  readonly #onFull: (full: boolean) => void;
  #items: Queued[] = [];
  #first = 0;
  #bytes = 0;
  #full = false;
  #waiter: (() => void) | undefined;
  #failure: unknown;

  constructor(maxBytes: number, onFull: (full: boolean) => void) {
    this.#maxBytes = maxBytes;
    this.#onFull = onFull;
  }

  get isEmpty(): boolean {
    return this.#first === this.#items.length;
  }

  get isFull(): boolean {
    return this.#full;
  }

  push(item: Queued): void {
    const last = this.#items.at(-1);
    if (item.kind === 'keepalive' && last?.kind === 'keepalive' && !this.isEmpty) this.#items.pop();
    this.#items.push(item);
    if (item.kind === 'data') this.#bytes += item.payload.length;
    if (!this.#full && this.#bytes >= this.#maxBytes) {
      this.#full = true;
      this.#onFull(true);
    }
    this.#waiter?.();
  }

  fail(error: unknown): void {
    this.#failure ??= error;
    this.#waiter?.();
  }

  /** Ends it now: what was not processed comes again on another connection. */
  close(error: unknown): void {
    this.#items = [];
    this.#first = 0;
    this.#bytes = 0;
    this.fail(error);
  }

  /** What was received before a failure is processed before it is thrown. */
  async next(): Promise<Queued> {
    while (this.isEmpty) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => (this.#waiter = resolve));
      this.#waiter = undefined;
    }
    const item = this.#items[this.#first] as Queued;
    this.#first += 1;
    if (item.kind === 'data') this.#bytes -= item.payload.length;
    if (this.#first === this.#items.length || this.#first > 4096) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    if (this.#full && this.#bytes <= this.#maxBytes * 0.8) {
      this.#full = false;
      this.#onFull(false);
    }
    return item;
  }
}
