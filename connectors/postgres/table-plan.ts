import type { ColumnValue, Row } from '../../src/domain/change.ts';
import { keyValues, rowKey, type KeyValue, type RowKey, type TableId } from '../../src/domain/ids.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import { keyValueOf } from '../../src/domain/row-key.ts';
import { quoteIdentifier } from './connection.ts';

/** A configured table as the catalog has it. */
export interface TablePlan {
  readonly id: TableId;
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly partitioned: boolean;
  /** Key columns in the order of their index: the order of {@link RowKey}. */
  readonly key: readonly string[];
  /** Generated columns: the log leaves them out, so reads do too. */
  readonly omitted: ReadonlySet<string>;
  /** The server's estimate; undefined where it has none. */
  readonly rowsEstimate: number | undefined;
}

/** Children of an inherited table publish under their own names; partitions of a partitioned one under its. */
export const fromClause = ({ schema, name, partitioned }: TablePlan): string =>
  `${partitioned ? '' : 'ONLY '}${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;

function keyValue(value: ColumnValue | undefined, plan: TablePlan, column: string): KeyValue {
  const known = keyValueOf(value);
  if (known !== undefined) return known;
  throw new FreshetError(
    'KEY_NOT_USABLE',
    'fatal',
    `Key column "${column}" of table ${plan.id} has no value, or one of a type that cannot be a key (array, json). ` +
      'Choose a replica identity of plain, NOT NULL columns.',
    { details: { table: plan.id, column } },
  );
}

export function keyOf(plan: TablePlan, row: Row): RowKey {
  return rowKey(plan.key.map((column) => keyValue(row[column], plan, column)));
}

/** Values of a key as text parameters; the server casts each to its column's type. */
export function keyParameters(key: RowKey): (string | null)[] {
  return keyValues(key).map((value) => (value === null ? null : String(value)));
}
