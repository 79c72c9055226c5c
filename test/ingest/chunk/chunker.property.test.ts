import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createChunker } from '../../../src/ingest/chunk/chunker.ts';
import { byteTokenizer, redactedDocument, sentence, wordTokenizer } from './support.ts';

const fragments = [
  '# A\n',
  '## Bee {#b}\n',
  'Title\n===\n',
  'Sub\n---\n',
  '---\n',
  '```js\n',
  '```\n',
  '~~~\n',
  '- item\n',
  '  - nested\n',
  '1. one\n',
  '> quote\n',
  '| a | b |\n|---|---|\n| 1 | 2 |\n',
  '<div>\n',
  '</div>\n',
  '<script>\n',
  '</script>\n',
  '<!-- c -->\n',
  '::: tip\n',
  ':::\n',
  '\n',
  '\n\n',
  '\r\n',
  '\r',
  '    code\n',
  '\t',
  ' ',
  '\u00a0',
  '\u3000',
  '\ufeff',
  'word ',
  'End. ',
  'Why? ',
  '漢字仮名',
  '今日。',
  'สวัสดี',
  '👨‍👩‍👧‍👦',
  '🇩🇪',
  'e\u0301',
  '\ud83d',
  '\ude00',
  '\u0000',
  '\\',
  'x'.repeat(300),
  'aGVsbG8/'.repeat(40),
  '好'.repeat(150),
  `${sentence(1)} `,
  `${sentence(2)}\n`,
];

const text = fc.oneof(
  fc.array(fc.constantFrom(...fragments), { maxLength: 60 }).map((parts) => parts.join('')),
  fc
    .array(fc.oneof(fc.constantFrom(...fragments), fc.string({ unit: 'binary', maxLength: 30 })), { maxLength: 40 })
    .map((parts) => parts.join('')),
);
const format = fc.constantFrom('markdown' as const, 'html' as const, 'plain' as const);
const tokenizer = fc.constantFrom(wordTokenizer, byteTokenizer);
const maxTokens = fc.constantFrom(8, 20, 64, 200);

function ranges(chunks: readonly { readonly start: number; readonly end: number }[]): [number, number][] {
  return chunks.map(({ start, end }) => [start, end]);
}

describe('for any text', () => {
  it('offsets reproduce each chunk, in order, without overlap, and every character that is not white space is in one', () => {
    fc.assert(
      fc.property(text, format, tokenizer, maxTokens, (text, format, tokenizer, maxTokens) => {
        const chunks = createChunker({ tokenizer, maxTokens }).split(redactedDocument(text, format));
        let end = 0;
        for (const chunk of chunks) {
          expect(chunk.text).toBe(text.slice(chunk.start, chunk.end));
          expect(chunk.text.trim()).toBe(chunk.text);
          expect(text.slice(end, chunk.start).trim()).toBe('');
          expect(chunk.start).toBeGreaterThanOrEqual(end);
          expect(chunk.end).toBeGreaterThan(chunk.start);
          end = chunk.end;
        }
        expect(text.slice(end).trim()).toBe('');
      }),
      { numRuns: 1500 },
    );
  });

  it('token counts are the tokenizer’s own and within the limit', () => {
    fc.assert(
      fc.property(text, format, tokenizer, maxTokens, (text, format, tokenizer, maxTokens) => {
        for (const chunk of createChunker({ tokenizer, maxTokens }).split(redactedDocument(text, format))) {
          expect(chunk.tokens).toBe(tokenizer.count(chunk.text));
          expect(chunk.tokens).toBeLessThanOrEqual(maxTokens);
        }
      }),
      { numRuns: 800 },
    );
  });

  it('no cut parts a surrogate pair or a CRLF', () => {
    const pair = /[\ud800-\udbff][\udc00-\udfff]|\r\n/y;
    fc.assert(
      fc.property(text, format, tokenizer, (text, format, tokenizer) => {
        const chunks = createChunker({ tokenizer, maxTokens: 8 }).split(redactedDocument(text, format));
        for (const cut of chunks.flatMap((chunk) => [chunk.start, chunk.end])) {
          pair.lastIndex = cut - 1;
          expect(cut > 0 && pair.test(text)).toBe(false);
        }
      }),
      { numRuns: 800 },
    );
  });

  it('the same text and settings give the same chunks, also in another chunker and after other texts', () => {
    fc.assert(
      fc.property(text, text, format, (text, other, format) => {
        const chunker = createChunker({ tokenizer: wordTokenizer, maxTokens: 30 });
        const first = chunker.split(redactedDocument(text, format));
        chunker.split(redactedDocument(other, format));
        expect(chunker.split(redactedDocument(text, format))).toEqual(first);
        expect(
          createChunker({ tokenizer: wordTokenizer, maxTokens: 30 }).split(redactedDocument(text, format)),
        ).toEqual(first);
      }),
      { numRuns: 300 },
    );
  });

  it('white space around the text moves the offsets and changes nothing else', () => {
    fc.assert(
      fc.property(text, fc.constantFrom('\n', '\n\n\n', '\r\n'), (text, space) => {
        // Front matter stands at the very start or is none.
        const body = `Start.\n\n${text}`;
        const chunker = createChunker({ tokenizer: wordTokenizer, maxTokens: 30 });
        const plain = chunker.split(redactedDocument(body));
        const moved = chunker.split(redactedDocument(space + body));
        expect(ranges(moved)).toEqual(ranges(plain).map(([start, end]) => [start + space.length, end + space.length]));
      }),
      { numRuns: 300 },
    );
  });
});
