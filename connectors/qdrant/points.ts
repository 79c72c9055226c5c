import type { ChunkRef, DocumentAttributes, Head, Metadata, Redacted } from '../../src/domain/document.ts';
import type { ChunkId, DocumentId, PartitionId, TableId, TenantId } from '../../src/domain/ids.ts';
import type { SourcePosition } from '../../src/domain/source-position.ts';
import type { Version } from '../../src/domain/version.ts';
import type { NewChunk, StoredChunk } from '../../src/ports/index-store.ts';
import { positionNumbers } from './filters.ts';
import { documentNumber } from './ids.ts';
import { metadataFields } from './metadata.ts';
import { packText, packValue, unpackText, unpackValue } from './pack.ts';

export type Payload = Record<string, unknown>;

/** Stamp, place and age: what heads and chunks have in common, and what guards, filters and sweeps look at. */
function ledgerFields(head: Head): Payload {
  const { sourcePosition: position } = head;
  const numbers = position === undefined ? undefined : positionNumbers(position);
  return {
    doc: head.id,
    docn: documentNumber(head.id),
    ver: head.version,
    gen: head.generation,
    table: packText(head.table),
    partition: packText(head.partition),
    // Null and not left out: a payload is merged into what is there, and a read has no position.
    pos: position ?? null,
    pos1: numbers?.[0] ?? null,
    pos2: numbers?.[1] ?? null,
    pos3: numbers?.[2] ?? null,
    indexed: head.indexedAt,
    deleted: head.deleted,
  };
}

/** What a head says in the ledger and nobody filters by, as one text. */
type HeadBody = Pick<Head, 'source' | 'committedAt' | 'rowHash' | 'attributes' | 'receivedAt'> & {
  readonly chunks: readonly (readonly [id: string, start: number, end: number, headings: readonly string[]])[];
};

export function headPayload(head: Head): Payload {
  const { source, committedAt, rowHash, attributes, receivedAt } = head;
  const body: HeadBody = {
    ...{ source, committedAt, attributes, receivedAt },
    ...(rowHash === undefined ? {} : { rowHash }),
    chunks: head.chunks.map(({ id, start, end, headings }) => [id, start, end, headings]),
  };
  return { kind: 'head', ...ledgerFields(head), body: JSON.stringify(body) };
}

export function headOf(payload: Payload): Head {
  const { chunks, ...body } = JSON.parse(payload['body'] as string) as HeadBody;
  return {
    ...body,
    id: payload['doc'] as DocumentId,
    table: unpackText(payload['table'] as string) as TableId,
    partition: unpackText(payload['partition'] as string) as PartitionId,
    ...stampOf(payload),
    chunks: chunks.map(([id, start, end, headings]): ChunkRef => ({ id: id as ChunkId, start, end, headings })),
    deleted: payload['deleted'] as boolean,
    indexedAt: payload['indexed'] as number,
  };
}

export interface StoredStamp {
  readonly version: Version;
  readonly generation: number;
  readonly sourcePosition?: SourcePosition;
}

export function stampOf(payload: Payload): StoredStamp {
  return {
    version: payload['ver'] as Version,
    generation: payload['gen'] as number,
    ...(typeof payload['pos'] === 'string' ? { sourcePosition: payload['pos'] as SourcePosition } : {}),
  };
}

/** Everything a write changes on the chunks it keeps: the chunk's own text and place in the document stay. */
export function sharedChunkPayload(head: Head): Payload {
  const { tenant, access, title, uri, metadata } = head.attributes;
  return {
    ...ledgerFields(head),
    deleted: false,
    tenant: packText(tenant),
    access: access.map(packText),
    open: access.length === 0,
    title: packText(title),
    uri: packText(uri),
    metadata: packValue(metadata),
    ...metadataFields(metadata),
    committed: head.committedAt,
    updated_at: new Date(head.committedAt).toISOString(),
  };
}

export function chunkPayload(head: Head, { chunk }: NewChunk): Payload {
  const { text, start, end, headings, tokens } = chunk;
  return {
    kind: 'chunk',
    ...sharedChunkPayload(head),
    text: packText(text),
    place: { start, end, headings: headings.map(packText), tokens },
  };
}

/** A chunk as found: its stamp, what it says, and the place it had when it was written (its head's list knows better). */
export interface FoundChunk extends StoredChunk {
  readonly table: TableId;
  readonly partition: PartitionId;
  readonly committedAt: number;
  readonly indexedAt: number;
  readonly place: ChunkRef;
}

export function chunkOf(id: string, payload: Payload, vector?: Float32Array): FoundChunk {
  const place = payload['place'] as { start: number; end: number; headings: readonly string[] };
  return {
    id: id as ChunkId,
    document: payload['doc'] as DocumentId,
    text: unpackText(payload['text'] as string) as Redacted<string>,
    attributes: attributesOf(payload),
    ...stampOf(payload),
    deleted: payload['deleted'] as boolean,
    table: unpackText(payload['table'] as string) as TableId,
    partition: unpackText(payload['partition'] as string) as PartitionId,
    committedAt: payload['committed'] as number,
    indexedAt: payload['indexed'] as number,
    place: { id: id as ChunkId, start: place.start, end: place.end, headings: place.headings.map(unpackText) },
    ...(vector === undefined ? {} : { vector }),
  };
}

function attributesOf(payload: Payload): DocumentAttributes {
  return {
    tenant: unpackText(payload['tenant'] as string) as TenantId,
    access: (payload['access'] as readonly string[]).map(unpackText),
    title: unpackText(payload['title'] as string),
    uri: unpackText(payload['uri'] as string),
    metadata: unpackValue(payload['metadata']) as Metadata,
  };
}

/** Without what only the adapter needs. */
export function storedChunk(found: FoundChunk): StoredChunk {
  const { table: _t, partition: _p, committedAt: _c, indexedAt: _i, place: _place, ...chunk } = found;
  return chunk;
}
