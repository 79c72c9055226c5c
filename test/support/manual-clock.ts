import { abortedError } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/ports/clock.ts';

export interface ManualClock extends Clock {
  /** Lets `ms` pass, waking sleepers in order, and lets what they started run. */
  advance(ms: number): Promise<void>;
  readonly sleepers: number;
}

/** Lets every microtask and immediate that is due run. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A clock that only moves when told to. */
export function createManualClock(start = Date.UTC(2026, 0, 1)): ManualClock {
  let elapsed = 0;
  let sleepers: { readonly at: number; readonly wake: () => void }[] = [];
  return {
    now: () => start + elapsed,
    monotonic: () => elapsed,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(abortedError(signal));
        const sleeper = { at: elapsed + ms, wake: resolve };
        sleepers.push(sleeper);
        signal.addEventListener('abort', () => {
          sleepers = sleepers.filter((other) => other !== sleeper);
          reject(abortedError(signal));
        });
      }),
    async advance(ms) {
      const until = elapsed + ms;
      await settled();
      for (;;) {
        const next = sleepers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        sleepers = sleepers.filter((other) => other !== next);
        elapsed = Math.max(elapsed, next.at);
        next.wake();
        await settled();
      }
      elapsed = until;
    },
    get sleepers() {
      return sleepers.length;
    },
  };
}
