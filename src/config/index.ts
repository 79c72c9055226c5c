export { ConfigError, type ConfigProblem, formatProblem } from './problems.ts';
export { isLoopback } from './conflicts.ts';
export type { FreshetConfig } from './schema.ts';
export { consumerGroup } from './kafka-names.ts';
export type {
  EmbeddedPostgresSourceConfig,
  FilesSourceConfig,
  PostgresSourceConfig,
  SourceConfig,
} from './schema-sources.ts';
export { replicationNames } from './replication-names.ts';
export { qualifiedTable } from './schema-table-list.ts';
export { suggest } from './suggest.ts';
export type { KafkaTableConfig, TableConfig } from './schema-tables.ts';
export type { KafkaConnectionConfig, KafkaSourceConfig, TlsConfig } from './schema-kafka.ts';
export type { DeadLettersConfig, KafkaDeadLettersConfig } from './schema-dead-letters.ts';
export type { IndexConfig, QdrantIndexConfig } from './schema-index.ts';
export { isPemText } from './fields.ts';
export { type ConfigInputs, findConfigFile, type LoadedConfig, loadConfig, type Origin } from './load.ts';
export { maskSecrets, secretValues } from './secrets.ts';
export { toFilesMapping, toTableMapping, toTableMappings } from './table-mapping.ts';
export { parseColumnType } from './column-types.ts';
