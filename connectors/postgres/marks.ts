import { throwIfAborted } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Lsn } from './lsn.ts';

/** A number that only grows, and those who wait for it. */
export class Watermark {
  readonly #clock: Clock;
  #value: Lsn | undefined;
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get value(): Lsn | undefined {
    return this.#value;
  }

  has(lsn: Lsn): boolean {
    return this.#value !== undefined && this.#value >= lsn;
  }

  /** `reset` after a restore, when the log itself went back. */
  set(value: Lsn, reset = false): void {
    if (!reset && this.#value !== undefined && value <= this.#value) return;
    this.#value = value;
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves at the next move or after `ms`, whichever comes first. Rejects when the signal fires. */
  async moved(ms: number, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    const over = new AbortController();
    const end = (): void => over.abort();
    this.#waiting.add(end);
    signal.addEventListener('abort', end, { once: true });
    // Rejects as soon as anything ends the wait early.
    await this.#clock.sleep(ms, over.signal).catch(() => undefined);
    this.#waiting.delete(end);
    signal.removeEventListener('abort', end);
    throwIfAborted(signal);
  }
}

/**
 * Waits for the settled mark. An idle server says nothing by itself, so it is asked to; and when it has not even sent that far, the rest
 * of its log is not flushed yet, which a logical message of our own forces (invariant 9).
 */
export async function reach(
  settled: Watermark,
  lsn: Lsn,
  nudge: (lsn: Lsn, attempt: number) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 0, pauseMs = 5; !settled.has(lsn); attempt += 1, pauseMs = Math.min(100, pauseMs * 2)) {
    nudge(lsn, attempt);
    await settled.moved(pauseMs, signal);
  }
}
