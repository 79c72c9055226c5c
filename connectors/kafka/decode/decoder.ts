import {
  createDecoder,
  parseJson,
  type ColumnType,
  type DebeziumRecord,
  type Decoder,
  type TopicRole,
} from 'debezium-ts-types';
import type { RowKey } from '../../../src/domain/ids.ts';
import { makeVersion } from '../../../src/domain/version.ts';
import type { DecodedRecord, KafkaRecord, RecordDecoder } from '../record.ts';
import { AvroWire, type AvroPart, type AvroSchema } from './avro-wire.ts';
import { asFreshetError } from './errors.ts';
import { Interpreter } from './events.ts';
import { keyOfRecord } from './keys.ts';
import type { DecodedTable, RecordDecoderOptions } from './options.ts';

export type { DecodedTable, RecordDecoderOptions } from './options.ts';

/**
 * Debezium's records as change events: JSON with or without schema, Avro, rows with or without envelope.
 *
 * Synchronous unless a schema must be fetched. It remembers the last record of each partition (see `tombstones.ts`), so records of one
 * partition must come in order and one after another; `record-fetch` may use the same decoder.
 */
export function createRecordDecoder(options: RecordDecoderOptions): RecordDecoder {
  return new DebeziumRecordDecoder(options);
}

class DebeziumRecordDecoder implements RecordDecoder {
  readonly #format: 'auto' | 'json' | 'avro';
  readonly #avro: AvroWire;
  readonly #debezium: Decoder;
  readonly #interpreter: Interpreter;

  constructor(options: RecordDecoderOptions) {
    this.#format = options.format ?? 'auto';
    this.#avro = new AvroWire(options.registry, options.source);
    this.#debezium = createDecoder({
      unavailableValue: options.unavailableValue,
      unwrapped: options.unwrapped,
      columns: declaredColumns(options),
      roles: topicRoles(options),
    });
    this.#interpreter = new Interpreter(options);
  }

  begins(topic: string, partition: number, offset: bigint): void {
    this.#interpreter.begins(topic, partition, offset);
  }

  decode(record: KafkaRecord, epoch: number, signal: AbortSignal): DecodedRecord | Promise<DecodedRecord> {
    let schemas: Schemas | Promise<Schemas>;
    try {
      schemas = this.#schemas(record, signal);
    } catch (error) {
      return this.#undecodable(record, epoch, error, signal);
    }
    if (!(schemas instanceof Promise)) return this.#withSchemas(record, epoch, schemas, signal);
    return schemas.then(
      (known) => this.#withSchemas(record, epoch, known, signal),
      (error: unknown) => this.#undecodable(record, epoch, error, signal),
    );
  }

  #withSchemas(record: KafkaRecord, epoch: number, schemas: Schemas, signal: AbortSignal): DecodedRecord {
    try {
      return this.#interpreter.interpret(this.#parse(record, schemas), record, epoch);
    } catch (error) {
      return this.#undecodable(record, epoch, error, signal);
    }
  }

  /** The schemas that key and value name, if they do. */
  #schemas({ key, value }: KafkaRecord, signal: AbortSignal): Schemas | Promise<Schemas> {
    const keySchema = this.#isAvro(key) ? this.#avro.schema(key, signal) : undefined;
    const valueSchema = this.#isAvro(value) ? this.#avro.schema(value, signal) : undefined;
    if (keySchema === undefined && valueSchema === undefined) return NO_SCHEMAS;
    if (!(keySchema instanceof Promise) && !(valueSchema instanceof Promise)) return { keySchema, valueSchema };
    return settled(keySchema, valueSchema);
  }

  #isAvro(bytes: Uint8Array | null): bytes is Uint8Array {
    return this.#format === 'avro' ? bytes !== null : this.#format === 'auto' && AvroWire.isFramed(bytes);
  }

  #parse(record: KafkaRecord, { keySchema, valueSchema }: Schemas): DebeziumRecord {
    const { topic, key, value, headers } = record;
    if (keySchema === undefined && valueSchema === undefined)
      return this.#debezium.decode({ topic, key, value, headers });
    const ofKey = this.#part(key, keySchema);
    const ofValue = this.#part(value, valueSchema);
    return this.#debezium.interpret({
      topic,
      headers,
      key: ofKey.value,
      value: ofValue.value,
      keySchema: ofKey.schema,
      valueSchema: ofValue.schema,
    });
  }

  /** One side may be Avro and the other JSON. */
  #part(
    bytes: Uint8Array | null,
    schema: AvroSchema | undefined,
  ): AvroPart | { readonly value: unknown; readonly schema: undefined } {
    if (bytes === null) return { value: null, schema: undefined };
    return schema === undefined ? { value: parseJson(bytes), schema: undefined } : this.#avro.read(bytes, schema);
  }

  /** Everything that is known of a record that is to blame; whatever else went wrong is thrown. */
  #undecodable(record: KafkaRecord, epoch: number, thrown: unknown, signal: AbortSignal): DecodedRecord {
    const error = asFreshetError(thrown, record.topic);
    if (error.kind !== 'poison') throw error;
    const table = this.#interpreter.tableOfTopic(record.topic);
    const key = table === undefined ? undefined : this.#keyAlone(record, table, signal);
    return {
      event: {
        kind: 'undecodable',
        table: table?.id,
        key,
        error,
        version: makeVersion(epoch, record.offset),
        committedAt: record.timestamp,
      },
    };
  }

  /** A value that cannot be read says nothing against its key: as a tombstone the record still has one. */
  #keyAlone(record: KafkaRecord, table: DecodedTable, signal: AbortSignal): RowKey | undefined {
    try {
      const keySchema = this.#isAvro(record.key) ? this.#avro.schema(record.key, signal) : undefined;
      if (record.key === null || keySchema instanceof Promise) return undefined;
      const { key } = this.#parse({ ...record, value: null }, { keySchema, valueSchema: undefined });
      return keyOfRecord(key, table);
    } catch {
      return undefined;
    }
  }
}

