/**
 * The real servers Freshet works with, on loopback and without containers: from Maven Central, PyPI and Debian's packages. For tests
 * and for `npm run stack`.
 */
export type { Component } from './component.ts';
export { startConnect, type Connect, type ConnectOptions, type ConnectorConfig } from './connect.ts';
export { StackError, type Report } from './error.ts';
export { startKafka, type Kafka, type KafkaOptions, type SecurityProtocol } from './kafka.ts';
export { startPostgres, type Postgres, type PostgresOptions } from './postgres.ts';
export { startRegistry, type Registry, type RegistryOptions } from './registry.ts';
