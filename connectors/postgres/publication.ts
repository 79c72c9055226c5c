import type { TableId } from '../../src/domain/ids.ts';
import { quoteIdentifier, type Database } from './connection.ts';
import { setupError, stateOf } from './errors.ts';
import type { TablePlan } from './table-plan.ts';

interface PublicationRow {
  readonly via_root: boolean;
  readonly all_changes: boolean;
}

interface MemberRow {
  readonly oid: string;
  readonly filtered: boolean;
}

const qualified = ({ schema, name }: TablePlan): string => `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;

async function change(database: Database, statement: string, publication: string): Promise<void> {
  try {
    await database.execute(`changing publication ${publication}`, statement);
  } catch (error) {
    const state = stateOf(error);
    if (state !== '42501') throw error;
    throw setupError(
      'PUBLICATION_NOT_ALLOWED',
      `The role may not create or change publication "${publication}" (it needs CREATE on the database and to own the tables). ` +
        `Have an owner run: ${statement};`,
      { publication },
    );
  }
}

export interface PublicationChange {
  /** Tables that were not published until now. */
  readonly added: readonly TableId[];
  /** Rows of partitions were published under other names until now. */
  readonly routingChanged: boolean;
}

const WITH_ROOT = 'publish_via_partition_root = true';

/** Creates the publication, or checks that it publishes every change of every column and row, and adds what it lacks. */
export async function ensurePublication(
  database: Database,
  publication: string,
  plans: readonly TablePlan[],
  versionNumber: number,
): Promise<PublicationChange> {
  const name = quoteIdentifier(publication);
  const [existing] = await database.query<PublicationRow>(
    'reading the publication',
    `SELECT pubviaroot AS via_root, pubinsert AND pubupdate AND pubdelete AND pubtruncate AS all_changes
       FROM pg_catalog.pg_publication WHERE pubname = $1`,
    [publication],
  );
  if (existing === undefined) {
    const tables = plans.map(qualified).join(', ');
    await change(database, `CREATE PUBLICATION ${name} FOR TABLE ${tables} WITH (${WITH_ROOT})`, publication);
    return { added: plans.map(({ id }) => id), routingChanged: false };
  }
  if (!existing.all_changes) {
    await change(database, `ALTER PUBLICATION ${name} SET (publish = 'insert, update, delete, truncate')`, publication);
  }
  const routingChanged = !existing.via_root && plans.some(({ partitioned }) => partitioned);
  if (routingChanged) await change(database, `ALTER PUBLICATION ${name} SET (${WITH_ROOT})`, publication);

  // Row filters and column lists exist from PostgreSQL 15 on.
  const filtered =
    versionNumber >= 150_000
      ? `EXISTS (SELECT FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
                  WHERE p.pubname = t.pubname AND r.prrelid = c.oid AND (r.prqual IS NOT NULL OR r.prattrs IS NOT NULL))`
      : 'false';
  const members = await database.query<MemberRow>(
    'reading the published tables',
    `SELECT c.oid::text, ${filtered} AS filtered
       FROM pg_catalog.pg_publication_tables t
       JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname
       JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
      WHERE t.pubname = $1`,
    [publication],
  );
  const byOid = new Map(members.map((member) => [Number(member.oid), member]));
  for (const plan of plans) {
    if (byOid.get(plan.oid)?.filtered !== true) continue;
    throw setupError(
      'PUBLICATION_FILTERED',
      `Publication "${publication}" publishes only some rows or columns of ${plan.id}, so the index could not equal the table. ` +
        'Remove its WHERE or column list, and use the "filter" and "columns" of the table in the configuration instead.',
      { table: plan.id, publication },
    );
  }
  const missing = plans.filter(({ oid }) => !byOid.has(oid));
  if (missing.length > 0) {
    await change(database, `ALTER PUBLICATION ${name} ADD TABLE ${missing.map(qualified).join(', ')}`, publication);
  }
  return { added: missing.map(({ id }) => id), routingChanged };
}
