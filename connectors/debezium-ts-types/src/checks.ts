import { DebeziumDecodeError } from './errors.ts';
import { shortened } from './objects.ts';
import type { ColumnValue } from './values.ts';

/** A raw value → the exact one; null stays null and never reaches it. */
export type Convert = (raw: unknown) => ColumnValue;

/** A safe integer stays a number, one beyond becomes or stays a bigint, whichever of the two the converter gave. */
export function integer(raw: unknown, where: string): number | bigint {
  if (typeof raw === 'number' && Number.isSafeInteger(raw)) return raw;
  if (typeof raw === 'bigint') return shortened(raw);
  return mismatch('an integer', where);
}

/** @throws {DebeziumDecodeError} INVALID_VALUE */
export function mismatch(expected: string, where: string): never {
  throw new DebeziumDecodeError('INVALID_VALUE', where, `The value does not fit its type: ${expected} was expected.`);
}
