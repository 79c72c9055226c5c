import { oneLine, truncate } from './format.ts';

export interface Snippet {
  readonly text: string;
  /** Ranges of `text` that match the query, in order, not overlapping. */
  readonly matches: readonly { readonly start: number; readonly end: number }[];
}

const WORD = /[\p{L}\p{N}]+/gu;

/** The part of a text in which most words of the query stand, at most `length` characters, cut at words. */
export function snippet(raw: string, query: string, length: number): Snippet {
  const text = oneLine(raw);
  const words = [...new Set((query.toLowerCase().match(WORD) ?? []).filter((word) => word.length > 1))];
  const shown = text.length <= length ? text : windowOf(text, words, length);
  return { text: shown, matches: matchesOf(shown, words) };
}

function matchesOf(text: string, words: readonly string[]): { start: number; end: number }[] {
  return [...text.matchAll(WORD)]
    .filter((match) => words.some((word) => sameWord(match[0].toLowerCase(), word)))
    .map((match) => ({ start: match.index, end: match.index + match[0].length }));
}

/** Good enough to show why a hit was found: `return` in `returned`, `policies` beside `policy`. */
function sameWord(a: string, b: string): boolean {
  if (a === b) return true;
  const stem = Math.min(a.length, b.length, Math.max(4, b.length - 3));
  return stem >= 4 && Math.abs(a.length - b.length) <= 3 && a.slice(0, stem) === b.slice(0, stem);
}

function windowOf(text: string, words: readonly string[], length: number): string {
  const matches = matchesOf(text, words);
  let best = { start: 0, hits: 0 };
  for (const { start } of matches) {
    const hits = matches.filter((other) => other.start >= start && other.end <= start + length - 20).length;
    if (hits > best.hits) best = { start, hits };
  }
  if (best.start + length / 4 < length || best.hits === 0) return truncate(text, length);
  const from = Math.max(0, best.start - Math.floor(length / 6));
  const space = text.indexOf(' ', from);
  const begin = space >= 0 && space < best.start ? space + 1 : best.start;
  return truncate(`…${text.slice(begin)}`, length);
}
