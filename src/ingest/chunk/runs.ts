import { hashRange } from './hash.ts';

/** UTF-16 units the segmenters see at once: their work per call grows with the text. */
const window = 2048;
const minPiece = 16;
const maxPiece = 48;

const words = new Intl.Segmenter('und', { granularity: 'word' });
const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });
const ascii = /^[\x21-\x7e]*$/u;

/**
 * A run without white space (CJK, Thai, a base64 blob) in pieces of at most `maxPiece` units, at word boundaries where the segmenter knows
 * any, else between graphemes, else between code points. Where a piece ends depends on the words near it alone.
 */
export function* wordsOfRun(text: string, start: number, end: number): Generator<{ start: number; end: number }> {
  let piece = start;
  for (const stop of boundaries(text, start, end)) {
    let from = piece;
    const length = stop - from;
    if (length < minPiece && stop < end) continue;
    if (length >= maxPiece >> 1 || stop === end || hashRange(text, Math.max(from, stop - 8), stop) % 3 === 0) {
      while (stop - from > maxPiece) {
        const cut = safeEnd(text, from, from + maxPiece);
        yield { start: from, end: cut };
        from = cut;
      }
      yield { start: from, end: stop };
      piece = stop;
    }
  }
}

/** ASCII without a segmenter: after punctuation, and anywhere in letters and digits longer than a piece. */
function* asciiBoundaries(text: string, start: number, end: number): Generator<number> {
  for (let at = start; at < end; ) {
    let stop = at;
    while (stop < end && isAlphanumeric(text.charCodeAt(stop))) stop++;
    if (stop - at > maxPiece) for (let inside = at + 1; inside < stop; inside++) yield inside;
    at = Math.min(Math.max(stop, at + 1), end);
    yield at;
  }
}

function isAlphanumeric(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
}

/** Word boundaries of a run, refined to grapheme boundaries in words longer than a piece. */
function* boundaries(text: string, start: number, end: number): Generator<number> {
  for (let at = start; at < end; ) {
    const stop = safeEnd(text, at, Math.min(at + window, end));
    const slice = text.slice(at, stop);
    // A mark that joins the window's last character would be of another script.
    if (ascii.test(slice) && (stop === end || text.charCodeAt(stop) < 128)) {
      yield* asciiBoundaries(text, at, stop);
      at = stop;
      continue;
    }
    let done = 0;
    for (const { index, segment } of words.segment(slice)) {
      const next = index + segment.length;
      // The last segment may go on in the next window.
      if (next === slice.length && stop < end && index > 0) break;
      if (segment.length > maxPiece) {
        let last = index;
        for (const grapheme of graphemes.segment(segment)) {
          const after = index + grapheme.index + grapheme.segment.length;
          if (after === slice.length && stop < end && grapheme.index > 0) break;
          yield at + after;
          last = after;
        }
        done = last;
        if (last < next) break;
      } else {
        yield at + next;
        done = next;
      }
    }
    at += done;
  }
}

/** `at`, or one less where it would part a surrogate pair or a CRLF; past the pair where there is no room before it. */
export function safeEnd(text: string, start: number, at: number): number {
  if (at <= start || at >= text.length || !splits(text, at)) return at;
  return at - 1 > start ? at - 1 : at + 1;
}

function splits(text: string, at: number): boolean {
  const before = text.charCodeAt(at - 1);
  const after = text.charCodeAt(at);
  if (before === 13) return after === 10;
  return before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff;
}
