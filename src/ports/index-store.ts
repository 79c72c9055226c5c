import type { ChunkRef, DocumentAttributes, Head, IdentifiedChunk, Redacted } from '../domain/document.ts';
import type { ChunkId, DocumentId, PartitionId, TableId, TenantId } from '../domain/ids.ts';
import type { SearchHit, SearchQuery } from '../domain/search.ts';
import type { SourcePosition, Truncation } from '../domain/source-position.ts';
import type { Instant } from '../domain/time.ts';
import type { Generation, Stamp, Version } from '../domain/version.ts';

/** A chunk to insert with its vector (unit length, the index's dimensions). */
export interface NewChunk {
  readonly chunk: IdentifiedChunk;
  readonly vector: Float32Array;
}

/**
 * One document's change as the index applies it, in this order, every part guarded by "stored stamp below `head`'s stamp":
 *  1. `keep`: chunks the previous version had and this one keeps: to the new stamp, not deleted, with the head's attributes
 *  2. `insert`: new chunks
 *  3. tombstone every chunk of the document that is below the head's stamp
 *  4. the head itself, last, as the commit mark
 * A store with transactions does all of it in one. A deleted head comes with neither `keep` nor `insert`.
 */
export interface DocumentWrite {
  readonly head: Head;
  readonly keep: readonly ChunkId[];
  readonly insert: readonly NewChunk[];
}

/** A chunk as stored, for reading one document whole and for verify. `vector` only when asked for. */
export interface StoredChunk extends Stamp {
  readonly id: ChunkId;
  readonly document: DocumentId;
  readonly text: Redacted<string>;
  readonly attributes: DocumentAttributes;
  readonly sourcePosition?: SourcePosition;
  readonly deleted: boolean;
  readonly vector?: Float32Array;
}

/**
 * What a sweep deleted and no head remembers any more, per partition. Without a head, an event is nothing to do if its version is at or
 * below the floor, or its source position *and* commit time are. Read after a head was found absent, never cached.
 */
export interface Floor {
  readonly version: Version;
  readonly sourcePosition?: SourcePosition;
  readonly committedAt: Instant;
}

export interface SweepLimits {
  /** Tombstones younger than this stay: longer than cache age + write deadline + longest zombie + longest packet delay. */
  readonly horizonMs: number;
  readonly now: Instant;
  /** No floor rises above the committed mark of its partition; an unretried dead letter counts as uncommitted. */
  readonly committed: ReadonlyMap<PartitionId, Version>;
}

export interface HeadFilter {
  readonly table?: TableId;
  readonly belowVersion?: Version;
  /** Living heads of any table but these; found by the store, for there may be millions of the others. */
  readonly livingOutside?: readonly TableId[];
}

export interface IndexStats {
  readonly documents: number;
  readonly chunks: number;
  readonly bytesOnDisk: number | undefined;
}

export interface StoredDocument {
  readonly head: Head;
  /** In the order of the head's list; only chunks a reader may see. */
  readonly chunks: readonly (StoredChunk & ChunkRef)[];
}

/**
 * The index is its own ledger: no second store says what is indexed (design invariants 1–4).
 *
 * - `apply` resolves only when readers can see the write. Replayed and stale writes are no-ops, whatever order they come in.
 * - Readers obey `judge` of domain/visibility.ts, with heads read after the chunks; on `retry` they search once more.
 * - Errors: `transient` when the store is away or times out, `fatal` when it is corrupt or full on a path that cannot recover.
 *   No payload text in any error.
 */
export interface Index extends AsyncDisposable {
  readonly dimensions: number;

  /** Registers the settings fingerprint; one that differs from the last registered takes the next generation (compare-and-set). */
  registerSettings(fingerprint: string, signal: AbortSignal): Promise<Generation>;

  heads(ids: readonly DocumentId[], signal: AbortSignal): Promise<ReadonlyMap<DocumentId, Head>>;
  floor(partition: PartitionId, signal: AbortSignal): Promise<Floor | undefined>;
  apply(write: DocumentWrite, signal: AbortSignal): Promise<void>;

  /** Durable before it resolves, and only ever raised. Readers hide what it covers at once. */
  truncate(table: TableId, truncation: Truncation, signal: AbortSignal): Promise<void>;
  truncations(signal: AbortSignal): Promise<ReadonlyMap<TableId, Truncation>>;

  /** Nearest chunks a reader may see, best first. Never shortened by what visibility dropped: over-fetches and refills. */
  search(query: SearchQuery, signal: AbortSignal): Promise<readonly SearchHit[]>;
  document(id: DocumentId, tenant: TenantId, signal: AbortSignal): Promise<StoredDocument | undefined>;

  /** Every head that passes, tombstones included, in id order, for verify and retiring tables. */
  scanHeads(filter: HeadFilter, signal: AbortSignal): AsyncIterable<Head>;
  /** Every stored chunk (of one document, if named), deleted ones included, in document order, for verify. */
  scanChunks(
    options: { readonly vectors: boolean; readonly document?: DocumentId },
    signal: AbortSignal,
  ): AsyncIterable<StoredChunk>;

  /** Deletes what no reader can need any more, re-checking in the deleting step what it saw. Never a chunk above its head. */
  sweep(limits: SweepLimits, signal: AbortSignal): Promise<{ readonly heads: number; readonly chunks: number }>;
  /** Deletes chunks by id, whatever their stamp: repair only. */
  deleteChunks(ids: readonly ChunkId[], signal: AbortSignal): Promise<void>;

  stats(signal: AbortSignal): Promise<IndexStats>;
}
