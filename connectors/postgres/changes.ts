import type {
  MessageDelete,
  MessageInsert,
  MessageUpdate,
} from 'pg-logical-replication/dist/output-plugins/pgoutput/pgoutput.types.js';
import { UNCHANGED, type ColumnValue, type Row } from '../../src/domain/change.ts';
import type { RowKey, TableId } from '../../src/domain/ids.ts';
import { keyOf, type TablePlan } from './table-plan.ts';

/** What one message says about one row. */
export interface RowEffect {
  readonly table: TableId;
  readonly key: RowKey;
  /** Undefined: the row is gone. */
  readonly row: Row | undefined;
  /** Approximate size in memory. */
  readonly bytes: number;
  /** The row had this key before; values it left alone may be known under it. */
  readonly previousKey?: RowKey;
}

const OVERHEAD_BYTES = 200;

function toRow(tuple: Record<string, unknown>, plan: TablePlan): Row {
  const row: Record<string, ColumnValue> = {};
  for (const name of Object.keys(tuple)) {
    if (plan.omitted.has(name)) continue;
    const value = tuple[name] as ColumnValue | undefined;
    // The parser leaves TOAST values that were left alone undefined.
    row[name] = value === undefined ? UNCHANGED : value;
  }
  return row;
}

export function effectsOf(
  message: MessageInsert | MessageUpdate | MessageDelete,
  plan: TablePlan,
  payloadBytes: number,
): readonly RowEffect[] {
  const bytes = payloadBytes + OVERHEAD_BYTES;
  const table = plan.id;
  if (message.tag === 'delete') {
    // Only the key of what was deleted is trustworthy.
    const before = (message.key ?? message.old) as Row;
    return [{ table, key: keyOf(plan, before), row: undefined, bytes: OVERHEAD_BYTES }];
  }
  const row = toRow(message.new, plan);
  // A key column is never toasted out of the identity, but under an update it may be left alone: then the old one tells it.
  const before = message.tag === 'update' ? ((message.key ?? message.old) as Row | null) : null;
  const whole = before === null ? row : withKey(row, before, plan);
  const key = keyOf(plan, whole);
  const previousKey = before === null ? key : keyOf(plan, before);
  if (previousKey === key) return [{ table, key, row: whole, bytes }];
  // The new key first, while what is known under the old one is still there to take values from.
  return [
    { table, key, row: whole, bytes, previousKey },
    { table, key: previousKey, row: undefined, bytes: OVERHEAD_BYTES },
  ];
}

function withKey(row: Row, before: Row, plan: TablePlan): Row {
  const missing = plan.key.filter((column) => row[column] === UNCHANGED && before[column] !== undefined);
  if (missing.length === 0) return row;
  return { ...row, ...Object.fromEntries(missing.map((column) => [column, before[column] as ColumnValue])) };
}

/** The later row, with values it left alone taken from the earlier one where that has them. */
export function fillUnchanged(later: Row, earlier: Row | undefined): Row {
  if (earlier === undefined) return later;
  let filled: Record<string, ColumnValue> | undefined;
  for (const [name, value] of Object.entries(later)) {
    const known = earlier[name];
    if (value !== UNCHANGED || known === undefined || known === UNCHANGED) continue;
    filled ??= { ...later };
    filled[name] = known;
  }
  return filled ?? later;
}
