import { z } from 'zod';
import { DebeziumDecodeError } from './errors.ts';
import { isAbsent, isObject, shortened } from './objects.ts';
import type { PlainObject } from './objects.ts';

/** 64-bit: a bigint only where a double would lose digits. */
const long = z.union([z.number(), z.bigint()]);

const common = {
  version: z.string().optional(),
  name: z.string(),
  db: z.string().nullish(),
  /** When the source committed (PostgreSQL, SQL Server), executed (MySQL) or applied (MongoDB) it. */
  ts_ms: z.number(),
  ts_us: long.nullish(),
  ts_ns: long.nullish(),
  snapshot: z.union([z.string(), z.boolean()]).nullish(),
  sequence: z.string().nullish(),
};

export const postgresSource = z.looseObject({
  ...common,
  connector: z.literal('postgresql'),
  schema: z.string(),
  table: z.string(),
  txId: long.nullish(),
  /** Absent on rows read by an incremental snapshot. */
  lsn: long.nullish(),
  xmin: long.nullish(),
});

/** MariaDB's connector writes the same block under its own name. */
export const mysqlSource = z.looseObject({
  ...common,
  connector: z.enum(['mysql', 'mariadb']),
  table: z.string().nullish(),
  server_id: long.nullish(),
  gtid: z.string().nullish(),
  file: z.string().nullish(),
  pos: long.nullish(),
  row: z.number().nullish(),
  thread: long.nullish(),
  query: z.string().nullish(),
});

export const mongodbSource = z.looseObject({
  ...common,
  connector: z.literal('mongodb'),
  collection: z.string(),
  /** Order among events of one second. */
  ord: z.number().nullish(),
  lsid: z.string().nullish(),
  txnNumber: long.nullish(),
  wallTime: long.nullish(),
});

export const sqlServerSource = z.looseObject({
  ...common,
  connector: z.literal('sqlserver'),
  schema: z.string().nullish(),
  table: z.string().nullish(),
  /** `00000027:00000ac0:0002`, in hexadecimal. */
  change_lsn: z.string().nullish(),
  commit_lsn: z.string().nullish(),
  event_serial_no: long.nullish(),
});

export const sourceBlock = z.discriminatedUnion('connector', [
  postgresSource,
  mysqlSource,
  mongodbSource,
  sqlServerSource,
]);

export type PostgresSource = z.infer<typeof postgresSource>;
export type MysqlSource = z.infer<typeof mysqlSource>;
export type MongodbSource = z.infer<typeof mongodbSource>;
export type SqlServerSource = z.infer<typeof sqlServerSource>;
export type SourceBlock = z.infer<typeof sourceBlock>;

function withShortLongs(raw: PlainObject): PlainObject {
  let copy: Record<string, unknown> | undefined;
  for (const name of Object.keys(raw)) {
    const value = raw[name];
    if (typeof value !== 'bigint' || typeof shortened(value) === 'bigint') continue;
    copy ??= { ...raw };
    copy[name] = shortened(value);
  }
  return copy ?? raw;
}

/** @throws {DebeziumDecodeError} INVALID_FIELD; names the field, never what it holds */
export function parseSource(raw: unknown, where: string): SourceBlock {
  const parsed = sourceBlock.safeParse(isObject(raw) ? withShortLongs(raw) : raw);
  if (parsed.success) return parsed.data;
  const path = [where, ...(parsed.error.issues[0]?.path ?? []).map(String)].join('.');
  const known = 'postgresql, mysql, mariadb, mongodb or sqlserver';
  throw new DebeziumDecodeError(
    'INVALID_FIELD',
    path,
    `The source block is not one of ${known} as Debezium writes it.`,
  );
}

/** `schema.table`, `database.table` or `database.collection`: the table's name in its own database. */
export function tableOf(source: SourceBlock): string {
  switch (source.connector) {
    case 'postgresql':
      return `${source.schema}.${source.table}`;
    case 'sqlserver':
      return `${source.schema ?? ''}.${source.table ?? ''}`;
    case 'mongodb':
      return `${source.db ?? ''}.${source.collection}`;
    case 'mysql':
    case 'mariadb':
      return `${source.db ?? ''}.${source.table ?? ''}`;
  }
}

/** Of PostgreSQL: the LSN of the last commit before the event (null before the first), and the event's own. */
export type PostgresSequence = readonly [lastCommit: bigint | null, lsn: bigint | null];

/** `["31671600","31671872"]` or `[null,"31655928"]` as numbers; undefined if absent or of another connector's form. */
export function parseSequence(text: string | null | undefined): PostgresSequence | undefined {
  const match = isAbsent(text) ? null : /^\[\s*(?:null|"(\d{1,20})")\s*,\s*(?:null|"(\d{1,20})")\s*\]$/.exec(text);
  if (match === null) return undefined;
  return [match[1] === undefined ? null : BigInt(match[1]), match[2] === undefined ? null : BigInt(match[2])];
}
