/** What to do with an item that arrives behind a waiting one of the same key. */
export type Coalesced<T> = { readonly action: 'append' } | { readonly action: 'replace'; readonly item: T };

export interface LaneOptions<T> {
  /** Handles one item at a time per key. A rejection stops that lane and is reported once to `onFailure`; nothing after it runs. */
  readonly handle: (item: T) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
  /** Decides between the newest *waiting* item of a key (never the one being handled) and the incoming one. */
  readonly coalesce?: (waiting: T, incoming: T) => Coalesced<T>;
}

/**
 * One queue per key: order within a key, parallelism across keys. A lane exists only while it has work. How much may wait is bounded by
 * the caller's budget, not here.
 */
export class KeyedLanes<T> {
  readonly #options: LaneOptions<T>;
  readonly #waiting = new Map<string, T[]>();
  #failed = false;
  #idleWaiters: (() => void)[] = [];

  constructor(options: LaneOptions<T>) {
    this.#options = options;
  }

  /** Lanes with work, the one being handled included. */
  get active(): number {
    return this.#waiting.size;
  }

  push(key: string, item: T): void {
    const queue = this.#waiting.get(key);
    if (queue === undefined) {
      const lane: T[] = [];
      this.#waiting.set(key, lane);
      void this.#work(key, lane, item);
      return;
    }
    const last = queue.at(-1);
    if (last !== undefined && this.#options.coalesce !== undefined) {
      const decision = this.#options.coalesce(last, item);
      if (decision.action === 'replace') {
        queue[queue.length - 1] = decision.item;
        return;
      }
    }
    queue.push(item);
  }

  /** Resolves when no lane has work, or at once after a failure (what waits then never runs). */
  async idle(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#failed) {
      await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
    }
  }

  async #work(key: string, queue: T[], first: T): Promise<void> {
    try {
      for (let item: T | undefined = first; item !== undefined && !this.#failed; item = queue.shift()) {
        await this.#options.handle(item);
      }
    } catch (error) {
      if (!this.#failed) {
        this.#failed = true;
        this.#options.onFailure(error);
      }
    }
    this.#waiting.delete(key);
    if (this.#waiting.size === 0 || this.#failed) this.#wakeIdle();
  }

  #wakeIdle(): void {
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const wake of waiters) wake();
  }
}
