/** Exponential back-off with "equal jitter": half the delay is fixed, half random, so that retries neither stampede nor fire at once. */
export interface BackoffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Short, because an edit must be visible within a second of recovery. */
export const RECOVERY_BACKOFF: BackoffLimits = { firstMs: 50, maxMs: 500 };

/**
 * @param attempt 1 for the first retry
 * @param random a number in [0, 1)
 */
export function backoffMs(attempt: number, limits: BackoffLimits, random: number): number {
  const exponential = Math.min(limits.maxMs, limits.firstMs * 2 ** Math.min(attempt - 1, 30));
  return exponential / 2 + (exponential / 2) * random;
}
