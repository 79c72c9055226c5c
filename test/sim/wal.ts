import type { ChangeEvent } from '../../src/domain/change.ts';
import { partitionId, type PartitionId, type TableId } from '../../src/domain/ids.ts';
import { sourcePosition } from '../../src/domain/source-position.ts';
import type { Operation, Transaction } from './history.ts';

export const STREAM = partitionId('wal');
export const BYTES_BETWEEN_COMMITS = 100;
/** Changes to one window of a folded transaction. */
export const WINDOW = 3;

/** A slot's life. A recreated slot starts at a later transaction, and after a restore its numbers may start lower. */
export interface Epoch {
  readonly number: number;
  readonly firstTransaction: number;
  readonly lsnShift: number;
}

/** One delivery of a folded transaction. */
export interface Change {
  readonly window: number;
  readonly operation: Operation;
  readonly endsWindow: boolean;
}

export const snapshotPartition = (table: TableId): PartitionId => partitionId(`snapshot of ${table}`);

export function lsnOf(transaction: number, epoch: Epoch): bigint {
  return BigInt((transaction + 1) * BYTES_BETWEEN_COMMITS - epoch.lsnShift);
}

export function truncated(
  { table }: Operation & { readonly kind: 'truncate' },
  offset: bigint,
  epoch: Epoch,
  committedAt: number,
): ChangeEvent & { readonly kind: 'table-truncated' } {
  return { kind: 'table-truncated', table, epoch: epoch.number, sourcePosition: sourcePosition(offset), committedAt };
}

/** The last change per row, in windows of a fixed count; a truncate closes the window and has its own. */
export function fold(transaction: Transaction): readonly Change[] {
  const windows: Operation[][] = [];
  let open: Operation[] = [];
  const close = (): void => {
    if (open.length > 0) windows.push(open);
    open = [];
  };
  for (const operation of transaction.operations) {
    if (operation.kind === 'truncate') {
      close();
      windows.push([operation]);
      continue;
    }
    const replaced = open.find((other) => other.kind === 'row' && other.key === operation.key);
    // Folding keeps the text an earlier change of the same window brought along.
    const knowsText = replaced?.kind === 'row' && replaced.version.row !== undefined && !replaced.withoutText;
    open = [
      ...open.filter((other) => other !== replaced),
      knowsText ? { ...operation, withoutText: false } : operation,
    ];
    if (open.length === WINDOW) close();
  }
  close();
  return windows.flatMap((operations, window) =>
    operations.map((operation, at) => ({ window, operation, endsWindow: at === operations.length - 1 })),
  );
}
