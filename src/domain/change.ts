import type { PartitionId, RowKey, TableId } from './ids.ts';
import type { SourcePosition } from './source-position.ts';
import type { Instant } from './time.ts';
import type { Version } from './version.ts';

/** A large value the source left out because the change did not touch it (TOAST). Never text, so it cannot be indexed by mistake. */
export const UNCHANGED: unique symbol = Symbol('unchanged-toast-value');
export type Unchanged = typeof UNCHANGED;

/**
 * A column value after decoding. 64-bit integers and numerics arrive as exact text or bigint, timestamps as RFC 3339 text,
 * json as parsed JSON, bytea as Uint8Array.
 */
export type ColumnValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Unchanged
  | Uint8Array
  | readonly ColumnValue[]
  | { readonly [name: string]: ColumnValue };

export type Row = Readonly<Record<string, ColumnValue>>;

/** Where a delivery stands in its partition. Opaque outside its source but for its order: a later delivery never has a lower offset. */
export interface Position {
  readonly partition: PartitionId;
  readonly offset: bigint;
}

export interface RowUpserted {
  readonly kind: 'row-upserted';
  readonly table: TableId;
  readonly key: RowKey;
  readonly row: Row;
  readonly version: Version;
  /** Absent on rows that were read (snapshot, incremental snapshot) instead of streamed. */
  readonly sourcePosition?: SourcePosition;
  readonly committedAt: Instant;
  readonly snapshot: boolean;
}

export interface RowDeleted {
  readonly kind: 'row-deleted';
  readonly table: TableId;
  readonly key: RowKey;
  readonly version: Version;
  readonly sourcePosition?: SourcePosition;
  readonly committedAt: Instant;
}

export interface TableTruncated {
  readonly kind: 'table-truncated';
  readonly table: TableId;
  readonly epoch: number;
  readonly sourcePosition: SourcePosition;
  readonly committedAt: Instant;
}

/** The snapshot of a table ended in this epoch: whatever its heads still hold of an older epoch no longer exists. */
export interface SnapshotFinished {
  readonly kind: 'snapshot-finished';
  readonly table: TableId;
  readonly epoch: number;
  readonly committedAt: Instant;
}

export interface Nothing {
  readonly kind: 'nothing';
  readonly reason: 'tombstone' | 'heartbeat' | 'logical-message' | 'transaction-marker' | 'untracked-table';
}

/** A record the source read but could not decode: poison from the start, with its coordinates. */
export interface Undecodable {
  readonly kind: 'undecodable';
  readonly table: TableId | undefined;
  readonly key: RowKey | undefined;
  readonly error: Error;
  /** Where the source knows them, so that an older change indexed later does not void the dead letter, and a retry finds its place. */
  readonly version?: Version;
  readonly sourcePosition?: SourcePosition;
  readonly committedAt?: Instant;
}

export type RowChange = RowUpserted | RowDeleted;
export type ChangeEvent = RowChange | TableTruncated | SnapshotFinished | Nothing | Undecodable;

export interface Delivery {
  readonly position: Position;
  /**
   * No later delivery has this position. Several deliveries may share one (a transaction folded into a window); the mark passes a position
   * only after its last delivery, or a crash between two of them would lose the second.
   */
  readonly endsPosition: boolean;
  readonly event: ChangeEvent;
  readonly receivedAt: Instant;
  /** Approximate size in memory, for the in-flight byte limit. */
  readonly bytes: number;
}
