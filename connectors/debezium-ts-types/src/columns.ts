import type { ConnectSchema } from './connect-schema.ts';

/**
 * The type of a column, for records that carry no schema: what Debezium sends for it with its default settings. Columns that are sent as
 * they are (text, numbers, uuid, `timestamptz`, arrays of them) need none.
 */
export type ColumnType = SimpleColumnType | { readonly type: 'decimal'; readonly scale: number };

export type SimpleColumnType = keyof typeof SIMPLE;

const SIMPLE = {
  /** Days. */
  date: { type: 'int32', name: 'io.debezium.time.Date' },
  /** Microseconds since midnight; `time-millis` for MySQL's and for PostgreSQL's `time(0)` to `time(3)`. */
  time: { type: 'int64', name: 'io.debezium.time.MicroTime' },
  'time-millis': { type: 'int32', name: 'io.debezium.time.Time' },
  'time-nanos': { type: 'int64', name: 'io.debezium.time.NanoTime' },
  /** Microseconds since the epoch; `timestamp-millis` for a precision up to 3, `timestamp-nanos` for SQL Server's beyond 6. */
  timestamp: { type: 'int64', name: 'io.debezium.time.MicroTimestamp' },
  'timestamp-millis': { type: 'int64', name: 'io.debezium.time.Timestamp' },
  'timestamp-nanos': { type: 'int64', name: 'io.debezium.time.NanoTimestamp' },
  timestamptz: { type: 'string', name: 'io.debezium.time.ZonedTimestamp' },
  /** Microseconds. */
  interval: { type: 'int64', name: 'io.debezium.time.MicroDuration' },
  /** `numeric` without precision: `{scale, value}`. */
  'variable-decimal': { type: 'struct', name: 'io.debezium.data.VariableScaleDecimal' },
  /** `json`, `jsonb` and hstore (`hstore.handling.mode=json`): text that is parsed. */
  json: { type: 'string', name: 'io.debezium.data.Json' },
  /** base64 (`binary.handling.mode=bytes`). */
  bytes: { type: 'bytes' },
  /** MySQL's SET. */
  set: { type: 'string', name: 'io.debezium.data.EnumSet' },
  bits: { type: 'bytes', name: 'io.debezium.data.Bits' },
  /** PostGIS and SQL Server: `{wkb, srid}`. */
  geometry: {
    type: 'struct',
    fields: [
      { field: 'wkb', type: 'bytes' },
      { field: 'srid', type: 'int32' },
    ],
  },
  /** `{x, y, wkb, srid}`. */
  point: {
    type: 'struct',
    fields: [
      { field: 'x', type: 'double' },
      { field: 'y', type: 'double' },
      { field: 'wkb', type: 'bytes' },
      { field: 'srid', type: 'int32' },
    ],
  },
  /** pgvector's `vector` and `halfvec`. */
  vector: { type: 'array', items: { type: 'double' } },
  uuid: { type: 'string' },
  text: { type: 'string' },
  integer: { type: 'int64' },
  double: { type: 'double' },
  boolean: { type: 'boolean' },
} as const satisfies Readonly<Record<string, ConnectSchema>>;

export function schemaOfColumn(type: ColumnType): ConnectSchema {
  if (typeof type === 'string') return SIMPLE[type];
  return {
    type: 'bytes',
    name: 'org.apache.kafka.connect.data.Decimal',
    parameters: { scale: String(type.scale) },
  };
}
