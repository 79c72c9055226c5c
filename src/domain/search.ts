import type { Metadata, MetadataValue, Redacted } from './document.ts';
import type { ChunkId, DocumentId, TableId, TenantId } from './ids.ts';
import type { Instant } from './time.ts';
import type { Version } from './version.ts';

/** Conditions on one metadata field. An array field matches when any of its values does. */
export type MetadataCondition =
  | { readonly key: string; readonly op: 'eq' | 'ne'; readonly value: MetadataValue }
  | { readonly key: string; readonly op: 'gt' | 'gte' | 'lt' | 'lte'; readonly value: number | string }
  | { readonly key: string; readonly op: 'in' | 'nin'; readonly value: readonly (string | number | boolean)[] };

export type MetadataFilter =
  | MetadataCondition
  | { readonly and: readonly MetadataFilter[] }
  | { readonly or: readonly MetadataFilter[] };

export interface Recency {
  /** After this long a document's recency bonus has halved. */
  readonly halfLifeMs: number;
  /** Added to the fused score, times 2^(−age / halfLife). Addition, not multiplication: old documents are outranked, never erased. */
  readonly weight: number;
}

export interface SearchQuery {
  readonly text: Redacted<string>;
  /** Unit vector of the query; absent means lexical only. */
  readonly vector?: Float32Array;
  readonly limit: number;
  /** Always given: no query crosses tenants (invariant 10). */
  readonly tenant: TenantId;
  /** The caller's principals. Undefined skips the access check (a trusted backend); an empty list sees only open documents. */
  readonly principals?: readonly string[];
  readonly tables?: readonly TableId[];
  readonly filter?: MetadataFilter;
  /** Bounds on the commit time of the document's last change; from inclusive, to exclusive. */
  readonly committedFrom?: Instant;
  readonly committedTo?: Instant;
  readonly recency?: Recency;
  readonly mode: 'hybrid' | 'dense' | 'lexical';
  /** Only this many chunks of one document; default unlimited. */
  readonly perDocument?: number;
  readonly now: Instant;
}

export interface SearchHit {
  readonly chunk: ChunkId;
  readonly document: DocumentId;
  readonly table: TableId;
  /** Reciprocal rank fusion (k = 60; an adapter may weight its lists, 0 … 1) plus recency in hybrid mode, cosine in dense, BM25 (higher is better) in lexical. */
  readonly score: number;
  readonly text: Redacted<string>;
  readonly start: number;
  readonly end: number;
  readonly headings: readonly string[];
  readonly title: string;
  readonly uri: string;
  readonly metadata: Metadata;
  readonly version: Version;
  readonly committedAt: Instant;
  readonly indexedAt: Instant;
}
