import { FreshetError } from '../domain/errors.ts';
import type { DocumentId, RowKey, TableId } from '../domain/ids.ts';
import type { TableMapping } from '../domain/mapping.ts';
import type { Pipeline } from '../ingest/pipeline.ts';
import type { RecordFetch } from '../ports/record-fetch.ts';
import type { RowLookup, RowScan } from '../ports/rows.ts';
import type { Source, TokenSource } from '../ports/source.ts';

/** A source that can be waited for. */
export interface FullSource extends Source, TokenSource {}

/** The ways back to what a source once delivered. A log alone has none but its own records, for as long as it holds them. */
export interface RowAccess {
  readonly rowLookup?: RowLookup;
  readonly rowScan?: RowScan;
  readonly recordFetch?: RecordFetch;
  /** Where rows cannot be read: why, and which setting would help, in whole sentences. */
  readonly rowsMissing?: string;
}

/** A source, its pipeline and how its rows become documents. */
export interface LiveSource extends RowAccess {
  readonly source: FullSource;
  readonly pipeline: Pipeline;
  readonly mappings: ReadonlyMap<TableId, TableMapping>;
  readonly documentId: (table: TableId, key: RowKey) => DocumentId;
  /** Takes plain LSNs as tokens. */
  readonly isPostgres: boolean;
  /** Starts again from a position; absent where the source cannot. */
  readonly replay?: (from: string) => Promise<string>;
}

/** Why nothing can be compared with this source, or built from it. */
export function whyNoRows({ source, rowsMissing }: Pick<LiveSource, 'source' | 'rowsMissing'>): string {
  return rowsMissing ?? `Source "${source.name}" cannot read the rows of its tables.`;
}

/** @throws poison SOURCE_ROWS_UNAVAILABLE */
export function rowScanOf(live: Pick<LiveSource, 'source' | 'rowsMissing' | 'rowScan'>, what: string): RowScan {
  if (live.rowScan !== undefined) return live.rowScan;
  const details = { source: live.source.name };
  throw new FreshetError('SOURCE_ROWS_UNAVAILABLE', 'poison', `${what}: ${whyNoRows(live)}`, { details });
}
