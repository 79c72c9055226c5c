import type { ChunkRef, DocumentAttributes, Head, Metadata } from '../../src/domain/document.ts';
import type { ChunkId, DocumentId, PartitionId, TableId, TenantId } from '../../src/domain/ids.ts';
import type { SourcePosition } from '../../src/domain/source-position.ts';
import type { Version } from '../../src/domain/version.ts';
import type { Bind, Cells } from './database.ts';
import { packJson, unpackJson } from './odd-text.ts';

/** The order in which heads are read everywhere; {@link headOf} and {@link headValues} depend on it. */
export const HEAD_COLUMNS = `h.id, h.source, h.tbl, h.part, h.ver, h.gen, h.pos, h.committed_at, h.received_at, h.indexed_at, h.row_hash,
  t.name, h.access, h.metadata, h.titles, h.refs, h.deleted`;
export const HEADS = 'heads h JOIN tenants t ON t.number = h.tenant';

export type PackedRef = readonly [id: string, start: number, end: number, headings: readonly string[]];

export function headOf(cells: Cells): Head {
  const [id, source, table, partition, version, generation, position, committedAt, receivedAt, indexedAt, rowHash] =
    cells;
  return {
    id: id as DocumentId,
    source: source as string,
    table: table as TableId,
    partition: partition as PartitionId,
    version: version as Version,
    generation: generation as number,
    ...(position === null ? {} : { sourcePosition: position as SourcePosition }),
    committedAt: committedAt as number,
    receivedAt: receivedAt as number,
    indexedAt: indexedAt as number,
    ...(rowHash === null ? {} : { rowHash: rowHash as string }),
    attributes: attributesOf(cells[11], cells[12], cells[13], cells[14]),
    chunks: refsOf(cells[15]),
    deleted: cells[16] === 1,
  };
}

export function attributesOf(tenant: unknown, access: unknown, metadata: unknown, titles: unknown): DocumentAttributes {
  const [title, uri] = unpackJson<readonly [string, string]>(titles);
  return {
    tenant: unpackJson<TenantId>(tenant),
    access: unpackJson<readonly string[]>(access),
    title,
    uri,
    metadata: unpackJson<Metadata>(metadata),
  };
}

export function refsOf(cell: unknown): readonly ChunkRef[] {
  return unpackJson<readonly PackedRef[]>(cell).map(([id, start, end, headings]) => ({
    id: id as ChunkId,
    start,
    end,
    headings,
  }));
}

/** Values for the columns id … deleted of `heads`, in the order of its table. */
export function headValues(head: Head, tenant: number): readonly Bind[] {
  const { attributes } = head;
  return [
    head.id,
    head.source,
    head.table,
    head.partition,
    head.version,
    head.generation,
    head.sourcePosition ?? null,
    head.committedAt,
    head.receivedAt,
    head.indexedAt,
    head.rowHash ?? null,
    tenant,
    packJson(attributes.access),
    packJson(attributes.metadata),
    packJson([attributes.title, attributes.uri]),
    packJson(head.chunks.map((ref): PackedRef => [ref.id, ref.start, ref.end, ref.headings])),
    head.deleted ? 1 : 0,
  ];
}

export const INSERT_HEAD = `INSERT INTO heads (id, source, tbl, part, ver, gen, pos, committed_at, received_at, indexed_at, row_hash, tenant,
  access, metadata, titles, refs, deleted) VALUES (${Array(17).fill('?').join(', ')})
  ON CONFLICT (id) DO UPDATE SET source = excluded.source, tbl = excluded.tbl, part = excluded.part, ver = excluded.ver, gen = excluded.gen,
    pos = excluded.pos, committed_at = excluded.committed_at, received_at = excluded.received_at, indexed_at = excluded.indexed_at,
    row_hash = excluded.row_hash, tenant = excluded.tenant, access = excluded.access, metadata = excluded.metadata,
    titles = excluded.titles, refs = excluded.refs, deleted = excluded.deleted
  WHERE heads.ver < excluded.ver OR (heads.ver = excluded.ver AND heads.gen < excluded.gen)
  RETURNING doc`;
