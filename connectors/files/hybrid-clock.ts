import { makeVersion, type Version } from '../../src/domain/version.ts';
import type { Clock } from '../../src/ports/clock.ts';

const ORIGIN = Date.UTC(2020, 0, 1);
const N_LIMIT = 2 ** 48;

/**
 * A hybrid logical clock: microseconds since 2020-01-01 while the wall clock moves on, one more than the last number when it stands still
 * or jumps back. Files have no log whose positions could be used.
 */
export class HybridClock {
  #clock: Clock;
  #last: number;

  constructor(clock: Clock, last: number) {
    this.#clock = clock;
    this.#last = last;
  }

  get last(): number {
    return this.#last;
  }

  next(): number {
    this.#last = Math.max(Math.trunc((this.#clock.now() - ORIGIN) * 1000), this.#last + 1);
    return this.#last;
  }

  /** No later number is at or below this one. */
  observe(n: number): void {
    this.#last = Math.max(this.#last, n);
  }
}

/** 2^48 µs end in November 2028; the epoch then counts on, so that versions stay in order up to 2^53 µs. */
export function fileVersion(n: number): Version {
  return makeVersion(Math.floor(n / N_LIMIT), n % N_LIMIT);
}
