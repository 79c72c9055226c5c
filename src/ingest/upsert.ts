import type { RowChange } from '../domain/change.ts';
import type { DocumentAttributes, Head, IdentifiedChunk } from '../domain/document.ts';
import { DEFAULT_TENANT, type DocumentId, type PartitionId } from '../domain/ids.ts';
import type { Instant } from '../domain/time.ts';
import type { Generation } from '../domain/version.ts';
import type { DocumentWrite, NewChunk } from '../ports/index-store.ts';
import type { Lineage } from './decide.ts';
import type { ChunkDiff } from './diff.ts';

/** What every head of a change says, whatever becomes of the document. */
export interface HeadBase {
  readonly id: DocumentId;
  readonly source: string;
  readonly partition: PartitionId;
  readonly change: RowChange;
  readonly generation: Generation;
  readonly lineage: Lineage;
  readonly receivedAt: Instant;
  readonly indexedAt: Instant;
}

/** New text: keep what the previous version had, insert the rest. */
export function upsertWrite(
  base: HeadBase,
  attributes: DocumentAttributes,
  rowHash: string,
  diff: ChunkDiff,
  vectors: readonly Float32Array[],
): DocumentWrite {
  const insert = diff.fresh.map(
    (chunk: IdentifiedChunk, at): NewChunk => ({ chunk, vector: vectors[at] as Float32Array }),
  );
  return { head: head(base, { attributes, rowHash, chunks: diff.refs, deleted: false }), keep: diff.keep, insert };
}

/** The same row under a new version: every chunk stays, only stamps and the head move. */
export function versionOnlyWrite(base: HeadBase, previous: Head): DocumentWrite {
  const { attributes, chunks } = previous;
  const rowHash = previous.rowHash === undefined ? {} : { rowHash: previous.rowHash };
  return {
    head: head(base, { attributes, ...rowHash, chunks, deleted: false }),
    keep: chunks.map((ref) => ref.id),
    insert: [],
  };
}

/** A delete always writes its tombstone head, also where no head exists: a late upsert must find it. */
export function tombstoneWrite(base: HeadBase, previous: Head | undefined): DocumentWrite {
  const attributes: DocumentAttributes = {
    tenant: previous?.attributes.tenant ?? DEFAULT_TENANT,
    access: previous?.attributes.access ?? [],
    title: '',
    uri: '',
    metadata: {},
  };
  return { head: head(base, { attributes, chunks: [], deleted: true }), keep: [], insert: [] };
}

function head(base: HeadBase, rest: Pick<Head, 'attributes' | 'chunks' | 'deleted' | 'rowHash'>): Head {
  const { id, source, partition, change, generation, lineage, receivedAt, indexedAt } = base;
  return {
    id,
    source,
    table: change.table,
    partition,
    version: change.version,
    generation,
    ...(lineage.sourcePosition === undefined ? {} : { sourcePosition: lineage.sourcePosition }),
    committedAt: lineage.committedAt,
    receivedAt,
    indexedAt,
    ...rest,
  };
}
