import type { DocumentId, RowKey, TableId } from '../domain/ids.ts';
import type { TableMapping } from '../domain/mapping.ts';
import type { Pipeline } from '../ingest/pipeline.ts';
import type { RowLookup, RowScan } from '../ports/rows.ts';
import type { Source, TokenSource } from '../ports/source.ts';

/** A source with all it can do. Every source of the embedded product can be waited for, looked up and scanned. */
export interface FullSource extends Source, TokenSource, RowLookup, RowScan {}

/** A source, its pipeline and how its rows become documents. */
export interface LiveSource {
  readonly source: FullSource;
  readonly pipeline: Pipeline;
  readonly mappings: ReadonlyMap<TableId, TableMapping>;
  readonly documentId: (table: TableId, key: RowKey) => DocumentId;
  /** Takes plain LSNs as tokens. */
  readonly isPostgres: boolean;
  /** Starts again from a position; absent where the source cannot. */
  readonly replay?: (from: string) => Promise<string>;
}
