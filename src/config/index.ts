export { ConfigError, type ConfigProblem, formatProblem } from './problems.ts';
export { type FreshetConfig, isLoopback } from './schema.ts';
export type {
  EmbeddedPostgresSourceConfig,
  FilesSourceConfig,
  PostgresSourceConfig,
  SourceConfig,
} from './schema-sources.ts';
export { replicationNames } from './replication-names.ts';
export { qualifiedTable } from './schema-sources.ts';
export { suggest } from './suggest.ts';
export type { TableConfig } from './schema-tables.ts';
export { type ConfigInputs, findConfigFile, type LoadedConfig, loadConfig, type Origin } from './load.ts';
export { maskSecrets, secretValues } from './secrets.ts';
export { toFilesMapping, toTableMapping, toTableMappings } from './table-mapping.ts';
