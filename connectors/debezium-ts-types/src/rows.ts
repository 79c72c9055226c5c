import type { Convert } from './checks.ts';
import { schemaOfColumn } from './columns.ts';
import type { ColumnType } from './columns.ts';
import type { ConnectSchema } from './connect-schema.ts';
import { DebeziumDecodeError } from './errors.ts';
import { ExactNumber } from './exact-number.ts';
import { isObject, setField, shortened } from './objects.ts';
import type { PlainObject } from './objects.ts';
import type { Placeholder } from './placeholder.ts';
import { converterOf } from './to-value.ts';
import { UNAVAILABLE } from './values.ts';
import type { ColumnValue, Row } from './values.ts';

/** A row as the converter gave it → a row of exact values. */
export type ToRow = (raw: PlainObject) => Row;

/** By the schema of a struct. The placeholder is looked for in whole columns only; a key has none (`placeholder` undefined). */
export function rowBySchema(schema: ConnectSchema, placeholder: Placeholder | undefined, where: string): ToRow {
  if (schema.type !== 'struct' || schema.fields === undefined) {
    throw new DebeziumDecodeError('INVALID_SCHEMA', where, 'The schema of a row is a struct.');
  }
  const columns = schema.fields.map((one) => [one.field, converterOf(one, `${where}.${one.field}`)] as const);
  return (raw) => {
    const row: Record<string, ColumnValue> = {};
    for (const [name, convert] of columns) {
      const value = Object.hasOwn(raw, name) ? raw[name] : null;
      setField(row, name, placeholder?.is(value) === true ? UNAVAILABLE : convert(value));
    }
    return row;
  };
}

/** Without a schema: declared columns by their types, the others as they were sent. */
export function rowByDeclaration(
  types: Readonly<Record<string, ColumnType>> | undefined,
  placeholder: Placeholder | undefined,
  where: string,
): ToRow {
  const converters = new Map<string, Convert>(
    Object.entries(types ?? {}).map(([name, type]) => [name, converterOf(schemaOfColumn(type), `${where}.${name}`)]),
  );
  return (raw) => {
    const row: Record<string, ColumnValue> = {};
    for (const name of Object.keys(raw)) {
      const value = raw[name];
      const convert = converters.get(name) ?? asSent;
      setField(row, name, placeholder?.is(value) === true ? UNAVAILABLE : convert(value));
    }
    return row;
  };
}

/** What JSON or Avro gave, except that numbers no JavaScript number holds become their own text. */
export function asSent(raw: unknown): ColumnValue {
  if (raw instanceof ExactNumber) return raw.text;
  if (raw === undefined) return null;
  if (typeof raw === 'bigint') return shortened(raw);
  if (typeof raw !== 'object' || raw === null || raw instanceof Uint8Array) return raw as ColumnValue;
  if (Array.isArray(raw)) return raw.map(asSent);
  const object: Record<string, ColumnValue> = {};
  if (isObject(raw)) for (const name of Object.keys(raw)) setField(object, name, asSent(raw[name]));
  return object;
}
