import type { Database } from './connection.ts';
import type { CheckpointStore } from './checkpoint.ts';
import { Restart } from './errors.ts';
import type { TablePlan } from './table-plan.ts';

interface Seen {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly published: boolean;
}

interface Leaf {
  readonly oid: string;
  readonly file: string;
  /** Was a table of its own before it became a partition: it may have brought rows. */
  readonly attached: boolean;
}

/** A table made by CREATE TABLE … PARTITION OF has its columns and its place in the tree from one transaction. */
const readPartitions = (database: Database, plan: TablePlan): Promise<Leaf[]> =>
  database.query<Leaf>(
    `reading the partitions of ${plan.id}`,
    `SELECT c.oid::text, c.relfilenode::text AS file,
            i.xmin::text <> (SELECT a.xmin::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tableoid') AS attached
       FROM pg_catalog.pg_partition_tree($1::oid) t
       JOIN pg_catalog.pg_class c ON c.oid = t.relid
       JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
      WHERE t.isleaf AND t.relid <> $1::oid`,
    [plan.oid],
  );

export interface CatalogWatchDeps {
  readonly database: Database;
  readonly publication: string;
  readonly plans: readonly TablePlan[];
  readonly inspect: (plan: TablePlan) => Promise<TablePlan | undefined>;
  readonly store: CheckpointStore;
  readonly say: (level: 'warn' | 'error', code: string, message: string) => void;
}

/** What the stream does not say: a table that was dropped, renamed, made again, or taken out of the publication. */
export class CatalogWatch {
  readonly #deps: CatalogWatchDeps;
  readonly #said = new Set<string>();

  constructor(deps: CatalogWatchDeps) {
    this.#deps = deps;
  }

  async look(): Promise<void> {
    const { database, publication, plans } = this.#deps;
    const rows = await database.query<Seen>(
      'looking at the tables',
      `SELECT c.oid::text, n.nspname AS schema, c.relname AS name,
              EXISTS (SELECT FROM pg_catalog.pg_publication_tables t
                       WHERE t.pubname = $2 AND t.schemaname = n.nspname AND t.tablename = c.relname) AS published
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY($1::oid[])`,
      [plans.map(({ oid }) => oid), publication],
    );
    const byOid = new Map(rows.map((row) => [Number(row.oid), row]));
    for (const plan of plans) {
      await this.#judge(plan, byOid.get(plan.oid));
      if (plan.partitioned) await this.#notePartitions(plan);
    }
  }

  /** Rows that come or go with a whole partition (ATTACH, DETACH, DROP, TRUNCATE of it alone) are not in the log. */
  async #notePartitions(plan: TablePlan): Promise<void> {
    const { database, store, say } = this.#deps;
    const state = store.table(plan.id);
    if (state === undefined) return;
    const leaves = await readPartitions(database, plan);
    const before = state.partitions;
    state.partitions = Object.fromEntries(leaves.map(({ oid, file }) => [oid, file]));
    if (before === undefined) {
      await store.save();
      return;
    }
    const changed = leaves.filter(({ oid, file, attached }) =>
      before[oid] === undefined ? attached : before[oid] !== file,
    );
    const gone = Object.keys(before).filter((oid) => state.partitions?.[oid] === undefined);
    if (changed.length + gone.length === 0) return;
    await store.save();
    say(
      'warn',
      'PARTITIONS_CHANGED',
      `Partitions of table ${plan.id} were attached, detached, dropped, truncated or rewritten (${changed.length + gone.length}). PostgreSQL ` +
        'does not log the rows that come or go that way: run "freshet verify --repair", or "freshet replay" from snapshot.',
    );
  }

  async #judge(plan: TablePlan, seen: Seen | undefined): Promise<void> {
    const isInPlace = seen?.schema === plan.schema && seen.name === plan.name;
    if (isInPlace && seen.published) return;
    if (isInPlace) throw new Restart(`table ${plan.id} was taken out of the publication`);
    if ((await this.#deps.inspect(plan)) !== undefined)
      throw new Restart(`table ${plan.id} was dropped and created again`);
    if (seen === undefined) {
      this.#once(
        'TABLE_DROPPED',
        `Table ${plan.id} no longer exists. What is indexed of it stays until it is taken out of the configuration.`,
      );
    } else {
      this.#once(
        'TABLE_RENAMED',
        `Table ${plan.id} is now called ${seen.schema}.${seen.name}; its changes are no longer followed. Change the configuration.`,
      );
    }
  }

  #once(code: string, message: string): void {
    if (this.#said.has(message)) return;
    this.#said.add(message);
    this.#deps.say('error', code, message);
  }
}
