export { connectSchemaOfAvro } from './avro.ts';
export type { ColumnType, SimpleColumnType } from './columns.ts';
export type { ConnectField, ConnectSchema, ConnectType } from './connect-schema.ts';
export { createDecoder, decodeRecord, interpret } from './decode.ts';
export type {
  DecodeOptions,
  Decoder,
  HeaderValue,
  ParsedRecord,
  RawRecord,
  RecordHeaders,
  TopicRole,
} from './decode.ts';
export { DebeziumDecodeError } from './errors.ts';
export type { DecodeErrorCode } from './errors.ts';
export { ExactNumber, parseJson } from './json.ts';
export type { JsonValue } from './json.ts';
export type * from './records.ts';
export { mongodbSource, mysqlSource, parseSequence, postgresSource, sourceBlock, sqlServerSource } from './source.ts';
export type {
  MongodbSource,
  MysqlSource,
  PostgresSequence,
  PostgresSource,
  SourceBlock,
  SqlServerSource,
} from './source.ts';
export { toValue } from './to-value.ts';
export type { ValueOptions } from './to-value.ts';
export { UNAVAILABLE } from './values.ts';
export type { ColumnValue, RecordKey, Row, Unavailable } from './values.ts';
