import type { Row } from '../../domain/change.ts';
import type { ChunkRef, DocumentAttributes, IdentifiedChunk } from '../../domain/document.ts';
import type { DocumentId, RowKey, TableId } from '../../domain/ids.ts';
import type { TableMapping } from '../../domain/mapping.ts';
import { diffChunks } from '../../ingest/diff.ts';
import type { Mapper } from '../../ingest/map.ts';
import type { Chunker } from '../../ports/chunker.ts';
import type { Redactor } from '../../ports/redactor.ts';

/** A document as a rebuild from the source's current row would write it (SPEC invariant 2), vectors aside. */
export interface ExpectedDocument {
  readonly id: DocumentId;
  readonly table: TableId;
  readonly key: RowKey;
  readonly attributes: DocumentAttributes;
  readonly rowHash: string;
  readonly chunks: readonly IdentifiedChunk[];
  readonly refs: readonly ChunkRef[];
}

export interface Expectations {
  /**
   * Undefined when the table's filter rejects the row.
   * @throws poison when the row cannot be indexed at all; it is in the dead letters, which say so.
   */
  of(row: Row, id: DocumentId, key: RowKey, mapping: TableMapping): ExpectedDocument | undefined;
}

export function createExpectations(deps: {
  readonly mapper: Mapper;
  readonly redactor: Redactor;
  readonly chunker: Chunker;
  readonly embedderFingerprint: string;
}): Expectations {
  return {
    of(row, id, key, mapping) {
      const document = deps.mapper.map(row, id, key, mapping);
      if (document === undefined) return undefined;
      const redacted = deps.redactor.redact(document);
      const chunks = deps.chunker.split(redacted);
      const { refs, fresh } = diffChunks(id, deps.embedderFingerprint, chunks, undefined);
      const { attributes } = redacted;
      return { id, table: mapping.table, key, attributes, rowHash: deps.mapper.rowHash(document), chunks: fresh, refs };
    },
  };
}
