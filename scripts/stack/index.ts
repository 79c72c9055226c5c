/**
 * The real servers Freshet works with, on loopback and without containers: from Maven Central, PyPI and Debian's packages. For tests
 * and for `npm run stack`.
 */
export type { Component } from './component.ts';
export { StackError, type Report } from './error.ts';
export { startKafka, type Kafka, type KafkaOptions } from './kafka.ts';
export { startRegistry, type Registry, type RegistryOptions } from './registry.ts';
