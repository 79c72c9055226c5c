import { z } from 'zod';
import { FreshetError } from '../../src/domain/errors.ts';
import type { Checkpoints } from '../../src/ports/checkpoints.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { HybridClock } from './hybrid-clock.ts';
import type { Outside } from './read-text.ts';

/** The last thing delivered about a path. */
export interface Seen extends Outside {
  /** Content hash; `!CODE` for a file that could not be decoded, `-` for one that is gone. */
  readonly hash: string;
  /** What its version is made of, and its position. Above the mark: not committed yet. */
  readonly n: number;
}

export const GONE = '-';
/** Known, but to be delivered again whatever it holds. */
export const FORGOTTEN = '';

/** Saves take at most a fifth of the time. */
const PAUSE = 4;

const stateSchema = z.object({
  format: z.literal(1),
  last: z.int(),
  committed: z.int(),
  /** Of the settings the rows were indexed under. */
  fingerprint: z.string(),
  /** The first whole copy was committed. */
  complete: z.boolean(),
  files: z.array(z.tuple([z.string(), z.number(), z.number(), z.number(), z.string(), z.int()])),
});

/**
 * What was delivered and what of it is durable downstream: the checkpoint of a files source. Numbers are saved before their changes are
 * handed out, so that a change which was not committed keeps its number when it is sent again after a crash.
 */
export class Ledger {
  readonly hybrid: HybridClock;
  #files: Map<string, Seen>;
  #committed: number;
  #complete: boolean;
  #saving: Promise<void> | undefined;
  #queued: Promise<void> | undefined;
  #gone = new Set<string>();
  #resumeAt = 0;
  #clock: Clock;
  #fingerprint: string;
  #store: (state: unknown) => Promise<void>;

  private constructor(
    clock: Clock,
    fingerprint: string,
    state: z.output<typeof stateSchema> | undefined,
    store: (state: unknown) => Promise<void>,
  ) {
    this.#files = new Map(
      state?.files.map(([path, size, mtimeMs, ctimeMs, hash, n]) => [path, { size, mtimeMs, ctimeMs, hash, n }]),
    );
    for (const [path, seen] of this.#files) if (seen.hash === GONE) this.#gone.add(path);
    this.#clock = clock;
    this.#fingerprint = fingerprint;
    this.hybrid = new HybridClock(clock, state?.last ?? 0);
    this.#committed = state?.committed ?? 0;
    this.#complete = state?.complete ?? false;
    this.#store = store;
  }

  /** @throws FreshetError `fatal` FILES_CHECKPOINT_INVALID */
  static async load(name: string, checkpoints: Checkpoints, clock: Clock, fingerprint = ''): Promise<Ledger> {
    const stored = await checkpoints.load(name);
    const parsed = stored === undefined || stored === null ? undefined : stateSchema.safeParse(stored);
    if (parsed?.success === false) {
      throw new FreshetError(
        'FILES_CHECKPOINT_INVALID',
        'fatal',
        `The stored state of source "${name}" is not one of a files source. Give the source another name, or run "freshet rebuild".`,
      );
    }
    const ledger = new Ledger(clock, fingerprint, parsed?.data, (state) => checkpoints.save(name, state));
    if (parsed !== undefined && parsed.data.fingerprint !== fingerprint) {
      ledger.forgetContents();
      ledger.#complete = false;
    }
    return ledger;
  }

  get(path: string): Seen | undefined {
    return this.#files.get(path);
  }

  entries(): IterableIterator<[string, Seen]> {
    return this.#files.entries();
  }

  get size(): number {
    return this.#files.size;
  }

  get committed(): number {
    return this.#committed;
  }

  get complete(): boolean {
    return this.#complete;
  }

  completed(): void {
    this.#complete = true;
  }

  /** A change, under a new number. */
  record(path: string, outside: Outside, hash: string): Seen {
    const seen: Seen = { ...outside, hash, n: this.hybrid.next() };
    this.#files.set(path, seen);
    if (hash === GONE) this.#gone.add(path);
    else this.#gone.delete(path);
    return seen;
  }

  /** The same content was looked at again: only how it looks from outside is brought up to date. */
  refresh(path: string, outside: Outside): void {
    const seen = this.#files.get(path);
    if (seen !== undefined) this.#files.set(path, { ...seen, ...outside });
  }

  /** Everything is new again: the next scan delivers every file under a new number. */
  forgetContents(): void {
    for (const [path, seen] of this.#files) {
      if (seen.hash !== GONE) this.#files.set(path, { ...seen, ctimeMs: -1, hash: FORGOTTEN });
    }
  }

  uncommitted(): readonly (readonly [string, Seen])[] {
    return [...this.#files].filter(([, seen]) => seen.n > this.#committed).sort(([, a], [, b]) => a.n - b.n);
  }

  commit(n: number): void {
    if (n <= this.#committed) return;
    this.#committed = n;
    for (const path of this.#gone) {
      if ((this.#files.get(path)?.n ?? 0) > n) continue;
      this.#files.delete(path);
      this.#gone.delete(path);
    }
  }

  /**
   * Resolves once the state as it is now is durable. One save runs at a time and callers meanwhile share the next, which leaves a pause
   * in proportion to the last: the state is written whole, and commits come often.
   */
  save(): Promise<void> {
    this.#queued ??= this.#saveNext();
    return this.#queued;
  }

  async #saveNext(): Promise<void> {
    await this.#saving?.catch(() => undefined); // its own callers see the failure; this save is another try
    const pauseMs = this.#resumeAt - this.#clock.monotonic();
    if (pauseMs > 0) await this.#clock.sleep(pauseMs, new AbortController().signal);
    this.#queued = undefined;
    const began = this.#clock.monotonic();
    this.#saving = this.#store(this.#state()).finally(() => {
      const ended = this.#clock.monotonic();
      this.#resumeAt = ended + (ended - began) * PAUSE;
      this.#saving = undefined;
    });
    return this.#saving;
  }

  #state(): z.input<typeof stateSchema> {
    return {
      format: 1,
      last: this.hybrid.last,
      committed: this.#committed,
      fingerprint: this.#fingerprint,
      complete: this.#complete,
      files: [...this.#files].map(([path, { size, mtimeMs, ctimeMs, hash, n }]) => [
        path,
        size,
        mtimeMs,
        ctimeMs,
        hash,
        n,
      ]),
    };
  }
}
