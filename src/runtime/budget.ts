import { abortedError, throwIfAborted } from '../domain/errors.ts';

export interface BudgetLimits {
  readonly count: number;
  readonly bytes: number;
}

/** Reading resumes once usage fell to this share of the limit, so that the reader does not stutter at the edge. */
const RESUME_SHARE = 0.8;

/**
 * Bounds what is in flight by count and bytes (invariant 7), with hysteresis. One item larger than the byte limit is let through alone.
 */
export class Budget {
  readonly #limits: BudgetLimits;
  #count = 0;
  #bytes = 0;
  #paused = false;
  #waiters: (() => void)[] = [];

  constructor(limits: BudgetLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Takes its share at once and then waits while the budget is overdrawn: what was read is never unaccounted for. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    this.#count += 1;
    this.#bytes += bytes;
    throwIfAborted(signal);
    if (this.#count >= this.#limits.count || this.#bytes >= this.#limits.bytes) this.#paused = true;
    while (this.#paused) await this.#released(signal);
  }

  give(bytes: number): void {
    this.#count -= 1;
    this.#bytes -= bytes;
    if (!this.#paused) return;
    const low =
      this.#count <= Math.floor(this.#limits.count * RESUME_SHARE) && this.#bytes <= this.#limits.bytes * RESUME_SHARE;
    if (!low && this.#count > 0) return;
    this.#paused = false;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  #released(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(abortedError(signal));
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
    });
  }
}
