import { bytes } from './base64.ts';
import { integer, mismatch } from './checks.ts';
import type { Convert } from './checks.ts';
import type { ConnectSchema } from './connect-schema.ts';
import { DebeziumDecodeError } from './errors.ts';
import { ExactNumber } from './exact-number.ts';
import { logicalConverter } from './logical-types.ts';
import { isObject, setField } from './objects.ts';
import { Placeholder } from './placeholder.ts';
import { UNAVAILABLE } from './values.ts';
import type { ColumnValue } from './values.ts';

export interface ValueOptions {
  /** Debezium's `unavailable.value.placeholder`. Default `__debezium_unavailable_value`. */
  readonly unavailableValue?: string | undefined;
}

/** Nested deeper than any database's types; schemas from a registry are input too. */
const DEPTH_MAX = 64;

/**
 * A column's value as a converter gave it (JSON or Avro) → the exact JavaScript value that its schema means, or UNAVAILABLE if the whole
 * value is the placeholder. @throws {DebeziumDecodeError}
 */
export function toValue(raw: unknown, schema: ConnectSchema, options: ValueOptions = {}): ColumnValue {
  const placeholder = new Placeholder(options.unavailableValue);
  return placeholder.is(raw) ? UNAVAILABLE : converterOf(schema, 'value')(raw);
}

/** The conversion of one schema, prepared once. `where` goes into its errors. @throws {DebeziumDecodeError} INVALID_SCHEMA */
export function converterOf(schema: ConnectSchema, where: string, depth = 0): Convert {
  if (depth > DEPTH_MAX) throw new DebeziumDecodeError('INVALID_SCHEMA', where, 'The schema is nested too deeply.');
  const convert = logicalConverter(schema, where) ?? plainConverter(schema, where, depth);
  return (raw) => (raw === null || raw === undefined ? null : convert(raw));
}

function plainConverter(schema: ConnectSchema, where: string, depth: number): Convert {
  switch (schema.type) {
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
      return (raw) => integer(raw, where);
    case 'float':
    case 'float32':
    case 'double':
    case 'float64':
      return (raw) => double(raw, where);
    case 'boolean':
      return (raw) => (typeof raw === 'boolean' ? raw : mismatch('a boolean', where));
    case 'string':
      return (raw) => (typeof raw === 'string' ? raw : mismatch('text', where));
    case 'bytes':
      return (raw) => bytes(raw, where);
    case 'array':
      return arrayConverter(schema, where, depth);
    case 'map':
      return mapConverter(schema, where, depth);
    case 'struct':
      return structConverter(schema, where, depth);
  }
}

function arrayConverter(schema: ConnectSchema, where: string, depth: number): Convert {
  const element = converterOf(part(schema.items, where), `${where}[]`, depth + 1);
  return (raw) => (Array.isArray(raw) ? raw.map(element) : mismatch('an array', where));
}

/** JSON: an object where keys are text, else an array of pairs. Keys become text either way. */
function mapConverter(schema: ConnectSchema, where: string, depth: number): Convert {
  const key = converterOf(part(schema.keys, where), `${where}{}`, depth + 1);
  const value = converterOf(part(schema.values, where), `${where}{}`, depth + 1);
  return (raw) => {
    const entries = Array.isArray(raw) ? raw : isObject(raw) ? Object.entries(raw) : mismatch('a map', where);
    const map: Record<string, ColumnValue> = {};
    for (const entry of entries) {
      if (!Array.isArray(entry) || entry.length !== 2) return mismatch('a map', where);
      // Object keys are text already, whatever the schema says of them.
      setField(map, typeof entry[0] === 'string' ? entry[0] : keyText(key(entry[0]), where), value(entry[1]));
    }
    return map;
  };
}

function keyText(key: ColumnValue, where: string): string {
  const isScalar =
    typeof key === 'string' || typeof key === 'number' || typeof key === 'bigint' || typeof key === 'boolean';
  return isScalar ? String(key) : mismatch('a map with scalar keys', where);
}

function structConverter(schema: ConnectSchema, where: string, depth: number): Convert {
  const fields = (schema.fields ?? mismatchSchema(where)).map(
    (one) => [one.field, converterOf(one, `${where}.${one.field}`, depth + 1)] as const,
  );
  return (raw) => {
    if (!isObject(raw)) return mismatch('a struct', where);
    const struct: Record<string, ColumnValue> = {};
    for (const [name, convert] of fields) setField(struct, name, convert(Object.hasOwn(raw, name) ? raw[name] : null));
    return struct;
  };
}

/** JSON has no NaN and no infinities: Connect writes them as text. */
function double(raw: unknown, where: string): number {
  if (typeof raw === 'number') return raw;
  if (typeof raw === 'bigint') return Number(raw);
  if (raw instanceof ExactNumber) return Number(raw.text);
  if (raw === 'NaN' || raw === 'Infinity' || raw === '-Infinity') return Number(raw);
  return mismatch('a number', where);
}

function mismatchSchema(where: string): never {
  throw new DebeziumDecodeError('INVALID_SCHEMA', where, 'The schema lacks the types of its parts.');
}

const part = (schema: ConnectSchema | undefined, where: string): ConnectSchema => schema ?? mismatchSchema(where);
