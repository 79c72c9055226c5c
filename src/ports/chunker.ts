import type { Chunk, Document, Redacted } from '../domain/document.ts';

/** A pure function of text and settings. No chunk is longer than the embedder's limit; empty text gives no chunks. */
export interface Chunker {
  readonly fingerprint: string;
  split(document: Redacted<Document>): readonly Chunk[];
}

/** Token counts of the embedding model's own tokenizer, special tokens not counted. */
export interface Tokenizer {
  readonly fingerprint: string;
  count(text: string): number;
}
