import type { Instant } from '../domain/time.ts';
import type { Clock } from '../ports/clock.ts';

/** More than a clock is slewed between two looks. */
const TOLERANCE_MS = 1_000;

/**
 * A wall clock for the ages of what was stamped with the wall clock: after a jump forwards it lags behind by that jump, so that nothing
 * looks older than it is. Once `horizonMs` have really passed, everything stamped before the jump is that old, and the clock is right again.
 * A jump back only makes things look younger, for which nobody deletes them.
 */
export function createAgedTime(clock: Pick<Clock, 'now' | 'monotonic'>, horizonMs: number): () => Instant {
  let seen = { now: clock.now(), monotonic: clock.monotonic() };
  let behindMs = 0;
  let jumpedAt = 0;
  return () => {
    const now = clock.now();
    const monotonic = clock.monotonic();
    const jumpMs = now - seen.now - (monotonic - seen.monotonic);
    if (jumpMs > TOLERANCE_MS) {
      behindMs += jumpMs;
      jumpedAt = monotonic;
    } else if (monotonic - jumpedAt >= horizonMs) {
      behindMs = 0;
    }
    seen = { now, monotonic };
    return now - behindMs;
  };
}
