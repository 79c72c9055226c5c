import { bytes } from './base64.ts';
import { integer } from './checks.ts';
import { DebeziumDecodeError } from './errors.ts';
import { headerKey } from './headers.ts';
import { mongoDocument, mongoUpdate } from './mongodb.ts';
import { isAbsent, isObject } from './objects.ts';
import type { PlainObject } from './objects.ts';
import { keyOf, toKey } from './reading.ts';
import type { Reading } from './reading.ts';
import type { EnvelopeRecord, SnapshotMarker, TransactionPlace } from './records.ts';
import { parseSource, tableOf } from './source.ts';
import type { SourceBlock } from './source.ts';
import type { Row } from './values.ts';

const OPS = new Set(['c', 'u', 'd', 'r', 't', 'm']);

/** `op` and a source block: what no row after ExtractNewRecordState has, as structs do not survive in columns. */
export const isEnvelope = (value: PlainObject): boolean => typeof value['op'] === 'string' && isObject(value['source']);

export function readEnvelope(reading: Reading, value: PlainObject): EnvelopeRecord {
  const { op } = value;
  if (typeof op !== 'string' || !OPS.has(op)) {
    throw new DebeziumDecodeError('INVALID_FIELD', 'value.op', 'The operation is none of c, u, d, r, t and m.');
  }
  const source = parseSource(value['source'], 'value.source');
  const table = op === 'm' ? '' : tableOf(source);
  const base = {
    topic: reading.topic,
    key: keyOf(reading, table),
    schemaless: reading.value.schema === undefined,
    source,
    table,
    snapshot: snapshotMarker(source.snapshot, 'value.source.snapshot'),
    transaction: transactionPlace(value['transaction']),
    processedAtMs: milliseconds(value['ts_ms'], 'value.ts_ms'),
  };
  switch (op) {
    case 't':
      return { kind: 'truncate', op, ...base };
    case 'm':
      return { kind: 'message', op, ...base, ...message(value['message']) };
    case 'd':
      return {
        kind: 'delete',
        op,
        ...base,
        before: rowOf(reading, value, 'before', source),
        newKey: keyFrom(reading, 'newkey', table),
      };
    default: {
      const before = rowOf(reading, value, 'before', source);
      const after = rowOf(reading, value, 'after', source);
      if (after !== null) {
        const changed = { ...base, before, after, oldKey: keyFrom(reading, 'oldkey', table) };
        return { kind: 'change', op: op as 'c' | 'u' | 'r', ...changed };
      }
      if (op === 'u' && source.connector === 'mongodb') {
        return { kind: 'partial-update', op, ...base, before, update: mongoUpdate(value) };
      }
      throw new DebeziumDecodeError(
        'INVALID_FIELD',
        'value.after',
        'A row that was created, updated or read has an "after".',
      );
    }
  }
}

function rowOf(reading: Reading, value: PlainObject, place: 'before' | 'after', source: SourceBlock): Row | null {
  const raw = value[place];
  if (raw === null || raw === undefined) return null;
  if (source.connector === 'mongodb') return mongoDocument(raw, `value.${place}`);
  if (!isObject(raw)) throw new DebeziumDecodeError('INVALID_FIELD', `value.${place}`, 'A row is a struct.');
  const schema = reading.value.schema?.fields?.find((one) => one.field === place);
  return reading.rows.row(raw, schema, reading, tableOf(source), place);
}

function keyFrom(reading: Reading, name: 'newkey' | 'oldkey', table: string): ReturnType<typeof toKey> {
  return toKey(reading, headerKey(reading.headers, name), table);
}

function message(raw: unknown): { readonly prefix: string; readonly content: Uint8Array } {
  if (!isObject(raw) || typeof raw['prefix'] !== 'string') {
    throw new DebeziumDecodeError('INVALID_FIELD', 'value.message', 'A logical message has a prefix and content.');
  }
  return { prefix: raw['prefix'], content: bytes(raw['content'] ?? '', 'value.message.content') };
}

function transactionPlace(raw: unknown): TransactionPlace | null {
  if (raw === null || raw === undefined) return null;
  if (isObject(raw) && typeof raw['id'] === 'string') {
    const where = 'value.transaction';
    return {
      id: raw['id'],
      totalOrder: integer(raw['total_order'], where),
      dataCollectionOrder: integer(raw['data_collection_order'], where),
    };
  }
  throw new DebeziumDecodeError('INVALID_FIELD', 'value.transaction', 'Not the place of an event in its transaction.');
}

const SNAPSHOT_MARKERS: ReadonlySet<unknown> = new Set<SnapshotMarker>([
  'true',
  'first',
  'first_in_data_collection',
  'last_in_data_collection',
  'last',
  'false',
  'incremental',
]);

export function snapshotMarker(raw: unknown, where: string): SnapshotMarker {
  const marker = isAbsent(raw) ? 'false' : typeof raw === 'boolean' ? String(raw) : raw;
  if (SNAPSHOT_MARKERS.has(marker)) return marker as SnapshotMarker;
  throw new DebeziumDecodeError('INVALID_FIELD', where, 'Not a snapshot marker of Debezium.');
}

/** A time in milliseconds, which fits a double for the next 285,000 years. */
export function milliseconds(raw: unknown, where: string): number | null {
  if (raw === null || raw === undefined) return null;
  const value = typeof raw === 'bigint' ? Number(raw) : raw;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw new DebeziumDecodeError('INVALID_FIELD', where, 'A time in milliseconds was expected.');
}
