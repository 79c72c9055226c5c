import { connectSchemaOfAvro, type ConnectSchema } from 'debezium-ts-types';
import { FreshetError } from '../../../src/domain/errors.ts';
import type { RegisteredSchema, SchemaRegistry } from '../registry/client.ts';
import { withReferences } from './avro-references.ts';
import { compileAvro, type AvroReader } from './avro.ts';

/** Confluent's wire format: a zero byte, the schema's id as a 32-bit integer, big endian, then the data. */
const MAGIC = 0;
const HEADER_BYTES = 5;

export interface AvroSchema {
  readonly reader: AvroReader;
  /** One object per schema id, for as long as the schema is kept. */
  readonly connect: ConnectSchema;
}

export interface AvroPart {
  readonly value: unknown;
  readonly schema: ConnectSchema;
}

/** Reads what converters with a schema registry write. Schemas are prepared once per id. */
export class AvroWire {
  readonly #registry: SchemaRegistry | undefined;
  readonly #source: string;
  readonly #prepared = new WeakMap<RegisteredSchema, AvroSchema>();

  constructor(registry: SchemaRegistry | undefined, source: string) {
    this.#registry = registry;
    this.#source = source;
  }

  static isFramed(bytes: Uint8Array | null): bytes is Uint8Array {
    return bytes !== null && bytes[0] === MAGIC;
  }

  /** The schema of a framed record; not a promise when it is known. */
  schema(bytes: Uint8Array, signal: AbortSignal): AvroSchema | Promise<AvroSchema> {
    const registered = this.#registered(bytes, signal);
    return registered instanceof Promise ? registered.then((one) => this.#prepare(one)) : this.#prepare(registered);
  }

  read(bytes: Uint8Array, { reader, connect }: AvroSchema): AvroPart {
    return { value: reader.read(bytes, HEADER_BYTES), schema: connect };
  }

  #registered(bytes: Uint8Array, signal: AbortSignal): RegisteredSchema | Promise<RegisteredSchema> {
    if (this.#registry === undefined) {
      throw new FreshetError(
        'REGISTRY_MISSING',
        'poison',
        `A record of source ${this.#source} is written in Avro, and no schema registry is configured. Set sources.${this.#source}.registry, ` +
          'restart; then "freshet dlq retry all".',
      );
    }
    if (bytes.length < HEADER_BYTES || bytes[0] !== MAGIC) {
      throw new FreshetError(
        'AVRO_UNREADABLE',
        'poison',
        `A record of source ${this.#source} does not begin with the id of an Avro schema. If the topic holds JSON, set "format: json".`,
      );
    }
    return this.#registry.schema(new DataView(bytes.buffer, bytes.byteOffset).getUint32(1), signal);
  }

  #prepare(registered: RegisteredSchema): AvroSchema {
    let prepared = this.#prepared.get(registered);
    if (prepared === undefined) {
      const schema = withReferences(registered.schema, registered.references);
      prepared = { reader: compileAvro(schema), connect: connectSchemaOfAvro(schema) };
      this.#prepared.set(registered, prepared);
    }
    return prepared;
  }
}
