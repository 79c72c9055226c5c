import { z } from 'zod';
import { bytes, duration, integer, listOf, path, postgresUrl, section, text } from './fields.ts';
import { kafkaSource } from './schema-kafka.ts';
import { postgresTables } from './schema-table-list.ts';
import { textFormat } from './schema-tables.ts';

const identifier = (description: string) =>
  z
    .string()
    .regex(/^[a-z_][a-z0-9_]{0,62}$/, 'must be lower-case letters, digits and underscores, at most 63 of them.')
    .meta({ description });

/** What both PostgreSQL sources share. Slot and publication default to `freshet_<source name>`. */
const replication = {
  slot: identifier('Name of the replication slot. Default: `freshet_` and the source’s name.').exactOptional(),
  publication: identifier('Name of the publication. Default: `freshet_` and the source’s name.').exactOptional(),
  snapshotChunkBytes: bytes('Size of one chunk of the first copy; two are in memory at a time.', {
    min: 65_536,
    max: 1e9,
  }).default(8e6),
  retainedWalWarning: bytes('Warn when the slot holds back more WAL than this on the server.', { min: 1 }).default(1e9),
  tables: postgresTables,
} as const;

export const postgresSource = section('A PostgreSQL database, read by logical replication.', {
  type: z.literal('postgres'),
  connection: postgresUrl(
    'Connection URL, best as `${DATABASE_URL}`. The user needs REPLICATION and SELECT on the tables.',
  ),
  ...replication,
});

export const embeddedPostgresSource = section(
  'A PostgreSQL server that Freshet starts itself, below `dataDir`. The demo uses it.',
  {
    type: z.literal('embedded-postgres'),
    port: integer('Preferred port on 127.0.0.1; another is taken when it is not free.', {
      min: 1,
      max: 65_535,
    }).default(54_329),
    setup: path(
      'File of SQL that makes the tables, relative to this file. It is run at every start, so it must be idempotent (`CREATE TABLE IF NOT EXISTS …`).',
    ).exactOptional(),
    ...replication,
  },
);

export const filesSource = section(
  'A folder of Markdown, HTML and text files, watched for edits, renames and deletes.',
  {
    type: z.literal('files'),
    path: path('The folder, relative to this file.'),
    include: listOf('Globs of the files to index.').default([
      '**/*.md',
      '**/*.markdown',
      '**/*.mdx',
      '**/*.html',
      '**/*.htm',
      '**/*.xhtml',
      '**/*.txt',
      '**/*.text',
    ]),
    exclude: listOf('Globs of files and folders to leave out. Hidden ones and `node_modules` always are.').default([]),
    format: textFormat
      .exactOptional()
      .meta({ description: 'The format of every file. Default: by the file’s extension.' }),
    uri: text('Prefix of the address shown with a hit; the file’s path is appended.').default('file:'),
    tenant: section('Every file belongs to this tenant.', { value: text('The tenant.') }).default({ value: 'default' }),
    access: listOf('Who may see the files. Empty means everyone of the tenant.').default([]),
    maxFileBytes: bytes('Larger files are reported and left out.', { min: 1 }).default(16e6),
    settle: duration('A file is read once it has not changed for this long.', { max: 60_000 }).default(50),
  },
);

export const sourceSchema = z.discriminatedUnion('type', [
  postgresSource,
  embeddedPostgresSource,
  kafkaSource,
  filesSource,
]);

export type PostgresSourceConfig = z.output<typeof postgresSource>;
export type EmbeddedPostgresSourceConfig = z.output<typeof embeddedPostgresSource>;
export type FilesSourceConfig = z.output<typeof filesSource>;
export type SourceConfig = z.output<typeof sourceSchema>;
