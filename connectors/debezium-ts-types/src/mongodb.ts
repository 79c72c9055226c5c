import { bytes } from './base64.ts';
import { DebeziumDecodeError } from './errors.ts';
import { exactNumber, ExactNumber } from './exact-number.ts';
import { parseJsonColumn } from './json.ts';
import { isAbsent, isObject, setField } from './objects.ts';
import type { PlainObject } from './objects.ts';
import type { MongoUpdate } from './records.ts';
import { timestampText } from './time.ts';
import type { ColumnValue, Row } from './values.ts';

/** MongoDB's documents travel as Extended JSON v2 text (relaxed or canonical) in one column. */
export function mongoDocument(raw: unknown, where: string): Row {
  if (typeof raw !== 'string')
    throw new DebeziumDecodeError('INVALID_FIELD', where, 'A MongoDB document is JSON text.');
  const document = parseJsonColumn(raw, where);
  if (!isObject(document))
    throw new DebeziumDecodeError('INVALID_FIELD', where, 'A MongoDB document is a JSON object.');
  return fields(document, where);
}

/** The change-stream form (`updateDescription`), or the oplog form of Debezium 1 (`patch`: `$set` and `$unset`). */
export function mongoUpdate(value: PlainObject): MongoUpdate {
  const description = value['updateDescription'];
  if (isObject(description)) return described(description);
  if (typeof value['patch'] === 'string') return patched(value['patch']);
  throw new DebeziumDecodeError(
    'INVALID_FIELD',
    'value',
    'An update without "after" has an "updateDescription" or a "patch".',
  );
}

function described(description: PlainObject): MongoUpdate {
  const where = 'value.updateDescription';
  const { updatedFields, removedFields, truncatedArrays } = description;
  return {
    updatedFields: isAbsent(updatedFields) ? {} : mongoDocument(updatedFields, `${where}.updatedFields`),
    removedFields: list(removedFields, `${where}.removedFields`).map((name) =>
      typeof name === 'string' ? name : wrong(`${where}.removedFields`),
    ),
    truncatedArrays: list(truncatedArrays, `${where}.truncatedArrays`).map((one) =>
      isObject(one) && typeof one['field'] === 'string' && typeof one['size'] === 'number'
        ? { field: one['field'], newSize: one['size'] }
        : wrong(`${where}.truncatedArrays`),
    ),
  };
}

function patched(patch: string): MongoUpdate {
  const where = 'value.patch';
  const document = mongoDocument(patch, where);
  const { $set: set, $unset: unset } = document;
  if (Object.keys(document).some((name) => !['$v', '$set', '$unset'].includes(name))) return wrong(where);
  return {
    updatedFields: isObject(set) ? (set as Row) : {},
    removedFields: isObject(unset) ? Object.keys(unset) : [],
    truncatedArrays: [],
  };
}

function list(raw: unknown, where: string): readonly unknown[] {
  if (isAbsent(raw)) return [];
  return Array.isArray(raw) ? raw : wrong(where);
}

function wrong(where: string): never {
  throw new DebeziumDecodeError('INVALID_FIELD', where, 'Not an update as MongoDB describes it.');
}

function fields(object: PlainObject, where: string): Row {
  const row: Record<string, ColumnValue> = {};
  for (const name of Object.keys(object)) setField(row, name, extended(object[name] as ColumnValue, where));
  return row;
}

/** One value of Extended JSON. Types that JavaScript has no value for (timestamp, regular expression, …) stay records. */
function extended(value: ColumnValue, where: string): ColumnValue {
  if (Array.isArray(value)) return (value as readonly ColumnValue[]).map((one) => extended(one, where));
  if (!isObject(value)) return value;
  const names = Object.keys(value);
  const convert = names.length === 1 ? EXTENDED.get(names[0] as string) : undefined;
  return convert?.(value[names[0] as string], where) ?? fields(value, where);
}

/** undefined: not of the form that the name promises; a document of the application's own. */
const EXTENDED = new Map<string, (inner: unknown, where: string) => ColumnValue | undefined>([
  ['$oid', text],
  ['$symbol', text],
  ['$numberDecimal', text],
  ['$uuid', text],
  ['$numberInt', integer],
  ['$numberLong', integer],
  ['$numberDouble', (inner) => (typeof inner === 'string' && inner !== '' ? Number(inner) : undefined)],
  ['$date', date],
  ['$binary', (inner, where) => (isObject(inner) && 'base64' in inner ? bytes(inner['base64'], where) : undefined)],
  ['$undefined', () => null],
]);

function text(inner: unknown): string | undefined {
  return typeof inner === 'string' ? inner : undefined;
}

function integer(inner: unknown, where: string): number | bigint | undefined {
  if (typeof inner !== 'string' || !/^-?\d+$/.test(inner)) return undefined;
  const value = exactNumber(inner, where);
  return value instanceof ExactNumber ? undefined : value;
}

/** RFC 3339 text already, or milliseconds where the year has not four digits, or always (canonical, and MongoDB's Java driver). */
function date(inner: unknown, where: string): string | undefined {
  if (typeof inner === 'string') return inner;
  const value = isObject(inner) ? integer(inner['$numberLong'], where) : inner;
  return typeof value === 'number' && Number.isSafeInteger(value) ? timestampText(value, 3) : undefined;
}
