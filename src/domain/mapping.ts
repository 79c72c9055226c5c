import type { TableContract } from './contract.ts';
import type { TextFormat } from './document.ts';
import type { TableId, TenantId } from './ids.ts';
import type { MetadataFilter } from './search.ts';

/**
 * What happens to a column's value before anything is composed from it:
 * `scan` looks for personal data in it (the default), `drop` treats the column as absent, `hash` replaces the value by a keyed hash
 * (equal values stay equal), `mask` replaces all but its shape.
 */
export type ColumnPolicy = 'scan' | 'drop' | 'hash' | 'mask';

/** Text with `{column}` placeholders; `{{` and `}}` are literal braces. A placeholder of a NULL column is empty text. */
export type Template = string;

/** How rows of one table become documents. Plain data: its canonical JSON is part of the settings fingerprint. */
export interface TableMapping {
  readonly table: TableId;
  /** Key columns in order; undefined means the replica identity (primary key). */
  readonly key?: readonly string[];
  readonly text: Template;
  readonly title?: Template;
  readonly uri?: Template;
  /** A column holding the tenant, or one fixed tenant. */
  readonly tenant: { readonly column: string } | { readonly value: TenantId };
  /** A column holding the access list: text[], a JSON array, or comma-separated text. */
  readonly access?: { readonly column: string };
  /** Metadata field → column. */
  readonly metadata: Readonly<Record<string, string>>;
  /** A column holding a JSON object: its members become metadata too. */
  readonly metadataFrom?: string;
  /** One format for all, or a column naming it (NULL is plain). */
  readonly format: TextFormat | { readonly column: string };
  readonly columns: Readonly<Record<string, ColumnPolicy>>;
  /** Rows that do not pass are deleted from the index. Keys are column names. */
  readonly filter?: MetadataFilter;
  /** What its rows must look like; one that does not is a dead letter. */
  readonly contract?: TableContract;
}
