import type { ColumnType } from './columns.ts';
import type { ConnectSchema } from './connect-schema.ts';

export type HeaderValue = Uint8Array | string | null | undefined;
/** Header values as Kafka clients give them; of several under one name (each transform adds its own) the last one counts. */
export type RecordHeaders = Readonly<Record<string, HeaderValue | readonly HeaderValue[]>>;

/** A record as it lies in Kafka, its JSON not yet parsed. */
export interface RawRecord {
  readonly topic: string;
  readonly key: Uint8Array | string | null;
  readonly value: Uint8Array | string | null;
  readonly headers?: RecordHeaders | undefined;
}

/** A record whose key and value another converter (Avro, Protobuf) has parsed already. */
export interface ParsedRecord {
  readonly topic: string;
  readonly key: unknown;
  readonly value: unknown;
  /** Keep one object per schema: what is prepared for it is remembered by its identity. */
  readonly keySchema?: ConnectSchema | undefined;
  readonly valueSchema?: ConnectSchema | undefined;
  readonly headers?: RecordHeaders | undefined;
}

/** What a topic carries, where its records alone do not say so. */
export type TopicRole = 'rows' | 'heartbeats' | 'transactions' | 'signals' | 'notifications' | 'schema-changes';

export interface DecodeOptions {
  /** Debezium's `unavailable.value.placeholder`. Default `__debezium_unavailable_value`. */
  readonly unavailableValue?: string | undefined;
  /** Types of columns by table (as in `ChangeRecord.table`, or by topic), for records without a schema. */
  readonly columns?: Readonly<Record<string, Readonly<Record<string, ColumnType>>>> | undefined;
  /** Topics whose role cannot be told from their records. A topic of `rows` never holds a signal, however much a row looks like one. */
  readonly roles?: Readonly<Record<string, TopicRole>> | undefined;
  /**
   * `marked` (default): a plain object counts as an unwrapped row only if something says so: added fields, Debezium's headers, a schema.
   * `any`: every object that is nothing else is a row (ExtractNewRecordState without added fields, before Debezium 3). `never`: none is.
   */
  readonly unwrapped?: 'marked' | 'any' | 'never' | undefined;
  /** `add.fields.prefix` and `add.headers.prefix` of ExtractNewRecordState. Default `__`. */
  readonly addedPrefix?: string | undefined;
}
