import type { Instant } from '../domain/time.ts';

/**
 * Time as a port, so that the simulation owns it. `now` is wall-clock time and may jump (NTP, a suspended laptop); durations are
 * measured with `monotonic`, which never goes back.
 */
export interface Clock {
  now(): Instant;
  /** Milliseconds from an arbitrary start, never decreasing. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with an `aborted` FreshetError as soon as the signal fires. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}
