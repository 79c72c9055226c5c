import type { TableId } from '../../src/domain/ids.ts';
import type { Database } from './connection.ts';
import { setupError } from './errors.ts';
import type { TablePlan } from './table-plan.ts';

/** Where a table's rows are. */
export interface TablePlace {
  /** What its changes are delivered under. */
  readonly id: TableId;
  /** `schema.table` in the database; the id when left out. */
  readonly relation?: string;
  /** Key columns; the replica identity (usually the primary key) when left out. */
  readonly key?: readonly string[];
}

export interface PostgresTable extends TablePlace {
  /** Of this table's mapping and settings: another one means that every row must be read again. */
  readonly fingerprint: string;
}

interface TableRow {
  readonly oid: string;
  readonly relkind: string;
  readonly relpersistence: string;
  readonly relreplident: string;
  readonly reltuples: number;
  readonly readable: boolean;
  readonly generated: string[];
  readonly primary_key: string[] | null;
  readonly identity_index: string[] | null;
  readonly unique_keys: string[][] | null;
}

const indexColumns = (condition: string): string => `
  (SELECT pg_catalog.jsonb_agg(a.attname ORDER BY k.place)
     FROM pg_catalog.pg_index i
     CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
     JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate AND k.place <= i.indnkeyatts AND ${condition})`;

/** Columns of unique indexes that may serve as a key beside REPLICA IDENTITY FULL: whole rows, no expressions, no NULLs. */
const UNIQUE_KEYS = `
  (SELECT pg_catalog.jsonb_agg(u.columns) FROM (
     SELECT pg_catalog.jsonb_agg(a.attname ORDER BY k.place) AS columns
       FROM pg_catalog.pg_index i
       CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
       JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
      WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
        AND k.place <= i.indnkeyatts
      GROUP BY i.indexrelid HAVING pg_catalog.bool_and(a.attnotnull)) AS u)`;

const TABLE_QUERY = `
  SELECT c.oid::text, c.relkind, c.relpersistence, c.relreplident, c.reltuples,
         pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS readable,
         (SELECT COALESCE(pg_catalog.jsonb_agg(a.attname), '[]')
            FROM pg_catalog.pg_attribute a
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> '') AS generated,
         ${indexColumns('i.indisprimary')} AS primary_key,
         ${indexColumns('i.indisreplident')} AS identity_index,
         ${UNIQUE_KEYS} AS unique_keys
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = $1 AND c.relname = $2`;

const sameSet = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name) => b.includes(name));

function splitName(id: string): { schema: string; name: string } {
  const dot = id.indexOf('.');
  if (dot <= 0 || dot === id.length - 1) {
    throw setupError(
      'TABLE_NAME_INVALID',
      `"${id}" is not a table name. Write it with its schema: public.${id.replaceAll('.', '')}.`,
    );
  }
  return { schema: id.slice(0, dot), name: id.slice(dot + 1) };
}

/**
 * What a table is wanted for: a log's changes name their rows by the replica identity; where they come another way, any key that names one
 * row will do.
 */
export type TableUse = 'changes' | 'rows';

function keyOfRows({ id, key }: TablePlace, row: TableRow, qualified: string): readonly string[] {
  const unique = [row.primary_key, row.identity_index, ...(row.unique_keys ?? [])].filter(
    (columns) => columns !== null,
  );
  const [first] = unique;
  if (key !== undefined ? unique.some((columns) => sameSet(columns, key)) : first !== undefined)
    return key ?? (first as string[]);
  throw setupError(
    key === undefined ? 'TABLE_WITHOUT_KEY' : 'KEY_NOT_UNIQUE',
    key === undefined
      ? `Table ${qualified} has no primary key, so no row of ${id} can be looked up. Add one: ALTER TABLE ${qualified} ADD PRIMARY KEY (…).`
      : keyNotUnique(id, key, qualified),
    { table: id },
  );
}

const keyNotUnique = (id: TableId, key: readonly string[], qualified: string): string =>
  `The key (${key.join(', ')}) of table ${id} is not the primary key nor a unique index over NOT NULL columns. ` +
  `Create one: CREATE UNIQUE INDEX ON ${qualified} (${key.join(', ')}), with the columns NOT NULL.`;

