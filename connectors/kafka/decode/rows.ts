import { UNAVAILABLE, type Row as DebeziumRow } from 'debezium-ts-types';
import { UNCHANGED, type ColumnValue, type Row } from '../../../src/domain/change.ts';

/**
 * A row as the domain has it. Large values that PostgreSQL left out (TOAST) are taken from the old row where REPLICA IDENTITY FULL logs it;
 * otherwise they stay left out, for the pipeline to look up.
 */
export function toRow(after: DebeziumRow, before: DebeziumRow | null): Row {
  let row: Record<string, ColumnValue> | undefined;
  for (const name of Object.keys(after)) {
    if (after[name] !== UNAVAILABLE) continue;
    row ??= { ...(after as Row) };
    const old = before !== null && Object.hasOwn(before, name) ? before[name] : undefined;
    row[name] = isRealOldValue(old) ? (old as ColumnValue) : UNCHANGED;
  }
  return row ?? (after as Row);
}

/**
 * Under other identities columns of the old row are made up: NULL, or the default of their type. A value long enough to be left out is
 * neither, so nothing empty is believed.
 */
function isRealOldValue(value: DebeziumRow[string] | undefined): boolean {
  if (value === undefined || value === null || value === UNAVAILABLE) return false;
  if (typeof value === 'string' || value instanceof Uint8Array || Array.isArray(value)) return value.length > 0;
  return typeof value === 'object' && Object.keys(value).length > 0;
}
