import type { Brand } from './brand.ts';

/**
 * Where a streamed change stands in its source's own log, as 32 hex digits (two unsigned 64-bit numbers, major then minor), so that plain
 * string order is log order in JavaScript, SQLite and JSON alike. Strictly increasing per row, also inside one transaction.
 * Direct PostgreSQL: (commit LSN + window, 0). Debezium PostgreSQL: `source.sequence` = (last commit LSN, LSN).
 */
export type SourcePosition = Brand<string, 'SourcePosition'>;

const hex16 = (n: bigint): string => BigInt.asUintN(64, n).toString(16).padStart(16, '0');

export function sourcePosition(major: bigint, minor: bigint = 0n): SourcePosition {
  return (hex16(major) + hex16(minor)) as SourcePosition;
}

/** Below every position. A truncation at it is the start of an epoch: it covers older epochs and nothing of its own. */
export const EPOCH_START = '' as SourcePosition;

/** A TRUNCATE as the index remembers it: everything of the table at or below it in its epoch, and all of older epochs, is gone. */
export interface Truncation {
  readonly epoch: number;
  readonly sourcePosition: SourcePosition;
}

export function isLaterTruncation(a: Truncation, b: Truncation | undefined): boolean {
  if (b === undefined) return true;
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.sourcePosition > b.sourcePosition);
}

/** The lowest position above another. */
export function positionAfter(position: SourcePosition): SourcePosition {
  return sourcePosition(BigInt(`0x${position.slice(0, 16)}`), BigInt(`0x${position.slice(16)}`) + 1n);
}

/** The lowest position that a truncation does not cover. */
export function afterTruncation({ sourcePosition: covered }: Truncation): SourcePosition {
  return covered === EPOCH_START ? sourcePosition(0n) : positionAfter(covered);
}
