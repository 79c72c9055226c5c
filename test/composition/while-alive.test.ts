import { describe, expect, it } from 'vitest';
import { whileAlive } from '../../src/composition/while-alive.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import type { AdminService, VerifyReport } from '../../src/services/services.ts';

const died = new FreshetError('SLOT_LOST', 'fatal', 'The slot is gone.');
const signal = new AbortController().signal;
const notAsked = (): never => {
  throw new Error('not asked for here');
};

/** Work that goes on until it is stopped, as verify does while it waits for the index to catch up. */
function untilStopped(cancel: AbortSignal, onStopped: () => void): Promise<never> {
  return new Promise((_resolve, reject) => {
    cancel.addEventListener('abort', () => {
      onStopped();
      reject(new FreshetError('ABORTED', 'aborted', 'stopped'));
    });
  });
}

function adminOf(
  parts: Partial<AdminService> & { readonly retry?: AdminService['deadLetters']['retry'] },
): AdminService {
  const { retry = notAsked, ...rest } = parts;
  const deadLetters = { list: notAsked, get: notAsked, retry };
  return { verify: notAsked, rebuild: notAsked, replay: notAsked, deadLetters, ...rest };
}

describe('a command on a data folder whose pipeline dies', () => {
  it('stops the work and ends with the error of the pipeline', async () => {
    let fail = (_error: unknown): void => undefined;
    const failed = new Promise<never>((_resolve, reject) => (fail = reject));
    let stopped = 0;
    const work = (cancel: AbortSignal) => untilStopped(cancel, () => (stopped += 1));
    const admin = whileAlive(
      adminOf({
        verify: (_options, _progress, cancel) => work(cancel),
        rebuild: (_progress, cancel) => work(cancel),
        retry: (_id, cancel) => work(cancel),
      }),
      failed,
    );
    const running = [
      admin.verify({ repair: false, vectorSample: 0 }, () => undefined, signal),
      admin.rebuild(() => undefined, signal),
      admin.deadLetters.retry('all', signal),
    ];
    const outcomes = Promise.allSettled(running);
    fail(died);
    expect(await outcomes).toEqual(running.map(() => ({ status: 'rejected', reason: died })));
    expect(stopped).toBe(3);
  });

  it('is answered as ever while the pipeline lives', async () => {
    const report = { missing: 0 } as VerifyReport;
    const admin = whileAlive(adminOf({ verify: () => Promise.resolve(report) }), new Promise<never>(() => undefined));
    expect(await admin.verify({ repair: false, vectorSample: 0 }, () => undefined, signal)).toBe(report);
  });

  it('still obeys its own signal', async () => {
    const controller = new AbortController();
    const admin = whileAlive(
      adminOf({ rebuild: (_progress, cancel) => untilStopped(cancel, () => undefined) }),
      new Promise<never>(() => undefined),
    );
    const running = admin.rebuild(() => undefined, controller.signal);
    controller.abort();
    await expect(running).rejects.toMatchObject({ kind: 'aborted' });
  });
});
