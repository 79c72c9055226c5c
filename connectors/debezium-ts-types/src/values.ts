/**
 * A column whose value Debezium left out because the change did not touch it (PostgreSQL TOAST, Oracle and DB2 LOBs). On the wire it is a
 * placeholder text; here a symbol, so that it can never be mistaken for text, be indexed or be compared with a value.
 */
export const UNAVAILABLE: unique symbol = Symbol('debezium-unavailable-value');
export type Unavailable = typeof UNAVAILABLE;

/**
 * A column value after decoding, without loss: integers beyond 2^53 are bigint, decimals are exact text, times are RFC 3339 text with every
 * digit they had, bytes are Uint8Array, json columns are parsed.
 */
export type ColumnValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Unavailable
  | Uint8Array
  | readonly ColumnValue[]
  | { readonly [name: string]: ColumnValue };

export type Row = Readonly<Record<string, ColumnValue>>;

/** The key of a record: a row of key columns, or a scalar where a transform extracted one field. */
export type RecordKey = Row | string | number | bigint | boolean;
