import { FreshetError, kindOf } from '../domain/errors.ts';
import { backoffMs } from '../runtime/backoff.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Ui } from './ui.ts';

const BACKOFF = { firstMs: 250, maxMs: 5_000 };
/** A server that restarts beside us is back by then: no need to alarm anybody. */
const QUIET_ATTEMPTS = 3;

/** Opens what may be away for the moment: servers are started in any order, and none of them is worth a restart of ours. */
export async function patiently<T>(
  what: string,
  open: () => Promise<T>,
  ui: Pick<Ui, 'logger' | 'say'>,
  signal: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await open();
    } catch (error) {
      if (kindOf(error) !== 'transient' || signal.aborted) throw error;
      const code = error instanceof FreshetError ? error.code : undefined;
      const message = error instanceof Error ? error.message : 'no answer';
      if (attempt === QUIET_ATTEMPTS) ui.say(`Waiting for ${what}: ${message}`);
      ui.logger[attempt < QUIET_ATTEMPTS ? 'info' : 'warn']({ code, attempt }, `${what} is away: ${message}`);
      await systemClock.sleep(backoffMs(attempt, BACKOFF, Math.random()), signal);
    }
  }
}
