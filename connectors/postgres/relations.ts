import type {
  MessageRelation,
  MessageTruncate,
} from 'pg-logical-replication/dist/output-plugins/pgoutput/pgoutput.types.js';
import type { Decoders } from './decode.ts';
import { Restart } from './errors.ts';
import type { TablePlan } from './table-plan.ts';

export interface RelationsDeps {
  readonly plans: readonly TablePlan[];
  readonly decoders: Decoders;
  /** The table as the catalog has it now. */
  readonly inspect: (plan: TablePlan) => Promise<TablePlan | undefined>;
  readonly warn: (code: string, message: string) => void;
  readonly inform: (code: string, message: string) => void;
}

const columnNames = (relation: MessageRelation): string[] => relation.columns.map(({ name }) => name);

/**
 * What the stream's relations are to us. The server describes a table before its first change and again after every change of its
 * definition, as it was when the rows were logged.
 */
export class Relations {
  readonly #deps: RelationsDeps;
  readonly #plans = new Map<number, TablePlan | undefined>();
  readonly #columns = new Map<string, ReadonlyMap<string, number>>();

  constructor(deps: RelationsDeps) {
    this.#deps = deps;
  }

  /** Undefined for tables (or earlier incarnations of tables) whose changes mean nothing to us. */
  plan(relation: MessageRelation): TablePlan | undefined {
    return this.#plans.get(relation.relationOid >>> 0);
  }

  truncated(message: MessageTruncate): TablePlan[] {
    return message.relations.map((relation) => this.plan(relation)).filter((plan) => plan !== undefined);
  }

  async describe(relation: MessageRelation): Promise<void> {
    const { decoders } = this.#deps;
    await decoders.learn(relation.columns.map(({ typeOid }) => typeOid >>> 0));
    // The parser decodes with what is set here: relations are cached by it as the objects it returns.
    for (const column of relation.columns) column.parser = decoders.of(column.typeOid >>> 0);
    this.#plans.set(relation.relationOid >>> 0, await this.#match(relation));
  }

  async #match(relation: MessageRelation): Promise<TablePlan | undefined> {
    const { plans, inspect, warn } = this.#deps;
    const oid = relation.relationOid >>> 0;
    const plan = plans.find(({ schema, name }) => schema === relation.schema && name === relation.name);
    if (plan === undefined) {
      const renamed = plans.find((candidate) => candidate.oid === oid);
      if (renamed !== undefined) {
        warn(
          'TABLE_RENAMED',
          `Table ${renamed.id} is now called ${relation.schema}.${relation.name}; its changes are no longer followed. Change the configuration.`,
        );
      }
      return undefined;
    }
    const sameKey =
      relation.replicaIdentity === 'full' || relation.replicaIdentity === 'nothing'
        ? plan.key.every((column) => columnNames(relation).includes(column))
        : relation.keyColumns.length === plan.key.length &&
          plan.key.every((column) => relation.keyColumns.includes(column));
    if (oid !== plan.oid || !sameKey) {
      // Either this is history from before the definition we started with, whose rows our snapshot has read since, or the definition
      // has changed since we started.
      const now = await inspect(plan);
      const isHistory = now !== undefined && now.oid === plan.oid && now.key.join('\0') === plan.key.join('\0');
      if (!isHistory) throw new Restart(`the key of table ${plan.id} was changed, or it was created again`);
      return undefined;
    }
    this.#noteColumns(relation, plan);
    return plan;
  }

  /** Says what changed. An ALTER that computes values anew (`TYPE … USING`, a new column's default) logs no rows. */
  #noteColumns(relation: MessageRelation, plan: TablePlan): void {
    const columns = new Map(relation.columns.map(({ name, typeOid }) => [name, typeOid >>> 0]));
    const before = this.#columns.get(plan.id);
    this.#columns.set(plan.id, columns);
    if (before === undefined) return;
    const added = [...columns.keys()].filter((name) => !before.has(name));
    const gone = [...before.keys()].filter((name) => !columns.has(name));
    const retyped = [...columns]
      .filter(([name, type]) => before.has(name) && before.get(name) !== type)
      .map(([name]) => name);
    if (added.length + gone.length + retyped.length === 0) return;
    const list = (names: string[]): string => (names.length === 0 ? 'none' : names.join(', '));
    this.#deps.inform(
      'SCHEMA_CHANGED',
      `Table ${plan.id} has changed: columns added ${list(added)}; gone ${list(gone)}; of another type ${list(retyped)}. ` +
        'Values that the ALTER itself computed are not in the log: "freshet verify --repair" finds them.',
    );
  }
}
