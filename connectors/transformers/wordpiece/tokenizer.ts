import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tokenizer } from '../../../src/ports/chunker.ts';
import { bertWords, isIdeograph } from './bert-text.ts';
import { memoise } from './memo.ts';
import { parseTokenizerFile, type TokenizerFile } from './tokenizer-file.ts';
import { wordPieceEncoder } from './vocabulary.ts';

/** Token counts and ids of a BERT model's own tokenizer, fast enough to be asked for every sentence. */
export interface WordPieceTokenizer extends Tokenizer {
  /** Ids in text order, special tokens not included. Stops once there are more than `limit`, so that huge texts cost little. */
  encode(text: string, limit?: number): readonly number[];
  /** The ids the model wants around a text and as padding. */
  readonly special: { readonly start: number; readonly end: number; readonly padding: number };
}

/** Words and runs remembered. English prose needs some 20,000 for a hit rate above 99 %. */
const MEMO_CAPACITY = 32_768;
/** Runs without spaces longer than this are cut behind an ideograph (a boundary in any case), so that `limit` bounds the work. */
const RUN_LENGTH_MAX = 4096;

/** Reads `tokenizer.json` of a model folder. Throws MODEL_INCOMPLETE or MODEL_UNSUPPORTED (fatal). */
export function createWordPieceTokenizer(modelFolder: string): WordPieceTokenizer {
  const path = join(modelFolder, 'tokenizer.json');
  const bytes = readFileSync(path);
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  return wordPieceTokenizer(parseTokenizerFile(bytes.toString('utf8'), path), `wordpiece:${digest}`);
}

/**
 * Text is cut at spaces, tabs and line ends. Nothing in BERT's normalisation looks across those (lower-casing a final sigma and
 * reordering accents look at neighbours, but not beyond a space), so each run is encoded alone and remembered. Within plain ASCII
 * the same holds for each word.
 */
export function wordPieceTokenizer(file: TokenizerFile, fingerprint: string): WordPieceTokenizer {
  const wordIds = memoise(wordPieceEncoder(file), MEMO_CAPACITY);
  const asciiWordIds = file.text.lowercase
    ? memoise((word: string) => wordIds(word.toLowerCase()), MEMO_CAPACITY)
    : wordIds;
  const runIds = memoise((run: string) => bertWords(run, file.text).flatMap(wordIds), MEMO_CAPACITY);

  /** Appends the ids of `text` to `out` (if given) and returns how many there are; stops above `limit`. */
  function walk(text: string, out: number[] | undefined, limit: number): number {
    let count = 0;
    const take = (ids: readonly number[]): void => {
      count += ids.length;
      if (out !== undefined) for (const id of ids) out.push(id);
    };
    let at = 0;
    while (at < text.length && count <= limit) {
      if (isSpace(text.charCodeAt(at))) {
        at++;
        continue;
      }
      const { end, ascii } = runFrom(text, at);
      if (!ascii) take(runIds(text.slice(at, end)));
      else {
        while (at < end) {
          const word = asciiWordEnd(text, at, end);
          take(asciiWordIds(text.slice(at, word)));
          at = word;
        }
      }
      at = end;
    }
    return count;
  }

  function walkSections(text: string, out: number[] | undefined, limit: number): number {
    if (file.addedPattern === undefined || !file.addedPattern.test(text)) return walk(text, out, limit);
    let count = 0;
    for (const section of text.split(file.addedPattern)) {
      if (count > limit) break;
      const added = file.added.get(section);
      if (added === undefined) count += walk(section, out, limit - count);
      else {
        count++;
        out?.push(added);
      }
    }
    return count;
  }

  return {
    fingerprint,
    special: file.special,
    count: (text) => walkSections(text, undefined, Number.POSITIVE_INFINITY),
    encode: (text, limit = Number.POSITIVE_INFINITY) => {
      const ids: number[] = [];
      walkSections(text, ids, limit);
      return ids;
    },
  };
}

function isSpace(unit: number): boolean {
  return unit === 32 || unit === 10 || unit === 13 || unit === 9;
}

function runFrom(text: string, start: number): { readonly end: number; readonly ascii: boolean } {
  let ascii = true;
  let end = start;
  for (; end < text.length; end++) {
    const unit = text.charCodeAt(end);
    if (isSpace(unit)) break;
    if (unit < 33 || unit > 126) ascii = false;
    if (end - start > RUN_LENGTH_MAX && isIdeograph(unit)) return { end: end + 1, ascii };
  }
  return { end, ascii };
}

/** The end of the word that starts at `start`; a punctuation mark is a word of its own. */
function asciiWordEnd(text: string, start: number, end: number): number {
  let at = start;
  while (at < end && isAsciiAlphanumeric(text.charCodeAt(at))) at++;
  return at === start ? start + 1 : at;
}

function isAsciiAlphanumeric(unit: number): boolean {
  return (unit >= 97 && unit <= 122) || (unit >= 65 && unit <= 90) || (unit >= 48 && unit <= 57);
}
