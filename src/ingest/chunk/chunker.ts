import { canonicalJson } from '../../domain/canonical-json.ts';
import type { Chunk, Document, Redacted } from '../../domain/document.ts';
import { FreshetError } from '../../domain/errors.ts';
import type { Chunker, Tokenizer } from '../../ports/chunker.ts';
import { commonPath } from './headings.ts';
import { markdownBlocks } from './markdown.ts';
import { partition, sizeCostsUpTo } from './partition.ts';
import type { Group } from './partition.ts';
import { plainBlocks } from './plain.ts';
import { Refiner } from './refine.ts';
import type { Atom, Limits } from './refine.ts';

/** Raise with every change that can cut any text differently: settings of another version are another generation. */
const algorithm = 'structure-1';

const defaultMaxTokens = 200;
const smallestMaxTokens = 8;
/** UTF-16 units a chunk may have per token allowed; running English has 4 to 5, code up to 8. */
const unitsPerToken = 16;

export interface ChunkerOptions {
  readonly tokenizer: Tokenizer;
  /** Most tokens per chunk, special tokens not counted. Default 200. */
  readonly maxTokens?: number;
  /** The model's own limit; a greater `maxTokens` is lowered to it. */
  readonly modelMaxTokens?: number;
}

/**
 * The chunker of structure: front matter, headings, lists, tables, fenced code, HTML blocks and paragraphs are kept whole where they fit,
 * then sentences or lines, then words, then graphemes.
 *
 * - Chunks are in order, do not overlap, begin and end with something that is not white space, and leave nothing else out but text without
 *   a single token (control characters, say).
 * - Format `html` means the output of `htmlToText`, which is Markdown.
 * - `headings` is the path that all of a chunk has in common, the heading a chunk begins with included.
 *
 * @throws FreshetError CHUNKER_SETTINGS (fatal) on a limit that is no whole number of at least 8.
 */
export function createChunker(options: ChunkerOptions): Chunker {
  const { tokenizer } = options;
  const maxTokens = Math.min(options.maxTokens ?? defaultMaxTokens, options.modelMaxTokens ?? Infinity);
  if (!Number.isSafeInteger(maxTokens) || maxTokens < smallestMaxTokens) {
    throw new FreshetError(
      'CHUNKER_SETTINGS',
      'fatal',
      `A chunk's limit must be a whole number of at least ${smallestMaxTokens} tokens, found ${maxTokens}: set chunking.maxTokens (default ${defaultMaxTokens}).`,
      { details: { maxTokens } },
    );
  }
  const limits: Limits = { maxTokens, maxLength: maxTokens * unitsPerToken };
  const sizeCosts = sizeCostsUpTo(maxTokens);
  return {
    fingerprint: canonicalJson({
      algorithm,
      ...limits,
      tokenizer: tokenizer.fingerprint,
      // Where a run without spaces may be cut is the Unicode library's word.
      unicode: process.versions['icu'] ?? 'none',
    }),
    split(document: Redacted<Document>): readonly Chunk[] {
      const { text, format } = document;
      const blocks = format === 'plain' ? plainBlocks(text) : markdownBlocks(text);
      const atoms = new Refiner(text, tokenizer, limits).atoms(blocks);
      return partition(text, atoms, limits, sizeCosts).flatMap((group) =>
        chunksOf(text, atoms, group, tokenizer, limits),
      );
    },
  };
}

/**
 * The exact count has the last word. Counts of atoms add up for tokenizers that part words at white space; where they do not (a word cut in
 * two, a tokenizer that joins across spaces) a group over the limit is halved at atoms until it fits: a single atom was counted exactly.
 */
function chunksOf(text: string, atoms: readonly Atom[], group: Group, tokenizer: Tokenizer, limits: Limits): Chunk[] {
  const chunks: Chunk[] = [];
  const waiting: Group[] = [group];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [first, last] = next;
    const head = atoms[first];
    const tail = atoms[last];
    if (head === undefined || tail === undefined) continue;
    const slice = text.slice(head.start, tail.end);
    const tokens = first === last ? head.tokens : tokenizer.count(slice);
    if (tokens > limits.maxTokens && first < last) {
      const middle = (first + last) >> 1;
      waiting.push([middle + 1, last], [first, middle]);
      continue;
    }
    if (tokens === 0) continue;
    let headings = head.headings;
    for (let index = first + 1; index <= last; index++) headings = commonPath(headings, atoms[index]?.headings ?? []);
    // A part of redacted text is redacted text.
    chunks.push({ text: slice as Redacted<string>, start: head.start, end: tail.end, headings, tokens });
  }
  return chunks;
}
