import type { ConnectSchema } from './connect-schema.ts';

/**
 * The Connect schema that an Avro schema stands for, as Confluent's and Apicurio's Avro converters write it: `connect.name`,
 * `connect.parameters`, logical types, unions with null as optional. @throws {DebeziumDecodeError} INVALID_SCHEMA
 */
export function connectSchemaOfAvro(_avroSchema: unknown): ConnectSchema {
  throw new Error('not yet');
}
