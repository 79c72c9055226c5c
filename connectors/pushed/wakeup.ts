import { abortedError } from '../../src/domain/errors.ts';

/** Lets readers sleep until something happened, without polling: a wake between the look and the sleep is not missed. */
export class Wakeup {
  #count = 0;
  readonly #sleepers = new Set<() => void>();

  /** Take this before looking, and pass it to {@link after}. */
  get count(): number {
    return this.#count;
  }

  wake(): void {
    this.#count += 1;
    for (const sleeper of [...this.#sleepers]) sleeper();
  }

  /** Resolves as soon as there was a wake after `count`; rejects `aborted` when the signal fires. */
  after(count: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(abortedError(signal));
      if (this.#count > count) return resolve();
      const done = (settle: () => void) => (): void => {
        this.#sleepers.delete(onWake);
        signal.removeEventListener('abort', onAbort);
        settle();
      };
      const onWake = done(resolve);
      const onAbort = done(() => reject(abortedError(signal)));
      this.#sleepers.add(onWake);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
