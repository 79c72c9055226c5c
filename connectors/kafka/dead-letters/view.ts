import { FreshetError } from '../../../src/domain/errors.ts';
import { fold, type LetterChange } from './fold.ts';
import { parseLetter, resolvedVersion, type PackedLetter } from './letter.ts';
import type { LetterLog, LetterOffsets, StoredLetterRecord } from './letter-log.ts';

/** Fetches in a row that may bring nothing below the end: a leader on the move answers so. */
const FRUITLESS_READS_MAX = 50;

/** All letters, as the topic says: read from its beginning to its end, and on. One reader at a time. */
export class LetterView {
  readonly #log: LetterLog;
  readonly #topic: string;
  readonly #letters = new Map<string, PackedLetter>();
  /** Keys whose last record in the topic is not the letter that stands. */
  readonly #overwritten = new Set<string>();
  readonly #fresh = new Set<string>();
  #next: Map<number, bigint> | undefined;
  #sorted: readonly (readonly [string, PackedLetter])[] | undefined;
  #sequence = 0;
  #reading: Promise<void> = Promise.resolve();

  constructor(log: LetterLog, topic: string) {
    this.#log = log;
    this.#topic = topic;
  }

  get(identity: string): PackedLetter | undefined {
    return this.#letters.get(identity);
  }

  get size(): number {
    return this.#letters.size;
  }

  values(): IterableIterator<PackedLetter> {
    return this.#letters.values();
  }

  /** In the order of the first failures. */
  sorted(): readonly (readonly [string, PackedLetter])[] {
    this.#sorted ??= [...this.#letters].sort(([a, x], [b, y]) => x.sequence - y.sequence || (a < b ? -1 : 1));
    return this.#sorted;
  }

  /** Above every sequence seen, so that a clock that stands still or lags gives no place twice. */
  nextSequence(nowMs: number): number {
    this.#sequence = Math.max(this.#sequence + 1, Math.floor(nowMs * 1000));
    return this.#sequence;
  }

  /** Letters to be written once more. A key leaves the list when its record is read back. */
  get overwritten(): readonly string[] {
    return [...this.#overwritten];
  }

  /** Keys of letters that nobody has looked at since they came. */
  get fresh(): readonly string[] {
    return [...this.#fresh];
  }

  looked(identity: string): void {
    this.#fresh.delete(identity);
  }

  /** Resolves once the view holds everything that was in the topic when it was called. */
  refresh(): Promise<void> {
    return this.#queued(async () => this.#readTo(await this.#log.ends()));
  }

  /** Resolves once the view holds everything below these offsets. */
  reach(offsets: LetterOffsets): Promise<void> {
    return this.#queued(() => this.#readTo(offsets));
  }

  #queued(work: () => Promise<void>): Promise<void> {
    const done = this.#reading.then(work);
    this.#reading = done.catch(() => undefined);
    return done;
  }

  async #readTo(ends: LetterOffsets): Promise<void> {
    const next = (this.#next ??= new Map(await this.#log.starts()));
    for (const [partition, end] of ends) {
      if ((next.get(partition) ?? 0n) > end) {
        // Deleted and made again: what it held is gone, and so are the letters.
        this.#forget();
        return this.#readTo(await this.#log.ends());
      }
      let fruitless = 0;
      for (let at = next.get(partition) ?? 0n; at < end; ) {
        const { records, next: after } = await this.#log.read(partition, at);
        fruitless = after > at ? 0 : fruitless + 1;
        if (fruitless > FRUITLESS_READS_MAX) throw stuck(this.#topic);
        for (const record of records) this.#take(record);
        at = after;
        next.set(partition, at);
      }
    }
  }

  #forget(): void {
    this.#next = undefined;
    this.#letters.clear();
    this.#overwritten.clear();
    this.#fresh.clear();
    this.#sorted = undefined;
  }

  #take(record: StoredLetterRecord): void {
    const change = this.#changeOf(record);
    if (change.kind === 'put') this.#sequence = Math.max(this.#sequence, change.letter.sequence);
    const { letter, overwritten } = fold(this.#letters.get(record.key), change);
    if (letter === undefined) {
      this.#letters.delete(record.key);
      this.#fresh.delete(record.key);
    } else {
      this.#letters.set(record.key, letter);
      this.#fresh.add(record.key);
    }
    if (overwritten) this.#overwritten.add(record.key);
    else this.#overwritten.delete(record.key);
    this.#sorted = undefined;
  }

  #changeOf(record: StoredLetterRecord): LetterChange {
    if (record.value === undefined) {
      const version = resolvedVersion(record);
      return version === undefined ? { kind: 'removed' } : { kind: 'resolved', version };
    }
    const letter = parseLetter(record.value);
    if (letter !== undefined) return { kind: 'put', letter };
    throw new FreshetError(
      'DEAD_LETTERS_UNREADABLE',
      'fatal',
      `Topic ${this.#topic} holds a record at partition ${record.partition}, offset ${record.offset} that is no dead letter of Freshet. ` +
        'Give "deadLetters.topic" a topic of its own.',
      { details: { partition: record.partition, offset: String(record.offset) } },
    );
  }
}

function stuck(topic: string): FreshetError {
  return new FreshetError(
    'KAFKA_UNAVAILABLE',
    'transient',
    `Topic ${topic} says that it holds more dead letters, and its broker does not give them.`,
  );
}
