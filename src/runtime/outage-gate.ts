import { abortedError, codeOf, kindOf, throwIfAborted } from '../domain/errors.ts';
import type { Observer } from '../observability/events.ts';
import type { Clock } from '../ports/clock.ts';
import { backoffMs, RECOVERY_BACKOFF } from './backoff.ts';

/** This many transient failures in a row, with no success between them, are an outage of the engine and not a fault of one record. */
const FAILURES_TO_CLOSE = 3;

/**
 * Retries operations against one engine (the index, a database) while it fails with `transient` errors. During an outage one shared probe
 * at a time finds the recovery, taking turns among the waiting operations, and its success releases all: not each record's own back-off.
 * Errors of every other kind are the caller's.
 */
export class OutageGate {
  readonly #what: string;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #random: () => number;
  #failures = 0;
  #downSince: number | undefined;
  #probing = false;
  /** Each is told whether it is the probe now. */
  #waiters: { readonly wake: (probe: boolean) => void }[] = [];

  constructor(
    what: string,
    deps: { readonly clock: Clock; readonly observer: Observer; readonly random: () => number },
  ) {
    this.#what = what;
    this.#clock = deps.clock;
    this.#observer = deps.observer;
    this.#random = deps.random;
  }

  get down(): boolean {
    return this.#downSince !== undefined;
  }

  async run<T>(operation: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      throwIfAborted(signal);
      const probe = this.down && (await this.#admit(signal));
      try {
        const result = await operation();
        this.#succeeded();
        return result;
      } catch (error) {
        if (kindOf(error) !== 'transient') throw error;
        this.#failed(error);
        const delayMs = backoffMs(this.down ? this.#failures : attempt, RECOVERY_BACKOFF, this.#random());
        this.#observer.emit({ type: 'retry', what: this.#what, code: codeOf(error), attempt, delayMs });
        await this.#clock.sleep(delayMs, signal);
      } finally {
        if (probe) this.#passProbe();
      }
    }
  }

  /** Waits for its turn while the engine is down. True for the one that probes. */
  async #admit(signal: AbortSignal): Promise<boolean> {
    if (!this.#probing) {
      this.#probing = true;
      return true;
    }
    return new Promise<boolean>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(abortedError(signal));
      };
      const waiter = {
        wake: (probe: boolean): void => {
          signal.removeEventListener('abort', onAbort);
          resolve(probe);
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  /** Hands the probe to the one that waited longest, so that no single operation keeps it. */
  #passProbe(): void {
    const next = this.down ? this.#waiters.shift() : undefined;
    this.#probing = next !== undefined;
    next?.wake(true);
  }

  #failed(error: unknown): void {
    this.#failures += 1;
    if (this.#failures < FAILURES_TO_CLOSE || this.#downSince !== undefined) return;
    this.#downSince = this.#clock.monotonic();
    this.#observer.emit({ type: 'outage-began', what: this.#what, code: codeOf(error), forMs: 0 });
  }

  #succeeded(): void {
    this.#failures = 0;
    if (this.#downSince === undefined) return;
    const forMs = this.#clock.monotonic() - this.#downSince;
    this.#downSince = undefined;
    this.#observer.emit({ type: 'outage-ended', what: this.#what, code: 'RECOVERED', forMs });
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.wake(false);
  }
}
