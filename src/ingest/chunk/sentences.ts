import { isSpace } from './whitespace.ts';

/**
 * Offsets in (start, end) where a sentence begins: after `.`, `!`, `?` or `…` (and closing quotes and brackets) with white space behind them,
 * unless a small letter follows (abbreviations); after CJK full stops at once. One pass, no look-back.
 */
export function* sentenceStarts(text: string, start: number, end: number): Generator<number> {
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    const wide = isWideStop(code);
    if (!wide && !isStop(code)) continue;
    let next = at + 1;
    while (
      next < end &&
      (isStop(text.charCodeAt(next)) || isWideStop(text.charCodeAt(next)) || isCloser(text.charCodeAt(next)))
    ) {
      next++;
    }
    const afterStop = next;
    while (next < end && isSpace(text.charCodeAt(next))) next++;
    at = next - 1;
    if (next >= end) return;
    const spaced = next > afterStop;
    if (wide || (spaced && !isSmallLetter(text.charCodeAt(next)))) yield next;
  }
}

function isStop(code: number): boolean {
  return code === 46 || code === 33 || code === 63 || code === 0x2026;
}

/** 。 ！ ？ ｡ and the Devanagari danda, none of which needs a space behind it. */
function isWideStop(code: number): boolean {
  return code === 0x3002 || code === 0xff01 || code === 0xff1f || code === 0xff61 || code === 0x0964 || code === 0x0965;
}

function isCloser(code: number): boolean {
  return (
    code === 34 ||
    code === 39 ||
    code === 41 ||
    code === 93 ||
    code === 42 ||
    code === 95 ||
    code === 96 ||
    code === 0x201d ||
    code === 0x2019 ||
    code === 0x300d ||
    code === 0x300f ||
    code === 0xff09 ||
    code === 0xbb
  );
}

function isSmallLetter(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 0xdf && code <= 0xff);
}
