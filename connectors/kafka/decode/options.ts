import type { ColumnType } from 'debezium-ts-types';
import type { TableId } from '../../../src/domain/ids.ts';
import type { SchemaRegistry } from '../registry/client.ts';

export interface DecodedTable {
  readonly id: TableId;
  /** As Debezium names it: `schema.table`, `database.table`, `database.schema.table` or `database.collection`. */
  readonly name: string;
  /** Its only topic; records of other topics are then not its own. Default: by the source block, `<prefix>.<name>` or `….<name>`. */
  readonly topic?: string;
  /** Key columns in order; the record's key must have them. Default: all of the record's key. */
  readonly key?: readonly string[];
  /** Types of columns, for records that carry no schema. */
  readonly columns?: Readonly<Record<string, ColumnType>>;
}

export interface RecordDecoderOptions {
  /** Name of the source, for messages. */
  readonly source: string;
  readonly tables: readonly DecodedTable[];
  /** Debezium's `topic.prefix`. */
  readonly topicPrefix?: string;
  /** Topics whose records do not say what they are. Debezium's own names are known without. */
  readonly topics?: {
    readonly heartbeats?: readonly string[];
    readonly transactions?: readonly string[];
    readonly signals?: readonly string[];
    readonly notifications?: readonly string[];
    readonly schemaChanges?: readonly string[];
  };
  /** `auto` (default): a first byte of 0 is Avro, as no JSON begins with one. */
  readonly format?: 'auto' | 'json' | 'avro';
  /** Needed for Avro. Not closed with the decoder. */
  readonly registry?: SchemaRegistry;
  /** Debezium's `unavailable.value.placeholder`. */
  readonly unavailableValue?: string;
  /** What counts as a row without an envelope; see DecodeOptions of debezium-ts-types. Default `marked`. */
  readonly unwrapped?: 'marked' | 'any' | 'never';
  /**
   * Whether a tombstone is the only trace of a delete (ExtractNewRecordState with `delete.tombstone.handling.mode=tombstone`).
   * `auto` (default): on topics of rows without an envelope and without the `deleted` field that `rewrite` adds.
   */
  readonly tombstonesDelete?: boolean | 'auto';
}
