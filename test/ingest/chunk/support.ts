import type { Chunk, Document, Redacted, TextFormat } from '../../../src/domain/document.ts';
import { rowDocumentId, rowKey, tableId, tenantId } from '../../../src/domain/ids.ts';
import { createChunker } from '../../../src/ingest/chunk/chunker.ts';
import type { Tokenizer } from '../../../src/ports/chunker.ts';

/** Words and punctuation, long words in pieces of four: adds up over words, as WordPiece does. */
export const wordTokenizer: Tokenizer = {
  fingerprint: 'test-words',
  count(text) {
    let tokens = 0;
    for (const word of text.match(/[\p{L}\p{N}\p{M}_]+|[^\s]/gu) ?? []) tokens += Math.ceil(word.length / 4);
    return tokens;
  },
};

/** Bytes, white space included: the sum over parts is not the count of the whole. */
export const byteTokenizer: Tokenizer = {
  fingerprint: 'test-bytes',
  count: (text) => Math.ceil(Buffer.byteLength(text) / 3),
};

export function redactedDocument(text: string, format: TextFormat = 'markdown'): Redacted<Document> {
  const table = tableId('test.public.articles');
  const key = rowKey([1]);
  const document: Document = {
    id: rowDocumentId('test', table, key),
    table,
    key,
    attributes: { tenant: tenantId('default'), access: [], title: '', uri: '', metadata: {} },
    text,
    format,
  };
  return document as Redacted<Document>;
}

export function split(text: string, format: TextFormat = 'markdown', maxTokens = 200): readonly Chunk[] {
  return createChunker({ tokenizer: wordTokenizer, maxTokens }).split(redactedDocument(text, format));
}

export function texts(chunks: readonly Chunk[]): string[] {
  return chunks.map((chunk) => chunk.text);
}

/** Chunks of `after` that `before` does not have, as the pipeline would count them. */
export function changed(before: readonly Chunk[], after: readonly Chunk[]): string[] {
  const known = new Map<string, number>();
  for (const text of texts(before)) known.set(text, (known.get(text) ?? 0) + 1);
  return texts(after).filter((text) => {
    const left = known.get(text) ?? 0;
    known.set(text, left - 1);
    return left <= 0;
  });
}

/** A sentence of ten to twelve words that no other number gives. */
export function sentence(seed: number): string {
  const words = [
    'index',
    'stream',
    'replica',
    'commit',
    'vector',
    'query',
    'tenant',
    'snapshot',
    'lane',
    'token',
    'mark',
    'epoch',
  ];
  const picked = Array.from({ length: 9 }, (_, n) => words[(seed * 7 + n * n * (1 + (seed % 5)) + n) % words.length]);
  return `The ${picked.join(' ')} number ${seed}.`;
}

export function paragraph(seed: number, sentences = 4): string {
  return Array.from({ length: sentences }, (_, n) => sentence(seed * 10 + n)).join(' ');
}
