import type { RecordKey } from 'debezium-ts-types';
import type { ColumnValue } from '../../../src/domain/change.ts';
import { FreshetError } from '../../../src/domain/errors.ts';
import { rowKey, type RowKey } from '../../../src/domain/ids.ts';
import { keyValueOf } from '../../../src/domain/row-key.ts';
import type { DecodedTable } from './options.ts';

/**
 * The key of a row is the key of its record and nothing else: the record's key chose the partition, and only within one do offsets, and so
 * versions, compare. Key columns taken from the row would be spread over partitions.
 *
 * @throws poison KEY_MISSING, KEY_COLUMN_MISSING, KEY_NOT_USABLE
 */
export function keyOfRecord(key: RecordKey | null, table: DecodedTable): RowKey {
  if (key === null) {
    throw poison(
      'KEY_MISSING',
      table,
      `A record of table ${table.id} has no key, so its row cannot be told from others. Give the table a primary key, or set ` +
        'message.key.columns at the connector, and let the connector take a snapshot anew.',
    );
  }
  if (typeof key !== 'object') return rowKey([keyValue(key, 'key', table)]);
  const columns = table.key ?? Object.keys(key);
  if (columns.length === 0) return keyOfRecord(null, table);
  return rowKey(
    columns.map((column) => {
      if (Object.hasOwn(key, column)) return keyValue(key[column] as ColumnValue, column, table);
      throw poison(
        'KEY_COLUMN_MISSING',
        table,
        `The keys of table ${table.id}'s records have no column "${column}", which its mapping names as key. Set message.key.columns ` +
          'at the connector to it, or leave "key" out.',
      );
    }),
  );
}

function keyValue(value: ColumnValue, column: string, table: DecodedTable) {
  const known = keyValueOf(value);
  if (known !== undefined) return known;
  throw poison(
    'KEY_NOT_USABLE',
    table,
    `Key column "${column}" of table ${table.id} has no value, or one of a type that cannot be a key (array, json, struct). ` +
      'Choose key columns that are plain and NOT NULL.',
  );
}

const poison = (code: string, table: DecodedTable, message: string): FreshetError =>
  new FreshetError(code, 'poison', message, { details: { table: table.id } });
