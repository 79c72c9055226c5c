import type { ColumnValue } from './change.ts';
import type { KeyValue } from './ids.ts';

/**
 * A column's value as it stands in a row key; undefined where none can (NULL, arrays, json, a value left out).
 *
 * An integer is a number wherever a number holds it, whatever the width of its column: a source without types on the wire (plain JSON)
 * cannot tell `int` from `bigint`, and a document must keep its id when the column is widened or the row is looked up elsewhere.
 */
export function keyValueOf(value: ColumnValue | undefined): KeyValue | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    default:
      return value instanceof Uint8Array ? `\\x${Buffer.from(value).toString('hex')}` : undefined;
  }
}
