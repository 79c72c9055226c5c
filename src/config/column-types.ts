import type { ColumnType, SimpleColumnType } from 'debezium-ts-types';

/** Names of column types, the same as the package's: a name too many or too few does not compile. */
const SIMPLE: Readonly<Record<SimpleColumnType, true>> = {
  date: true,
  time: true,
  'time-millis': true,
  'time-nanos': true,
  timestamp: true,
  'timestamp-millis': true,
  'timestamp-nanos': true,
  timestamptz: true,
  interval: true,
  'variable-decimal': true,
  json: true,
  bytes: true,
  set: true,
  bits: true,
  geometry: true,
  point: true,
  vector: true,
  uuid: true,
  text: true,
  integer: true,
  double: true,
  boolean: true,
};

export const COLUMN_TYPES = Object.keys(SIMPLE) as readonly SimpleColumnType[];

const DECIMAL = /^(?:decimal|numeric)\(\s*\d+\s*(?:,\s*(\d+)\s*)?\)$/;

/** `timestamp`, `decimal(10,2)`; undefined when it is none. */
export function parseColumnType(text: string): ColumnType | undefined {
  if (Object.hasOwn(SIMPLE, text)) return text as SimpleColumnType;
  const decimal = DECIMAL.exec(text);
  return decimal === null ? undefined : { type: 'decimal', scale: Number(decimal[1] ?? 0) };
}
