import type { SourceBlock } from './source.ts';
import type { ColumnValue, RecordKey, Row } from './values.ts';

/** Why a read was a read, or `false` on a streamed change. Debezium writes `true` as text; sources that omit it mean `false`. */
export type SnapshotMarker =
  | 'true'
  | 'first'
  | 'first_in_data_collection'
  | 'last_in_data_collection'
  | 'last'
  | 'false'
  | 'incremental';

/** What every record has. */
interface RecordBase {
  readonly topic: string;
  readonly key: RecordKey | null;
  /**
   * No schema came with the record: values whose column was not declared are as they were sent (a decimal may be base64, a date a count of
   * days). With a schema, every value is exact.
   */
  readonly schemaless: boolean;
}

/** Where an event stands in its transaction (`provide.transaction.metadata=true`). */
export interface TransactionPlace {
  readonly id: string;
  readonly totalOrder: number | bigint;
  readonly dataCollectionOrder: number | bigint;
}

interface EnvelopeBase extends RecordBase {
  readonly source: SourceBlock;
  /** `schema.table` (PostgreSQL, SQL Server), `database.table` (MySQL), `database.collection` (MongoDB); '' on a logical message. */
  readonly table: string;
  readonly snapshot: SnapshotMarker;
  readonly transaction: TransactionPlace | null;
  /** When the connector processed the event; the commit's time is in `source`. Milliseconds since the Unix epoch. */
  readonly processedAtMs: number | null;
}

/** A row as it is now: created, updated, or read by a snapshot. */
export interface ChangeRecord extends EnvelopeBase {
  readonly kind: 'change';
  readonly op: 'c' | 'u' | 'r';
  /** The old row, where the source logs it (PostgreSQL: REPLICA IDENTITY FULL); otherwise null. */
  readonly before: Row | null;
  readonly after: Row;
  /** On the create that follows a change of the key: the key the row had before. Its delete came as a record of its own. */
  readonly oldKey: RecordKey | null;
}

export interface DeleteRecord extends EnvelopeBase {
  readonly kind: 'delete';
  readonly op: 'd';
  /** Only its key columns can be trusted, unless the source logs whole old rows: the others may be nulls that never were. */
  readonly before: Row | null;
  /** The row did not go away, its key changed: this is the new one, and its create follows. */
  readonly newKey: RecordKey | null;
}

/** MongoDB without `capture.mode=…_full`: an update that names only what changed. */
export interface PartialUpdateRecord extends EnvelopeBase {
  readonly kind: 'partial-update';
  readonly op: 'u';
  readonly before: Row | null;
  readonly update: MongoUpdate;
}

export interface MongoUpdate {
  readonly updatedFields: Row;
  readonly removedFields: readonly string[];
  readonly truncatedArrays: readonly { readonly field: string; readonly newSize: number }[];
}

export interface TruncateRecord extends EnvelopeBase {
  readonly kind: 'truncate';
  readonly op: 't';
}

/** `pg_logical_emit_message`: belongs to no table. */
export interface MessageRecord extends EnvelopeBase {
  readonly kind: 'message';
  readonly op: 'm';
  readonly prefix: string;
  readonly content: Uint8Array;
}

/**
 * A null value: Kafka may drop older records of the key when it compacts. It follows the delete that says the same; after
 * ExtractNewRecordState with `delete.tombstone.handling.mode=tombstone` it is the only trace of the delete.
 */
export interface TombstoneRecord extends RecordBase {
  readonly kind: 'tombstone';
  /** `schema.table` as far as added headers or the topic's name tell; null otherwise. */
  readonly table: string | null;
  /** What ExtractNewRecordState added as headers: `op: 'd'` says that this tombstone came from a delete. */
  readonly added: AddedFields;
  readonly newKey: RecordKey | null;
}

/** A row after the ExtractNewRecordState transform: no envelope, only what was configured to be added. */
export interface UnwrappedRecord extends RecordBase {
  readonly kind: 'unwrapped';
  /** `schema.table` as far as added fields or the topic's name tell; null otherwise. */
  readonly table: string | null;
  /** The row's columns, without what the transform added. Of a deleted row only the key columns can be trusted. */
  readonly row: Row;
  /** A delete rewritten into a row (`delete.tombstone.handling.mode=rewrite`). */
  readonly deleted: boolean;
  readonly added: AddedFields;
  readonly oldKey: RecordKey | null;
  readonly newKey: RecordKey | null;
}

/** `add.fields` and `add.headers` of ExtractNewRecordState (a header is used where the field is absent). */
export interface AddedFields {
  readonly op: 'c' | 'u' | 'r' | 'd' | 't' | null;
  readonly db: string | null;
  readonly schema: string | null;
  readonly table: string | null;
  readonly lsn: bigint | null;
  /** `source.sequence` of PostgreSQL: LSN of the last commit before this event, and of the event itself. */
  readonly sequence: readonly [lastCommit: bigint | null, lsn: bigint | null] | null;
  readonly snapshot: SnapshotMarker | null;
  readonly txId: number | bigint | null;
  /** When the source committed, in milliseconds since the Unix epoch. */
  readonly sourceTsMs: number | null;
  readonly sourceTsUs: number | null;
  readonly sourceTsNs: bigint | null;
  /** All that was added, by its name without the prefix (`source_ts_ms`), as sent. */
  readonly all: Row;
}

export interface HeartbeatRecord extends RecordBase {
  readonly kind: 'heartbeat';
  readonly tsMs: number;
  readonly serverName: string | null;
}

export interface TransactionRecord extends RecordBase {
  readonly kind: 'transaction';
  readonly status: 'BEGIN' | 'END';
  readonly id: string;
  readonly tsMs: number | null;
  /** Of END; null on BEGIN. */
  readonly eventCount: number | bigint | null;
  readonly dataCollections: readonly { readonly dataCollection: string; readonly eventCount: number | bigint }[];
}

/** A command to the connector, on its signal topic. (Those written into a signal table are changes of that table.) */
export interface SignalRecord extends RecordBase {
  readonly kind: 'signal';
  readonly id: string | null;
  readonly type: string;
  readonly data: ColumnValue;
}

export interface NotificationRecord extends RecordBase {
  readonly kind: 'notification';
  readonly id: string;
  /** `Initial Snapshot`, `Incremental Snapshot`, … */
  readonly aggregateType: string;
  /** `STARTED`, `IN_PROGRESS`, `TABLE_SCAN_COMPLETED`, `COMPLETED`, `ABORTED`, … */
  readonly type: string;
  readonly additionalData: Readonly<Record<string, string>>;
  readonly tsMs: number | null;
}

/** The schema-change topic of MySQL, SQL Server and Oracle connectors. */
export interface SchemaChangeRecord extends RecordBase {
  readonly kind: 'schema-change';
  readonly source: SourceBlock | null;
  readonly databaseName: string | null;
  readonly schemaName: string | null;
  /** The statement, where the connector reads statements. May name values: do not log it. */
  readonly ddl: string | null;
  /** CREATE, ALTER or DROP per table, with the columns as Debezium describes them. */
  readonly tableChanges: readonly { readonly type: string; readonly id: string; readonly table: Row | null }[];
  readonly tsMs: number | null;
}

export type EnvelopeRecord = ChangeRecord | DeleteRecord | PartialUpdateRecord | TruncateRecord | MessageRecord;

export type DebeziumRecord =
  | EnvelopeRecord
  | TombstoneRecord
  | UnwrappedRecord
  | HeartbeatRecord
  | TransactionRecord
  | SignalRecord
  | NotificationRecord
  | SchemaChangeRecord;
