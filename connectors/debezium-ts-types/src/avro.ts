import type { ConnectField, ConnectSchema, ConnectType } from './connect-schema.ts';
import { DebeziumDecodeError } from './errors.ts';
import { isObject } from './objects.ts';
import type { PlainObject } from './objects.ts';

/** Avro's primitive types; `int` may be a narrower integer of Connect, named by `connect.type`. */
const PRIMITIVES: ReadonlyMap<unknown, ConnectType> = new Map<unknown, ConnectType>([
  ['boolean', 'boolean'],
  ['int', 'int32'],
  ['long', 'int64'],
  ['float', 'float32'],
  ['double', 'float64'],
  ['string', 'string'],
  ['bytes', 'bytes'],
]);

/** Logical types of Avro itself, where no `connect.name` says more (The Avro specification, Logical Types). */
const LOGICAL: ReadonlyMap<unknown, string> = new Map([
  ['decimal', 'org.apache.kafka.connect.data.Decimal'],
  ['date', 'org.apache.kafka.connect.data.Date'],
  ['time-millis', 'org.apache.kafka.connect.data.Time'],
  ['time-micros', 'io.debezium.time.MicroTime'],
  ['timestamp-millis', 'org.apache.kafka.connect.data.Timestamp'],
  ['timestamp-micros', 'io.debezium.time.MicroTimestamp'],
  ['timestamp-nanos', 'io.debezium.time.NanoTimestamp'],
  ['local-timestamp-millis', 'org.apache.kafka.connect.data.Timestamp'],
  ['local-timestamp-micros', 'io.debezium.time.MicroTimestamp'],
  ['local-timestamp-nanos', 'io.debezium.time.NanoTimestamp'],
]);

const DEPTH_MAX = 64;

/**
 * The Connect schema that an Avro schema (parsed JSON) stands for, as the Avro converters of Confluent and Apicurio write it: `connect.name`
 * and `connect.parameters`, logical types, a union with null for an optional value. Names may be used again after their definition, but not
 * inside it. @throws {DebeziumDecodeError} INVALID_SCHEMA
 */
export function connectSchemaOfAvro(avroSchema: unknown): ConnectSchema {
  return new AvroReader().read(avroSchema, '', 'schema', 0);
}

class AvroReader {
  /** Named types by full name; `open` while their definition is read: a recursive type has no end as a Connect schema. */
  readonly #named = new Map<string, ConnectSchema | 'open'>();

  read(avro: unknown, namespace: string, where: string, depth: number): ConnectSchema {
    if (depth > DEPTH_MAX) throw invalid(where, 'The schema is nested too deeply.');
    if (typeof avro === 'string') return this.#byName(avro, namespace, where);
    if (Array.isArray(avro)) return this.#union(avro, namespace, where, depth);
    if (!isObject(avro)) throw invalid(where, 'Not an Avro schema.');
    // `{"type": {"type": "record", …}}` is allowed, and so is a union in its place.
    if (typeof avro['type'] !== 'string') return this.read(avro['type'], namespace, where, depth + 1);
    return { ...this.#complex(avro, avro['type'], namespace, where, depth), ...annotations(avro) };
  }

  #union(branches: readonly unknown[], namespace: string, where: string, depth: number): ConnectSchema {
    const values = branches.filter((branch) => branch !== 'null' && !(isObject(branch) && branch['type'] === 'null'));
    if (values.length !== 1) throw invalid(where, 'A union of several types other than null has no Connect schema.');
    const schema = this.read(values[0], namespace, where, depth + 1);
    return values.length < branches.length ? { ...schema, optional: true } : schema;
  }

  #byName(name: string, namespace: string, where: string): ConnectSchema {
    const primitive = PRIMITIVES.get(name);
    if (primitive !== undefined) return { type: primitive };
    const named = this.#named.get(fullName(name, namespace)) ?? this.#named.get(name);
    if (named === 'open') throw invalid(where, 'A recursive type has no Connect schema.');
    if (named === undefined) throw invalid(where, 'A type is used that is not defined before.');
    return named;
  }

  #complex(avro: PlainObject, type: string, namespace: string, where: string, depth: number): ConnectSchema {
    switch (type) {
      case 'record':
        return this.#record(avro, namespace, where, depth);
      case 'enum':
        return this.#define(avro, namespace, where, { type: 'string', ...annotations(avro) });
      case 'fixed':
        return this.#define(avro, namespace, where, { type: 'bytes', ...annotations(avro) });
      case 'array':
        return { type: 'array', items: this.read(avro['items'], namespace, `${where}[]`, depth + 1) };
      case 'map': {
        const values = this.read(avro['values'], namespace, `${where}{}`, depth + 1);
        return { type: 'map', keys: { type: 'string' }, values };
      }
      default:
        return this.#byName(type, namespace, where);
    }
  }

  #record(avro: PlainObject, outer: string, where: string, depth: number): ConnectSchema {
    const name = nameOf(avro, outer, where);
    const namespace = name.includes('.') ? name.slice(0, name.lastIndexOf('.')) : '';
    if (!Array.isArray(avro['fields'])) throw invalid(where, 'A record has fields.');
    this.#named.set(name, 'open');
    const fields = avro['fields'].map((one: unknown): ConnectField => {
      if (!isObject(one) || typeof one['name'] !== 'string') throw invalid(where, 'A field has a name.');
      const field = one['name'];
      return { field, ...this.read(one['type'], namespace, `${where}.${field}`, depth + 1) };
    });
    return this.#define(avro, outer, where, { type: 'struct', fields, ...annotations(avro) });
  }

  #define(avro: PlainObject, namespace: string, where: string, schema: ConnectSchema): ConnectSchema {
    this.#named.set(nameOf(avro, namespace, where), schema);
    return schema;
  }
}

/** The parts of a Connect schema that the converter left in an Avro type. */
function annotations(avro: PlainObject): Partial<ConnectSchema> {
  const name = avro['connect.name'] ?? LOGICAL.get(avro['logicalType']);
  const given = isObject(avro['connect.parameters']) ? Object.entries(avro['connect.parameters']) : [];
  const parameters: Record<string, string> = Object.fromEntries(
    given.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
  // A decimal of Avro's own has its scale beside it, and 0 if it has none.
  if (avro['logicalType'] === 'decimal')
    parameters['scale'] ??= typeof avro['scale'] === 'number' ? String(avro['scale']) : '0';
  return {
    ...(typeof name === 'string' ? { name } : {}),
    ...(Object.keys(parameters).length > 0 ? { parameters } : {}),
  };
}

function nameOf(avro: PlainObject, outer: string, where: string): string {
  const { name, namespace } = avro;
  if (typeof name !== 'string') throw invalid(where, 'A named type has a name.');
  return fullName(name, typeof namespace === 'string' ? namespace : outer);
}

const fullName = (name: string, namespace: string): string =>
  name.includes('.') || namespace === '' ? name : `${namespace}.${name}`;

const invalid = (where: string, message: string): DebeziumDecodeError =>
  new DebeziumDecodeError('INVALID_SCHEMA', where, message);
