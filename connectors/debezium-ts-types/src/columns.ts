/**
 * The type of a column as the source has it, for records that carry no schema. With Debezium's defaults: `decimal` is base64 unscaled bytes,
 * `date` days, `time` and `timestamp` microseconds, `timestamptz` text already.
 */
export type ColumnType = SimpleColumnType | { readonly type: 'decimal'; readonly scale: number };

export type SimpleColumnType =
  /** `time.precision.mode=adaptive` (the default): by the column's precision. */
  | 'date'
  | 'time-millis'
  | 'time'
  | 'time-nanos'
  | 'timestamp-millis'
  | 'timestamp'
  | 'timestamp-nanos'
  | 'timestamptz'
  | 'interval'
  /** `numeric` without a scale: `{scale, value}`. */
  | 'variable-decimal'
  | 'json'
  | 'bytes'
  | 'uuid'
  | 'text'
  | 'number'
  | 'boolean'
  | 'geometry'
  | 'vector';
