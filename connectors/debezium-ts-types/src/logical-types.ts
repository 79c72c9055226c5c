import { bytes } from './base64.ts';
import { integer, mismatch } from './checks.ts';
import type { Convert } from './checks.ts';
import type { ConnectSchema } from './connect-schema.ts';
import { checkScale, decimal, decimalText, unscaled } from './decimal.ts';
import { DebeziumDecodeError } from './errors.ts';
import { parseJsonColumn } from './json.ts';
import { isAbsent, isObject } from './objects.ts';
import { dateText, durationText, timestampText, timeText } from './time.ts';
import type { Precision } from './time.ts';
import type { ColumnValue } from './values.ts';

type Prepare = (schema: ConnectSchema, where: string) => Convert;

/** The conversion of a logical type, or undefined for a plain one and for names that mean no more than their type (`…Uuid`, `….Value`). */
export function logicalConverter(schema: ConnectSchema, where: string): Convert | undefined {
  return isAbsent(schema.name) ? undefined : LOGICAL.get(schema.name)?.(schema, where);
}

const days: Prepare = (_, where) => (raw) => dateOf(integer(raw, where), where);
const ofDay =
  (precision: Precision): Prepare =>
  (_, where) =>
  (raw) =>
    timeText(integer(raw, where), precision);
const sinceEpoch =
  (precision: Precision): Prepare =>
  (_, where) =>
  (raw) =>
    timestampOf(integer(raw, where), precision);
const elapsed =
  (precision: Precision): Prepare =>
  (_, where) =>
  (raw) =>
    durationText(integer(raw, where), precision);

/** Names as Kafka Connect (org.apache.kafka.connect.data) and Debezium (io.debezium.time, io.debezium.data) register them. */
const LOGICAL: ReadonlyMap<string, Prepare> = new Map<string, Prepare>([
  ['org.apache.kafka.connect.data.Decimal', connectDecimal],
  ['org.apache.kafka.connect.data.Date', days],
  ['org.apache.kafka.connect.data.Time', ofDay(3)],
  ['org.apache.kafka.connect.data.Timestamp', sinceEpoch(3)],
  ['io.debezium.time.Date', days],
  ['io.debezium.time.Time', ofDay(3)],
  ['io.debezium.time.MicroTime', ofDay(6)],
  ['io.debezium.time.NanoTime', ofDay(9)],
  ['io.debezium.time.Timestamp', sinceEpoch(3)],
  ['io.debezium.time.MicroTimestamp', sinceEpoch(6)],
  ['io.debezium.time.NanoTimestamp', sinceEpoch(9)],
  ['io.debezium.time.ZonedTimestamp', zonedTimestamp],
  ['io.debezium.time.MicroDuration', elapsed(6)],
  ['io.debezium.time.NanoDuration', elapsed(9)],
  ['io.debezium.data.VariableScaleDecimal', (_, where) => (raw) => variableDecimal(raw, where)],
  ['io.debezium.data.Json', json],
  ['io.debezium.data.EnumSet', enumSet],
  ['io.debezium.data.Bits', bits],
]);

function connectDecimal(schema: ConnectSchema, where: string): Convert {
  const parameter = schema.parameters?.['scale'];
  if (parameter === undefined || !/^-?\d{1,6}$/.test(parameter)) {
    throw new DebeziumDecodeError('INVALID_SCHEMA', where, 'A decimal schema needs the parameter "scale".');
  }
  const scale = checkScale(Number(parameter), where);
  return (raw) => decimal(raw, scale, where);
}

function variableDecimal(raw: unknown, where: string): string {
  if (!isObject(raw)) return mismatch('a decimal with its scale', where);
  return decimalText(unscaled(bytes(raw['value'], where)), checkScale(raw['scale'], where));
}

/** The days by which Debezium stands for PostgreSQL's infinities: LocalDates -5877611-06-21 (up to 3.2) and +5877611-06-21, and the day after the former. */
const DATE_INFINITY = new Set([-2_147_472_692, 2_146_033_979]);
const DATE_MINUS_INFINITY = -2_147_472_691;

function dateOf(value: number | bigint, where: string): string {
  // 32 bits, on the wire and in every database: beyond, the calendar's arithmetic would not be exact.
  if (typeof value === 'bigint' || Math.abs(value) > 2 ** 31) return mismatch('a count of days in 32 bits', where);
  if (DATE_INFINITY.has(value)) return 'infinity';
  return value === DATE_MINUS_INFINITY ? '-infinity' : dateText(value);
}

/** What PostgreSQL's JDBC driver sends for its infinities, in milliseconds; Debezium passes the same digits on as micro- or milliseconds. */
const INFINITY = 9_223_372_036_825_200_000n;
const MINUS_INFINITY = -9_223_372_036_832_400_000n;

function timestampOf(value: number | bigint, precision: Precision): string {
  const digits = BigInt(value);
  if (digits === INFINITY || (precision === 3 && digits === INFINITY / 1000n)) return 'infinity';
  if (digits === MINUS_INFINITY || (precision === 3 && digits === MINUS_INFINITY / 1000n)) return '-infinity';
  return timestampText(value, precision);
}

/** RFC 3339 text already, in UTC; the infinities are the same instants as above. */
function zonedTimestamp(_: ConnectSchema, where: string): Convert {
  return (raw) => {
    if (typeof raw !== 'string') return mismatch('text', where);
    if (/^\+292278994-08-16T23:00:00(\.0+)?Z$/.test(raw)) return 'infinity';
    return /^-292275055-05-16T23:00:00(\.0+)?Z$/.test(raw) ? '-infinity' : raw;
  };
}

/** The parsed document; numbers in it that no JavaScript number holds are their own text. */
function json(_: ConnectSchema, where: string): Convert {
  return (raw): ColumnValue => (typeof raw === 'string' ? parseJsonColumn(raw, where) : mismatch('JSON text', where));
}

/** MySQL's SET: members cannot contain a comma. */
function enumSet(_: ConnectSchema, where: string): Convert {
  return (raw) => (typeof raw !== 'string' ? mismatch('text', where) : raw === '' ? [] : raw.split(','));
}

/** Little-endian bytes → the digits as SQL writes them, most significant first. */
function bits(schema: ConnectSchema, where: string): Convert {
  const length = Number(schema.parameters?.['length'] ?? Number.POSITIVE_INFINITY);
  return (raw) => {
    const digits = [...bytes(raw, where)]
      .reverse()
      .map((byte) => byte.toString(2).padStart(8, '0'))
      .join('');
    return digits.slice(Math.max(0, digits.length - length));
  };
}
