import type { Delivery } from '../../src/domain/change.ts';
import { abortedError, FreshetError } from '../../src/domain/errors.ts';
import type { Checkpoints } from '../../src/ports/checkpoints.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Source, TokenSource } from '../../src/ports/source.ts';
import { pushToken, readPushToken, storedSequence } from './tokens.ts';

const POLL_MS = 100;

export interface PushedElsewhere extends Source, TokenSource {
  /** @throws poison PUSHES_REFUSED */
  put(): Promise<never>;
  delete(): Promise<never>;
}

/**
 * The pushed documents of another instance, whose log is in its data folder: nothing is read here, and writes are refused. Its tokens can be
 * waited for, because both instances feed the same index, which holds the position.
 */
export function createPushedElsewhere(options: {
  readonly name: string;
  readonly checkpoints: Checkpoints;
  readonly clock: Clock;
}): PushedElsewhere {
  const { name, checkpoints, clock } = options;
  const settled = async (): Promise<number> => storedSequence(await checkpoints.load(name));
  const refuse = (): Promise<never> =>
    Promise.reject(
      new FreshetError(
        'PUSHES_REFUSED',
        'poison',
        'This instance takes no pushed documents ("server.pushes: refuse"). Send them to the one that keeps them for this index.',
      ),
    );
  return {
    name,
    put: refuse,
    delete: refuse,
    async *read(signal): AsyncGenerator<Delivery> {
      if (signal.aborted) return;
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    },
    commit: () => Promise.resolve(),
    onRevoked: () => undefined,
    freshness: () =>
      Promise.resolve({
        source: name,
        connected: true,
        partitions: [],
        isElsewhere: true,
        snapshotFinished: true,
        snapshots: [],
        gauges: {},
      }),
    coveredToken: () => undefined,
    currentToken: async () => pushToken(name, await settled()),
    async reached(token, waitMs, signal) {
      const wanted = readPushToken(name, token);
      const until = clock.monotonic() + waitMs;
      while ((await settled()) < wanted) {
        if (signal.aborted) throw abortedError(signal);
        if (clock.monotonic() >= until) return false;
        await clock.sleep(Math.min(POLL_MS, waitMs), signal);
      }
      return true;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
