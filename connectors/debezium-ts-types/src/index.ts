export { connectSchemaOfAvro } from './avro.ts';
export type { ColumnType, SimpleColumnType } from './columns.ts';
export { connectSchema } from './connect-schema.ts';
export type { ConnectField, ConnectSchema, ConnectType } from './connect-schema.ts';
export { createDecoder, decodeRecord, interpret } from './decode.ts';
export type { Decoder } from './decode.ts';
export type {
  DecodeOptions,
  HeaderValue,
  ParsedRecord,
  RawRecord,
  RecordHeaders,
  TopicRole,
} from './decode-options.ts';
export { DebeziumDecodeError } from './errors.ts';
export type { DecodeErrorCode } from './errors.ts';
export { ExactNumber } from './exact-number.ts';
export { parseJson } from './json.ts';
export type { JsonValue } from './json.ts';
export { tableOfTopic } from './reading.ts';
export type * from './records.ts';
export {
  mongodbSource,
  mysqlSource,
  parseSequence,
  postgresSource,
  sourceBlock,
  sqlServerSource,
  tableOf,
} from './source.ts';
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