interface Schemas {
  readonly keySchema: AvroSchema | undefined;
  readonly valueSchema: AvroSchema | undefined;
}

/** Waits for both, so that a key's schema is known when the value's turns out to be to blame. */
async function settled(
  keySchema: AvroSchema | undefined | Promise<AvroSchema>,
  valueSchema: AvroSchema | undefined | Promise<AvroSchema>,
): Promise<Schemas> {
  await Promise.allSettled([keySchema, valueSchema]);
  return { keySchema: await keySchema, valueSchema: await valueSchema };
}

const NO_SCHEMAS: Schemas = { keySchema: undefined, valueSchema: undefined };

/** Under every name that a record of the table may go by. */
function declaredColumns({
  tables,
  topicPrefix,
}: RecordDecoderOptions): Record<string, Readonly<Record<string, ColumnType>>> {
  const declared: Record<string, Readonly<Record<string, ColumnType>>> = {};
  for (const { name, topic, columns } of tables) {
    if (columns === undefined) continue;
    const parts = name.split('.');
    const names = [
      name,
      parts.slice(-2).join('.'),
      topic,
      topicPrefix === undefined ? undefined : `${topicPrefix}.${name}`,
    ];
    for (const known of names) if (known !== undefined) declared[known] = columns;
  }
  return declared;
}

function topicRoles({ tables, topics = {} }: RecordDecoderOptions): Record<string, TopicRole> {
  const roles: Record<string, TopicRole> = {};
  const give = (names: readonly string[] | undefined, role: TopicRole): void => {
    for (const name of names ?? []) roles[name] = role;
  };
  give(
    tables.flatMap(({ topic }) => (topic === undefined ? [] : [topic])),
    'rows',
  );
  give(topics.heartbeats, 'heartbeats');
  give(topics.transactions, 'transactions');
  give(topics.signals, 'signals');
  give(topics.notifications, 'notifications');
  give(topics.schemaChanges, 'schema-changes');
  return roles;
}
