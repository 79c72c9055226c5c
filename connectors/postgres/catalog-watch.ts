import type { Database } from './connection.ts';
import { Restart } from './errors.ts';
import type { TablePlan } from './table-plan.ts';

interface Seen {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly published: boolean;
}

export interface CatalogWatchDeps {
  readonly database: Database;
  readonly publication: string;
  readonly plans: readonly TablePlan[];
  readonly inspect: (plan: TablePlan) => Promise<TablePlan | undefined>;
  readonly say: (level: 'error', code: string, message: string) => void;
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
    for (const plan of plans) await this.#judge(plan, byOid.get(plan.oid));
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
