import { FreshetError } from '../../../../src/domain/errors.ts';
import type {
  LetterLog,
  LetterRecord,
  StoredLetterRecord,
} from '../../../../connectors/kafka/dead-letters/letter-log.ts';

/** A compacted topic in memory, shared by as many instances as open it. */
export class MemoryTopic {
  records: StoredLetterRecord[] = [];
  #next = 0n;
  /** What the brokers answer with while they are away. */
  away = false;
  reads = 0;

  /** As somebody who looks at nothing before writing: a zombie, a tool. */
  write(...records: readonly LetterRecord[]): void {
    for (const record of records) {
      this.records.push({ ...record, partition: 0, offset: this.#next });
      this.#next += 1n;
    }
  }

  /** Keeps the last record of every key, and forgets tombstones. */
  compact(): void {
    const last = new Map(this.records.map((record) => [record.key, record]));
    this.records = [...last.values()]
      .filter(({ value }) => value !== undefined)
      .sort((a, b) => Number(a.offset - b.offset));
  }

  /** Deleted, and made again under its name. */
  recreate(): void {
    this.records = [];
    this.#next = 0n;
  }

  open(): LetterLog {
    const here = <T>(answer: () => T): Promise<T> =>
      this.away
        ? Promise.reject(new FreshetError('KAFKA_UNAVAILABLE', 'transient', 'The brokers are away.'))
        : Promise.resolve(answer());
    const ends = (): ReadonlyMap<number, bigint> => new Map([[0, this.#next]]);
    return {
      append: (records) =>
        here(() => {
          this.write(...records);
          return ends();
        }),
      starts: () => here(() => new Map([[0, 0n]])),
      ends: () => here(ends),
      // Three at a time, so that a read goes on.
      read: (_partition, offset) =>
        here(() => {
          this.reads += 1;
          const records = this.records.filter((record) => record.offset >= offset).slice(0, 3);
          return { records, next: (records.at(-1)?.offset ?? this.#next - 1n) + 1n };
        }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
}
