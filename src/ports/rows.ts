import type { Row } from '../domain/change.ts';
import type { RowKey, TableId } from '../domain/ids.ts';

/** A row by its key, as it stands in the source now: for TOAST values left out, and to retry a dead letter. */
export interface RowLookup {
  /** Undefined when the row does not exist (any more). */
  row(table: TableId, key: RowKey, signal: AbortSignal): Promise<Row | undefined>;
}

/** All current rows of a table, each once, in an order of the source’s own. At most keys are held in memory, never all rows. */
export interface RowScan {
  /** What is read, as an operator would say it: `the database`, `the topic app.public.articles`. */
  readonly origin: string;
  rows(table: TableId, signal: AbortSignal): AsyncIterable<{ readonly key: RowKey; readonly row: Row }>;
}
