export { createPostgresSource } from './source.ts';
export type { PostgresSource } from './source.ts';
export type { PostgresLimits, PostgresSourceOptions } from './options.ts';
export type { PostgresTable } from './catalog.ts';
export { openPostgresRows } from './table-rows.ts';
