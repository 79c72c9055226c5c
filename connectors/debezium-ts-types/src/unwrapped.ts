import { milliseconds, snapshotMarker } from './envelope.ts';
import { hasDebeziumContext, headerKey, headerText } from './headers.ts';
import { setField } from './objects.ts';
import type { PlainObject } from './objects.ts';
import { keyOf, tableOfTopic, toKey } from './reading.ts';
import type { Reading } from './reading.ts';
import type { AddedFields, TombstoneRecord, UnwrappedRecord } from './records.ts';
import { asSent } from './rows.ts';
import { parseSequence } from './source.ts';
import type { ColumnValue, Row } from './values.ts';

/**
 * Names that `add.fields` and `add.headers` of ExtractNewRecordState can make, after the prefix: fields of the envelope, of its blocks
 * (`source.ts_ms` → `source_ts_ms`), and `deleted`. Another column that begins with the prefix is the table's own.
 */
const ADDED = new Set(
  `deleted op ts_ms ts_us ts_ns version connector name snapshot db sequence schema table collection txId lsn xmin origin origin_lsn
   server_id gtid file pos row thread query change_lsn commit_lsn event_serial_no ord lsid txnNumber wallTime`.split(
    /\s+/,
  ),
);
const ADDED_BLOCK = /^(source|transaction)_./;
const OPS = new Set(['c', 'u', 'r', 'd', 't']);

function addedName(name: string, prefix: string): string | undefined {
  if (prefix === '' || !name.startsWith(prefix)) return undefined;
  const rest = name.slice(prefix.length);
  return ADDED.has(rest) || ADDED_BLOCK.test(rest) ? rest : undefined;
}

/** Something beside its shape says that this object is a row of Debezium's. */
export function isMarked(reading: Reading, value: PlainObject, prefix: string): boolean {
  if (reading.value.schema !== undefined || hasDebeziumContext(reading.headers)) return true;
  if (headerText(reading.headers, `${prefix}op`) !== undefined) return true;
  return Object.keys(value).some((name) => addedName(name, prefix) !== undefined);
}

export function readUnwrapped(reading: Reading, value: PlainObject, prefix: string): UnwrappedRecord {
  const all: Record<string, ColumnValue> = {};
  const columns: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    const added = addedName(name, prefix);
    if (added === undefined) setField(columns, name, value[name]);
    else setField(all, added, asSent(value[name]));
  }
  const added = addedFields(reading, all, prefix);
  const table = tableOfAdded(reading, added);
  const row = reading.rows.row(columns, reading.value.schema, reading, table ?? '', 'row');
  return {
    kind: 'unwrapped',
    ...base(reading, table, added),
    row: reading.value.schema === undefined ? row : withoutAdded(row, prefix),
    deleted: isTrue(all['deleted']) || added.op === 'd',
    oldKey: toKey(reading, headerKey(reading.headers, 'oldkey'), table ?? ''),
  };
}

export function readTombstone(reading: Reading, prefix: string): TombstoneRecord {
  const added = addedFields(reading, {}, prefix);
  return { kind: 'tombstone', ...base(reading, tableOfAdded(reading, added), added) };
}

function base(reading: Reading, table: string | undefined, added: AddedFields) {
  return {
    topic: reading.topic,
    table: table ?? null,
    key: keyOf(reading, table ?? ''),
    schemaless: reading.value.schema === undefined,
    added,
    newKey: toKey(reading, headerKey(reading.headers, 'newkey'), table ?? ''),
  };
}

/** The schema names the added fields too; as columns they came out null. */
function withoutAdded(row: Row, prefix: string): Row {
  return Object.fromEntries(Object.entries(row).filter(([name]) => addedName(name, prefix) === undefined));
}

function tableOfAdded(reading: Reading, { schema, db, table }: AddedFields): string | undefined {
  const qualifier = schema ?? undefined;
  if (qualifier !== undefined && table !== null) return `${qualifier}.${table}`;
  return tableOfTopic(reading.topic) ?? (table === null || db === null ? undefined : `${db}.${table}`);
}

function addedFields(reading: Reading, fields: Readonly<Record<string, ColumnValue>>, prefix: string): AddedFields {
  const get = (...names: readonly string[]): ColumnValue | undefined => {
    for (const name of names) {
      const value = fields[name] ?? headerText(reading.headers, `${prefix}${name}`);
      if (value !== undefined && value !== null) return value;
    }
    return undefined;
  };
  const text = (...names: readonly string[]): string | null => {
    const value = get(...names);
    return typeof value === 'string' ? value : null;
  };
  const op = text('op');
  const snapshot = get('source_snapshot', 'snapshot');
  const sourceTsNs = long(get('source_ts_ns'));
  return {
    op: op !== null && OPS.has(op) ? (op as AddedFields['op']) : null,
    db: text('source_db', 'db'),
    schema: text('source_schema', 'schema'),
    table: text('source_table', 'table', 'source_collection', 'collection'),
    lsn: long(get('source_lsn', 'lsn')),
    sequence: parseSequence(text('source_sequence', 'sequence')) ?? null,
    snapshot: snapshot === undefined ? null : snapshotMarker(snapshot, 'value.snapshot'),
    txId: long(get('source_txId', 'txId')),
    sourceTsMs: milliseconds(number(get('source_ts_ms')), 'value.source_ts_ms'),
    sourceTsUs: milliseconds(number(get('source_ts_us')), 'value.source_ts_us'),
    sourceTsNs,
    all: fields,
  };
}

/** Headers are text. */
const number = (value: ColumnValue | undefined): ColumnValue | undefined =>
  typeof value === 'string' && /^-?\d{1,16}$/.test(value) ? Number(value) : value;

function long(value: ColumnValue | undefined): bigint | null {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  return typeof value === 'string' && /^-?\d{1,20}$/.test(value) ? BigInt(value) : null;
}

const isTrue = (value: ColumnValue | undefined): boolean => value === true || value === 'true';
