import pg from 'pg';
import { suggest, toTableMappings, qualifiedTable, type SourceConfig } from '../config/index.ts';
import type { TableId } from '../domain/ids.ts';
import type { TableMapping } from '../domain/mapping.ts';
import { mappingColumns } from '../ingest/columns.ts';

type PostgresConfig = Exclude<SourceConfig, { readonly type: 'files' }>;

/** A column that the configuration names and the table does not deliver. */
export interface UnknownColumn {
  readonly table: TableId;
  readonly column: string;
  /** Read by the mapping: without it every row becomes a dead letter. Otherwise only a policy names it. */
  readonly isRead: boolean;
  /** It is there, but computed by the server, and logical replication leaves such columns out. */
  readonly isGenerated: boolean;
  /** The column that was probably meant. */
  readonly nearest: string | undefined;
}

/** Columns of one table as the server knows them. */
export interface TableColumn {
  readonly name: string;
  readonly generated: boolean;
}

/** What a mapping names and the table does not have: columns read for the document, and columns with a policy. */
export function unknownColumns(mapping: TableMapping, columns: readonly TableColumn[]): readonly UnknownColumn[] {
  const delivered = columns.filter(({ generated }) => !generated).map(({ name }) => name);
  const read = new Set(mappingColumns(mapping));
  const named = new Set([...read, ...Object.keys(mapping.columns)]);
  return (
    [...named]
      .filter((column) => !delivered.includes(column))
      .map((column) => ({
        table: mapping.table,
        column,
        isRead: read.has(column),
        isGenerated: columns.some(({ name }) => name === column),
        nearest: suggest(column, delivered),
      }))
      // A policy on a computed column has nothing to protect: the column never arrives.
      .filter(({ isRead, isGenerated }) => isRead || !isGenerated)
  );
}

/** One sentence per finding: what, where, and how to mend it. Names only. */
export function describeUnknown({ table, column, isRead, isGenerated, nearest }: UnknownColumn): string {
  const hint = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
  if (isGenerated) {
    return `Column "${column}" of table ${table}, which its mapping reads, is a generated column: logical replication leaves those out, and every row becomes a dead letter. Read the columns it is made of.${hint}`;
  }
  return isRead
    ? `Table ${table} has no column "${column}", which its mapping reads: every row becomes a dead letter.${hint} Mend the mapping and restart.`
    : `Table ${table} has no column "${column}", for which "columns" has a policy: the policy protects nothing.${hint} Mend the name and restart.`;
}

const COLUMNS_QUERY = `
  SELECT a.attname AS name, a.attgenerated <> '' AS generated
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped`;

/** Every such column of a source, in the order of its tables. A table that does not exist is the source's own finding. */
export async function checkMappings(
  source: string,
  config: PostgresConfig,
  client: Pick<pg.Client, 'query'>,
): Promise<readonly UnknownColumn[]> {
  const relations = Object.keys(config.tables).map((name) => qualifiedTable(name).split('.'));
  const found: UnknownColumn[] = [];
  for (const [at, mapping] of toTableMappings(source, config.tables).entries()) {
    const { rows } = await client.query<TableColumn>(COLUMNS_QUERY, relations[at]);
    if (rows.length > 0) found.push(...unknownColumns(mapping, rows));
  }
  return found;
}

const CONNECT_MS = 3_000;

/** The same over a connection of its own. Undefined while the server cannot be asked: its source says why. */
export async function checkMappingsAt(
  source: string,
  config: PostgresConfig,
  connectionString: string,
): Promise<readonly UnknownColumn[] | undefined> {
  const client = new pg.Client({
    connectionString,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: CONNECT_MS,
    application_name: `freshet ${source} mapping check`,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await checkMappings(source, config, client);
  } catch {
    return undefined;
  } finally {
    await client.end().catch(() => undefined);
  }
}
