import { stemmer } from 'stemmer';
import { queryWords, wordsOf } from '../../src/domain/words.ts';
import { weightNumber } from './numbers.ts';

/** A sparse vector as the server takes it: distinct term numbers, ascending, and a weight each. */
export interface SparseVector {
  readonly indices: number[];
  readonly values: number[];
}

/** Robertson and Zaragoza 2009: term saturation and length normalisation at their usual values. */
const K1 = 1.2;
const B = 0.75;

/** Longer than any word: encoded data, whose terms nobody types. Its start stands for it. */
const TERM_MAX = 64;

/**
 * A word's term: without diacritics, stemmed as English (Porter 1980) where it is plain letters, as SQLite's FTS5 does for the embedded
 * index.
 */
function termOf(word: string): string {
  const plain = word.normalize('NFD').replace(/\p{M}+/gu, '');
  const short = (plain === '' ? word : plain).slice(0, TERM_MAX);
  return /^[a-z]+$/.test(short) ? stemmer(short) : short;
}

/** Texts use the same words again and again, so that most terms are at hand. Words that V8 keeps as slices of their whole text are not kept. */
const known = new Map<string, number>();
const KNOWN_MAX = 65_536;
const SLICE_MIN = 13;

function numberOf(word: string): number {
  if (word.length >= SLICE_MIN) return termNumber(termOf(word));
  let number = known.get(word);
  if (number === undefined) {
    number = termNumber(termOf(word));
    if (known.size >= KNOWN_MAX) known.clear();
    known.set(word, number);
  }
  return number;
}

/** FNV-1a, 32 bits, over UTF-8: http://www.isthe.com/chongo/tech/comp/fnv/. A million terms collide about a hundred times. */
export function termNumber(term: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(term)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/**
 * The document's side of BM25: how often each term occurs, saturated and normalised by the text's length. The server multiplies by the
 * inverse document frequency, which it alone knows (`modifier: idf`), so that the product with a query of ones is BM25:
 * tf × (k1 + 1) / (tf + k1 × (1 − b + b × length / average length)), k1 = 1.2, b = 0.75.
 * @param averageWords a constant of the collection and not its true average, which changes with every write
 */
export function documentTerms(text: string, averageWords: number): SparseVector {
  const words = wordsOf(text);
  const counts = new Map<number, number>();
  for (const word of words) {
    const number = numberOf(word);
    counts.set(number, (counts.get(number) ?? 0) + 1);
  }
  const norm = K1 * (1 - B + (B * words.length) / averageWords);
  return sparse([...counts].map(([number, count]) => [number, weightNumber((count * (K1 + 1)) / (count + norm))]));
}

/** The query's side: one for each distinct term. */
export function queryTerms(text: string): SparseVector {
  return sparse([...new Set(queryWords(text).map(numberOf))].map((number) => [number, 1]));
}

function sparse(weights: readonly (readonly [number, number])[]): SparseVector {
  const sorted = weights.toSorted(([a], [b]) => a - b);
  return { indices: sorted.map(([number]) => number), values: sorted.map(([, weight]) => weight) };
}
