import type { Instant } from '../../src/domain/time.ts';

/** A whole look at the folder. What it found is delivered and committed before it covers anything. */
interface Scan {
  /** Drawn from the hybrid clock as the scan began: above every token given out before. */
  readonly tick: number;
  readonly at: Instant;
  readonly remaining: Set<string>;
}

interface Waiter {
  readonly tick: number;
  readonly resolve: (reached: true) => void;
}

/**
 * What is settled downstream, and since when that is known. A silent watcher proves nothing: only a scan does, once everything it found
 * different is committed.
 */
export class Coverage {
  #scan: Scan | undefined;
  #drained: { readonly tick: number; readonly at: Instant; readonly offset: number }[] = [];
  #covered: { readonly tick: number; readonly at: Instant } | undefined;
  #waiters = new Set<Waiter>();

  get covered(): { readonly tick: number; readonly at: Instant } | undefined {
    return this.#covered;
  }

  get scanning(): boolean {
    return this.#scan !== undefined;
  }

  /** Whether this path is one the running scan waits for. */
  awaits(path: string): boolean {
    return this.#scan?.remaining.has(path) === true;
  }

  begin(tick: number, at: Instant, found: Iterable<string>): void {
    this.#scan = { tick, at, remaining: new Set(found) };
  }

  /** The path was looked at: delivered, or found unchanged. */
  settled(path: string): void {
    this.#scan?.remaining.delete(path);
  }

  /** Called when everything taken so far was handed out. @param offset of the last delivery */
  drained(offset: number): void {
    if (this.#scan?.remaining.size !== 0) return;
    this.#drained.push({ tick: this.#scan.tick, at: this.#scan.at, offset });
    this.#scan = undefined;
  }

  /** @returns whether more is covered than before */
  committed(offset: number): boolean {
    const before = this.#covered;
    while (this.#drained[0] !== undefined && this.#drained[0].offset <= offset) this.#covered = this.#drained.shift();
    if (this.#covered === undefined || this.#covered === before) return false;
    for (const waiter of this.#waiters) if (waiter.tick <= this.#covered.tick) waiter.resolve(true);
    return true;
  }

  /** Resolves once a scan that began at this tick or later is covered. */
  reached(tick: number): { readonly promise: Promise<true>; readonly cancel: () => void } {
    if (this.#covered !== undefined && this.#covered.tick >= tick)
      return { promise: Promise.resolve(true), cancel: () => undefined };
    let waiter: Waiter | undefined;
    const promise = new Promise<true>((resolve) => {
      waiter = { tick, resolve };
      this.#waiters.add(waiter);
    });
    return { promise, cancel: () => void (waiter !== undefined && this.#waiters.delete(waiter)) };
  }
}
