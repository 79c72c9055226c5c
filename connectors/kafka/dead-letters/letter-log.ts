/** A record of the topic as this adapter writes it. Without a value it is a tombstone: compaction forgets the key. */
export interface LetterRecord {
  readonly key: string;
  readonly value: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

export interface StoredLetterRecord extends LetterRecord {
  readonly partition: number;
  readonly offset: bigint;
}

/** Offsets by partition: the one the next record gets, or will be read at. */
export type LetterOffsets = ReadonlyMap<number, bigint>;

/**
 * A compacted topic, seen as a log: all that dead letters need of Kafka. Records of one key share a partition and keep their order.
 * Errors: `transient` while the brokers are away, `fatal` where access is denied.
 */
export interface LetterLog extends AsyncDisposable {
  /** In order. Resolves once all in-sync replicas hold them, with offsets that lie after them. */
  append(records: readonly LetterRecord[]): Promise<LetterOffsets>;
  starts(): Promise<LetterOffsets>;
  ends(): Promise<LetterOffsets>;
  /** Records from an offset on, as many as one fetch brings; `next` is where to go on. */
  read(
    partition: number,
    offset: bigint,
  ): Promise<{ readonly records: readonly StoredLetterRecord[]; readonly next: bigint }>;
}
