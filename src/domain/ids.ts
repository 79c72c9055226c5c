import type { Brand } from './brand.ts';
import { createUuidV5 } from './uuid-v5.ts';

/** `source.schema.table` as configured, e.g. `app.public.articles`; pushed documents and files are virtual tables. */
export type TableId = Brand<string, 'TableId'>;
/** The replica-identity key of a row, encoded by {@link rowKey}: canonical, reversible, safe in a log (a key may still be personal data). */
export type RowKey = Brand<string, 'RowKey'>;
export type DocumentId = Brand<string, 'DocumentId'>;
export type ChunkId = Brand<string, 'ChunkId'>;
export type TenantId = Brand<string, 'TenantId'>;
/** One ordered stream of a source: a Kafka topic partition, a replication slot, the snapshot of one table. */
export type PartitionId = Brand<string, 'PartitionId'>;

export const tableId = (name: string): TableId => name as TableId;
export const tenantId = (name: string): TenantId => name as TenantId;
export const partitionId = (name: string): PartitionId => name as PartitionId;

export const DEFAULT_TENANT = tenantId('default');

/** Namespaces of our UUIDv5 ids (RFC 9562 §5.5): fixed for ever, every stored id depends on them. */
const documentUuid = createUuidV5('b1f8cf2e-6a51-5f0e-9d0c-3f4b8f6a7c01');
const chunkUuid = createUuidV5('b1f8cf2e-6a51-5f0e-9d0c-3f4b8f6a7c02');

/** A key column as it stands in a key: exact text for everything that JSON numbers cannot hold. */
export type KeyValue = string | number | boolean | null;

/** JSON of the key's values in the order of the table's key columns: `[42]`, `["de","a-7"]`. */
export function rowKey(values: readonly KeyValue[]): RowKey {
  return JSON.stringify(values) as RowKey;
}

export function keyValues(key: RowKey): readonly KeyValue[] {
  return JSON.parse(key) as KeyValue[];
}

/**
 * Length-prefixed parts: no two different lists of parts give the same name. A part with lone surrogates (a name is hashed as UTF-8, which
 * has none) is escaped, under a mark of its own.
 */
const name = (...parts: readonly string[]): Uint8Array =>
  Buffer.from(
    parts
      .map((part) => (part.isWellFormed() ? `${part.length}:${part}` : `${part.length}!${JSON.stringify(part)}`))
      .join(''),
  );

/** UUIDv5(source, table, replica-identity key): never from the tenant or another column, which may change. */
export function rowDocumentId(source: string, table: TableId, key: RowKey): DocumentId {
  return documentUuid(name('row', source, table, key)) as DocumentId;
}

/** UUIDv5(tenant, id) for documents pushed over HTTP, where the caller names the id. */
export function pushedDocumentId(tenant: TenantId, id: string): DocumentId {
  return documentUuid(name('pushed', tenant, id)) as DocumentId;
}

/**
 * UUIDv5(document id, embedder fingerprint, chunk text, occurrence): the same id means the same vector, so ids alone say what must be
 * embedded. Never from the ordinal: 14–18 % of the chunks that survive an edit change their place.
 * @param occurrence 0 for the first chunk of this text in the document, 1 for the next, …
 */
export function chunkId(document: DocumentId, embedderFingerprint: string, text: string, occurrence: number): ChunkId {
  return chunkUuid(name(document, embedderFingerprint, text, String(occurrence))) as ChunkId;
}
