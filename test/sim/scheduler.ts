import { abortedError } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Random } from './random.ts';

/** Whoever waits at gates: a process, a packet on its way, a reader, a sweeper. */
export interface Owner {
  readonly name: string;
}

interface Gate {
  readonly owner: Owner;
  readonly what: string;
  /** Virtual time before which it does not open. */
  readonly at: number;
  readonly open: () => void;
}

/** Wall-clock time at virtual time 0. */
export const START_OF_TIME = 1_700_000_000_000;

/**
 * Owns time and order. Whatever a process does outside itself waits at a gate; the scheduler opens one gate at a time, chosen by the
 * seed, and lets everything that follows from it run before it opens the next. The same seed gives the same run.
 */
export class Scheduler {
  readonly #random: Random;
  readonly #trace: ((line: string) => void) | undefined;
  #ready: Gate[] = [];
  #later: Gate[] = [];
  readonly #dead = new WeakSet<Owner>();
  /** Gates of owners that are stopped for a while, and would be open otherwise. */
  readonly #frozen = new Map<Owner, Gate[]>();
  now = 0;
  steps = 0;

  constructor(random: Random, trace?: (line: string) => void) {
    this.#random = random;
    this.#trace = trace;
  }

  /** Nobody waits but sleepers. */
  get idle(): boolean {
    return this.#ready.length === 0;
  }

  log(line: string): void {
    this.#trace?.(`${String(this.now).padStart(6)} ${line}`);
  }

  /** Resolves when the scheduler opens this gate: a crash point, and the place where others may come in between. */
  gate(owner: Owner, what: string): Promise<void> {
    return new Promise((open) => {
      if (!this.#dead.has(owner)) this.#makeReady({ owner, what, at: this.now, open });
    });
  }

  sleep(owner: Owner, ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#dead.has(owner)) return;
      if (signal?.aborted === true) return reject(abortedError(signal));
      const onAbort = (): void => {
        this.#later = this.#later.filter((other) => other !== gate);
        this.#ready = this.#ready.filter((other) => other !== gate);
        const held = this.#frozen.get(owner);
        if (held !== undefined)
          this.#frozen.set(
            owner,
            held.filter((other) => other !== gate),
          );
        reject(abortedError(signal));
      };
      const open = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      const gate: Gate = { owner, what: `slept ${Math.round(ms)} ms`, at: this.now + ms, open };
      this.#later.push(gate);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** None of its gates ever opens: the owner is dead in the middle of whatever it did. */
  kill(owner: Owner): void {
    this.#dead.add(owner);
    this.#ready = this.#ready.filter((gate) => gate.owner !== owner);
    this.#later = this.#later.filter((gate) => gate.owner !== owner);
    this.#frozen.delete(owner);
  }

  /** None of its gates opens until it is thawed; time goes on for it all the same. */
  freeze(owner: Owner): void {
    this.#frozen.set(
      owner,
      this.#ready.filter((gate) => gate.owner === owner),
    );
    this.#ready = this.#ready.filter((gate) => gate.owner !== owner);
  }

  thaw(owner: Owner): void {
    this.#ready.push(...(this.#frozen.get(owner) ?? []));
    this.#frozen.delete(owner);
  }

  #makeReady(gate: Gate): void {
    (this.#frozen.get(gate.owner) ?? this.#ready).push(gate);
  }

  clockOf(owner: Owner, wallOffset: () => number): Clock {
    return {
      now: () => START_OF_TIME + this.now + wallOffset(),
      monotonic: () => this.now,
      sleep: (ms, signal) => this.sleep(owner, ms, signal),
    };
  }

  /** Lets time pass without opening anything. */
  advance(ms: number): void {
    this.now += ms;
  }

  /** Opens one gate and drains what follows. Where only sleepers wait, time may jump to the first of them. */
  async step(mayJump: boolean): Promise<boolean> {
    this.now += 1;
    this.steps += 1;
    this.#wakeSleepers();
    if (this.#ready.length === 0) {
      if (this.#later.length === 0 || !mayJump) return false;
      this.now = Math.max(this.now, Math.min(...this.#later.map((gate) => gate.at)));
      this.#wakeSleepers();
      // Whoever was due is frozen.
      if (this.#ready.length === 0) return false;
    }
    const chosen = this.#random.int(this.#ready.length);
    const gate = this.#ready[chosen] as Gate;
    this.#ready[chosen] = this.#ready[this.#ready.length - 1] as Gate;
    this.#ready.pop();
    this.log(`${gate.owner.name}: ${gate.what}`);
    gate.open();
    await settled();
    return true;
  }

  #wakeSleepers(): void {
    if (this.#later.length === 0) return;
    const due = this.#later.filter((gate) => gate.at <= this.now);
    if (due.length === 0) return;
    this.#later = this.#later.filter((gate) => gate.at > this.now);
    for (const gate of due) this.#makeReady(gate);
  }
}

/** Resolves once every microtask that is due has run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