/** The one column list that names a row for ever, or an error that says how to get one. */
function chooseKey(table: TablePlace, row: TableRow, qualified: string): readonly string[] {
  const { id, key } = table;
  const identity = row.relreplident === 'd' ? row.primary_key : row.relreplident === 'i' ? row.identity_index : null;
  if (row.relreplident === 'f') {
    const unique = [row.primary_key, ...(row.unique_keys ?? [])].filter((columns) => columns !== null);
    const chosen = key === undefined ? row.primary_key : unique.find((columns) => sameSet(columns, key));
    if (chosen !== null && chosen !== undefined) return key ?? chosen;
    throw setupError(
      key === undefined ? 'TABLE_WITHOUT_KEY' : 'KEY_NOT_UNIQUE',
      key === undefined
        ? `Table ${id} has REPLICA IDENTITY FULL and no primary key, so nothing names a row. Add a primary key, or configure ` +
            '"key" with the columns of a unique index whose columns are all NOT NULL.'
        : keyNotUnique(id, key, qualified),
      { table: id },
    );
  }
  if (identity === null) {
    throw setupError(
      row.relreplident === 'n' ? 'REPLICA_IDENTITY_MISSING' : 'TABLE_WITHOUT_KEY',
      row.relreplident === 'n'
        ? `Table ${id} has REPLICA IDENTITY NOTHING, so its updates and deletes cannot be followed. ` +
            `Mend: ALTER TABLE ${qualified} REPLICA IDENTITY DEFAULT (it needs a primary key).`
        : `Table ${id} has no primary key, so nothing names its rows. Add one: ALTER TABLE ${qualified} ADD PRIMARY KEY (…); or name a ` +
            `unique index over NOT NULL columns: ALTER TABLE ${qualified} REPLICA IDENTITY USING INDEX ….`,
      { table: id },
    );
  }
  if (key !== undefined && !sameSet(key, identity)) {
    throw setupError(
      'KEY_NOT_REPLICA_IDENTITY',
      `The configured key (${key.join(', ')}) of table ${id} is not its replica identity (${identity.join(', ')}), and deletes carry only ` +
        `that. Leave "key" out, or make it the identity: CREATE UNIQUE INDEX name ON ${qualified} (${key.join(', ')}); ` +
        `ALTER TABLE ${qualified} REPLICA IDENTITY USING INDEX name.`,
      { table: id },
    );
  }
  return key ?? identity;
}

/** Undefined when there is no such table. */
export async function inspectTable(
  database: Database,
  table: TablePlace,
  use: TableUse = 'changes',
): Promise<TablePlan | undefined> {
  const { id } = table;
  const relation = table.relation ?? id;
  const { schema, name } = splitName(relation);
  const [row] = await database.query<TableRow>(`reading the definition of ${id}`, TABLE_QUERY, [schema, name]);
  if (row === undefined) return undefined;
  if (row.relkind !== 'r' && row.relkind !== 'p') {
    throw setupError(
      'TABLE_KIND',
      `${id} is not a table. Views and foreign tables have no changes to follow: name the tables below it.`,
      { table: id },
    );
  }
  if (use === 'changes' && row.relpersistence !== 'p') {
    throw setupError(
      'TABLE_KIND',
      `Table ${id} is unlogged or temporary: its changes are not in the log. Mend: ALTER TABLE ${relation} SET LOGGED.`,
      { table: id },
    );
  }
  if (!row.readable) {
    throw setupError(
      'TABLE_NOT_READABLE',
      `The role may not read table ${id}. Mend: GRANT USAGE ON SCHEMA ${schema} TO <role>; GRANT SELECT ON ${relation} TO <role>.`,
      { table: id },
    );
  }
  const key = (use === 'rows' ? keyOfRows : chooseKey)(table, row, relation);
  return {
    id,
    oid: Number(row.oid),
    schema,
    name,
    partitioned: row.relkind === 'p',
    key,
    omitted: new Set(row.generated),
    rowsEstimate: row.reltuples >= 0 ? row.reltuples : undefined,
  };
}

export const tableMissing = (id: TableId): Error =>
  setupError(
    'TABLE_NOT_FOUND',
    `There is no table ${id} in this database. Check its schema, its name (case matters) and the database.`,
    {
      table: id,
    },
  );
