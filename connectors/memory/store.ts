import type { Head, IdentifiedChunk } from '../../src/domain/document.ts';
import type { ChunkId, DocumentId, PartitionId, TableId } from '../../src/domain/ids.ts';
import type { Truncation } from '../../src/domain/source-position.ts';
import type { Instant } from '../../src/domain/time.ts';
import type { Floor, StoredChunk } from '../../src/ports/index-store.ts';

/** A chunk as the memory index keeps it. Records are replaced, never changed, so that a reader's copy is a list of references. */
export interface MemoryChunk extends StoredChunk {
  readonly vector: Float32Array;
  readonly chunk: IdentifiedChunk;
  readonly table: TableId;
  readonly partition: PartitionId;
  readonly committedAt: Instant;
  /** Of the write that touched it last: the sweeper's age. */
  readonly indexedAt: Instant;
}

/** The state behind a memory index. Several indexes (processes, packets on their way) may work on one store. */
export interface MemoryStore {
  readonly heads: Map<DocumentId, Head>;
  readonly chunks: Map<DocumentId, Map<ChunkId, MemoryChunk>>;
  readonly floors: Map<PartitionId, Floor>;
  readonly truncations: Map<TableId, Truncation>;
  /** Fingerprints in the order they were registered; the generation is the place in it, from 1. */
  readonly settings: string[];
}

export function createMemoryStore(): MemoryStore {
  return { heads: new Map(), chunks: new Map(), floors: new Map(), truncations: new Map(), settings: [] };
}

export function chunksOf(store: MemoryStore, document: DocumentId): Map<ChunkId, MemoryChunk> {
  let chunks = store.chunks.get(document);
  if (chunks === undefined) store.chunks.set(document, (chunks = new Map()));
  return chunks;
}
