import type { ChangeEvent } from '../../src/domain/change.ts';
import type { RowKey, TableId } from '../../src/domain/ids.ts';
import type { Instant } from '../../src/domain/time.ts';

/** One record of a topic as the broker gave it, decompressed and undecoded. */
export interface KafkaRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  /** CreateTime or LogAppendTime, whichever the topic keeps, in milliseconds. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** A header that was sent more than once is a list. */
  readonly headers: Readonly<Record<string, Uint8Array | string | readonly (Uint8Array | string)[] | undefined>>;
}

/** Debezium's `source.snapshot`; `last` is of the whole snapshot, `last_in_data_collection` of one table. */
export type SnapshotMarker =
  | 'first'
  | 'first_in_data_collection'
  | 'true'
  | 'last_in_data_collection'
  | 'last'
  | 'incremental';

export interface DecodedRecord {
  readonly event: ChangeEvent;
  /**
   * When the database committed a streamed change, or a little before: everything committed earlier was sent earlier. Absent on rows that
   * were read, and on all that bears the connector's clock (heartbeats, transaction markers): they say nothing of the database.
   */
  readonly sourceTime?: Instant;
  /** Debezium's `source.lsn` of a streamed record. */
  readonly lsn?: bigint;
  /** Debezium's `source.name` (its `topic.prefix`), where a record tells. */
  readonly connector?: string;
  /** To find the end of a snapshot. Without a table: of one that is none of ours. */
  readonly snapshot?: { readonly table: TableId | undefined; readonly marker: SnapshotMarker };
  /** A change of a row's key is a delete, which names the new key, and a create, which names the old one. */
  readonly movedTo?: RowKey;
  readonly movedFrom?: RowKey;
}

/**
 * Records in, change events out. The version of a row is `makeVersion(epoch, offset)`.
 *
 * May be asynchronous (schema registry); records of one partition are handed over one after another, in order. Never throws poison: such a
 * record becomes the event `undecodable`. Throws `transient` (registry away: the same record is decoded again), `fatal` or `aborted`.
 */
export interface RecordDecoder {
  /** Reading of a partition begins at this offset, where another may have read it up to there. */
  begins?(topic: string, partition: number, offset: bigint): void;
  decode(record: KafkaRecord, epoch: number, signal: AbortSignal): DecodedRecord | Promise<DecodedRecord>;
}
