import { letterRecord, type PackedLetter } from './letter.ts';
import type { LetterLog, LetterRecord } from './letter-log.ts';
import type { LetterView } from './view.ts';

/** Together well below a broker's default limit of 1 MB for one batch. */
const BATCH_RECORDS_MAX = 200;

/** What is to be written about one key, decided by the letter as it stands. Undefined: nothing. */
export interface LetterWrite {
  readonly identity: string;
  readonly decide: (
    stored: PackedLetter | undefined,
  ) => { readonly record: LetterRecord; readonly letter?: PackedLetter } | undefined;
}

interface Waiting extends LetterWrite {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * One batch at a time: whatever comes meanwhile goes into the next. A write resolves once the brokers hold it and the view has read it
 * back, so that an instance always sees its own letters, in the order of the log like everybody else's.
 */
export class LetterWriter {
  readonly #log: LetterLog;
  readonly #view: LetterView;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(log: LetterLog, view: LetterView) {
    this.#log = log;
    this.#view = view;
  }

  write(write: LetterWrite): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...write, resolve, reject });
      this.#running ??= this.#run().finally(() => (this.#running = undefined));
    });
  }

  /** Writes once more what an older record overwrote. */
  async restoreOverwritten(): Promise<void> {
    const restore = (identity: string): LetterWrite => ({
      identity,
      decide: (stored) =>
        stored === undefined ? undefined : { record: letterRecord(identity, stored), letter: stored },
    });
    await Promise.all(this.#view.overwritten.map((identity) => this.write(restore(identity))));
  }

  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // What is asked for in the same moment goes into one batch.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH_RECORDS_MAX);
      const decided = this.#decide(batch);
      try {
        if (decided.records.length > 0) await this.#view.reach(await this.#log.append(decided.records));
        for (const { resolve } of decided.waiting) resolve();
      } catch (error) {
        for (const { reject } of decided.waiting) reject(error);
      }
    }
  }

  #decide(batch: readonly Waiting[]): {
    readonly records: readonly LetterRecord[];
    readonly waiting: readonly Waiting[];
  } {
    /** Letters as this batch will leave them: two failures of one document may be in it. */
    const ahead = new Map<string, PackedLetter | undefined>();
    const records: LetterRecord[] = [];
    const waiting: Waiting[] = [];
    for (const each of batch) {
      const { identity, decide, reject } = each;
      const stored = ahead.has(identity) ? ahead.get(identity) : this.#view.get(identity);
      try {
        const write = decide(stored);
        waiting.push(each);
        if (write === undefined) continue;
        records.push(write.record);
        ahead.set(identity, write.letter);
      } catch (error) {
        reject(error);
      }
    }
    return { records, waiting };
  }
}
