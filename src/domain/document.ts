import type { Brand } from './brand.ts';
import type { ChunkId, DocumentId, PartitionId, RowKey, TableId, TenantId } from './ids.ts';
import type { SourcePosition } from './source-position.ts';
import type { Instant } from './time.ts';
import type { Stamp } from './version.ts';

/**
 * Text that went through the redactor. Only a {@link import('../ports/redactor.ts').Redactor} mints it, so unredacted text cannot reach a
 * chunker, embedder, index, session store, prompt, log or dead letter without failing to compile (invariant 6).
 */
export type Redacted<T> = Brand<T, 'Redacted'>;

export type TextFormat = 'markdown' | 'html' | 'plain';

export type MetadataValue = string | number | boolean | readonly string[];
export type Metadata = Readonly<Record<string, MetadataValue>>;

/** What a document is besides its text. A changed tenant or access list reaches every chunk, the kept ones too. */
export interface DocumentAttributes {
  readonly tenant: TenantId;
  /** Principals allowed to see it; empty means everyone of the tenant. */
  readonly access: readonly string[];
  readonly title: string;
  readonly uri: string;
  readonly metadata: Metadata;
}

/** A mapped row, before or (branded) after redaction. */
export interface Document {
  readonly id: DocumentId;
  readonly table: TableId;
  readonly key: RowKey;
  readonly attributes: DocumentAttributes;
  readonly text: string;
  readonly format: TextFormat;
}

/** A chunk as the chunker cuts it: `text === document.text.slice(start, end)`, UTF-16 offsets into the redacted text. */
export interface Chunk {
  readonly text: Redacted<string>;
  readonly start: number;
  readonly end: number;
  /** Headings above the chunk, outermost first. Kept as metadata, not embedded. */
  readonly headings: readonly string[];
  /** Tokens of `text` by the embedder's tokenizer, special tokens not counted. */
  readonly tokens: number;
}

/** A chunk's place in its document, as the head lists it. */
export interface ChunkRef {
  readonly id: ChunkId;
  readonly start: number;
  readonly end: number;
  readonly headings: readonly string[];
}

export interface IdentifiedChunk extends Chunk {
  readonly id: ChunkId;
}

/**
 * The one record per document that says what is indexed: the index is its own ledger. Chunks of the document count only as far as the
 * head's stamp and list say so. A deleted head (tombstone) has neither hash nor list.
 */
export interface Head extends Stamp {
  readonly id: DocumentId;
  readonly source: string;
  readonly table: TableId;
  readonly partition: PartitionId;
  /** Position and commit time of the last *streamed* change; snapshot reads leave them alone. */
  readonly sourcePosition?: SourcePosition;
  readonly committedAt: Instant;
  /** Keyed hash of the mapped row; absent on a tombstone. */
  readonly rowHash?: string;
  readonly attributes: DocumentAttributes;
  readonly chunks: readonly ChunkRef[];
  readonly deleted: boolean;
  readonly receivedAt: Instant;
  /** When this head was handed to the index; visible a moment later. */
  readonly indexedAt: Instant;
}
