import { FreshetError } from '../../src/domain/errors.ts';
import type { Random } from './random.ts';

/** Longer than the sweeper's horizon. */
const STALL_MIN_MS = 800;

/** What is broken at the moment, for every process alike. */
export class Faults {
  readonly #random: Random;
  /** Of one call. */
  transient = 0;
  /** A write that times out goes on on its own: the caller does not know what became of it. */
  timeouts = 0;
  /** A batch, or a snapshot's chunk, is held up for longer than anything else waits. */
  stalls = 0;
  /** Virtual times until which an engine refuses everything. */
  indexDownUntil = 0;
  embedderDownUntil = 0;
  /** Whether poison texts are still refused. */
  poisoned = true;

  constructor(random: Random) {
    this.#random = random;
  }

  heal(): void {
    this.transient = 0;
    this.timeouts = 0;
    this.stalls = 0;
    this.indexDownUntil = 0;
    this.embedderDownUntil = 0;
  }

  index(now: number): void {
    if (now < this.indexDownUntil || this.#random.chance(this.transient)) throw away('INDEX_AWAY');
  }

  embedder(now: number): void {
    if (now < this.embedderDownUntil || this.#random.chance(this.transient)) throw away('EMBEDDER_AWAY');
  }

  /** Milliseconds, mostly none. */
  stall(): number {
    return this.#random.chance(this.stalls) ? STALL_MIN_MS + this.#random.int(1_200) : 0;
  }

  writeTimesOut(): boolean {
    return this.#random.chance(this.timeouts);
  }
}

export const away = (code: string): FreshetError =>
  new FreshetError(code, 'transient', 'Away for a moment, says the simulation.');
