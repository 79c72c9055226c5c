import type { ColumnType } from './columns.ts';
import type { ConnectSchema } from './connect-schema.ts';
import type { DebeziumRecord } from './records.ts';

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
  readonly keySchema?: ConnectSchema | undefined;
  readonly valueSchema?: ConnectSchema | undefined;
  readonly headers?: RecordHeaders | undefined;
}

/** What a topic carries, where its records alone do not say so. */
export type TopicRole = 'rows' | 'heartbeats' | 'transactions' | 'signals' | 'notifications' | 'schema-changes';

export interface DecodeOptions {
  /** Debezium's `unavailable.value.placeholder`. Default `__debezium_unavailable_value`. */
  readonly unavailableValue?: string | undefined;
  /** Types of columns by table (`schema.table`, as in `ChangeRecord.table`; for unwrapped records also the topic), for records without schema. */
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

export interface Decoder {
  /** @throws {DebeziumDecodeError} on everything that is not a known record; never another error. */
  decode(record: RawRecord): DebeziumRecord;
  /** The same for records that are parsed already. @throws {DebeziumDecodeError} */
  interpret(record: ParsedRecord): DebeziumRecord;
}

/** A decoder with options of its own. Keep it: it remembers the schemas it has seen. */
export function createDecoder(_options: DecodeOptions = {}): Decoder {
  throw new Error('not yet');
}

export function decodeRecord(record: RawRecord, options?: DecodeOptions): DebeziumRecord {
  return createDecoder(options).decode(record);
}

export function interpret(record: ParsedRecord, options?: DecodeOptions): DebeziumRecord {
  return createDecoder(options).interpret(record);
}
