import { isAlnum } from '../chars.ts';
import type { Recogniser } from '../recogniser.ts';

/**
 * E-mail addresses: RFC 5322 dot-atoms as people use them, quoted local parts, internationalised ones (RFC 6531, RFC 5890).
 * Every `@` is a candidate; both sides are walked outwards within the limits of RFC 5321 §4.5.3.1, so the cost is linear.
 * Left out of local parts, though legal: `/ = ? & * ^ | { } and the backtick, which in running text belong to what stands around.
 */
const LOCAL_MAX = 128;
const DOMAIN_MAX = 255;
const LETTER = /[\p{L}\p{N}\p{M}]/u;
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}]/u;
const LOCAL_PUNCTUATION = new Set([...".!#$%'+-_~’"].map((char) => char.charCodeAt(0)));

/** Endings that follow `name@…` in file and unit names: `icon@2x.png`, `getty@tty1.service`. */
const NOT_TLDS = new Set(
  (
    'png jpg jpeg gif svg webp avif ico css scss less html htm json jsonc xml yaml yml toml txt js mjs cjs jsx ts tsx vue go rb php java ' +
    'service socket timer target mount slice scope device'
  ).split(' '),
);
/** Users of `user@host:path` remotes: nobody's address. */
const REMOTE_USERS = new Set(['git', 'svn', 'hg']);

/** Offset of the first code unit of the code point that ends before `index`. */
function pointBefore(text: string, index: number): number {
  const code = text.charCodeAt(index - 1);
  const isLow = code >= 0xdc00 && code <= 0xdfff;
  if (!isLow || index < 2) return index - 1;
  const high = text.charCodeAt(index - 2);
  return high >= 0xd800 && high <= 0xdbff ? index - 2 : index - 1;
}

function quotedLocalStart(text: string, at: number): number {
  const open = text.lastIndexOf('"', at - 2);
  if (open < 0 || at - open > 66) return -1;
  return text.slice(open, at).includes('\n') ? -1 : open;
}

function localStart(text: string, at: number): number {
  if (text[at - 1] === '"') return quotedLocalStart(text, at);
  const limit = Math.max(0, at - LOCAL_MAX);
  const endsAscii = text.charCodeAt(at - 1) < 0x80;
  let start = at;
  while (start > limit) {
    const code = text.charCodeAt(start - 1);
    if (isAlnum(code) || LOCAL_PUNCTUATION.has(code)) {
      start--;
      continue;
    }
    if (code < 0x80) break;
    const from = pointBefore(text, start);
    const char = text.slice(from, start);
    // 联系joe@example.org: text without spaces runs into the address.
    if (!LETTER.test(char) || (endsAscii && UNSPACED.test(char))) break;
    start = from;
  }
  const doubled = text.slice(start, at).lastIndexOf('..');
  if (doubled >= 0) start += doubled + 2;
  while (start < at) {
    const code = text.charCodeAt(start);
    if (isAlnum(code) || code === 95 || (code >= 0x80 && code !== 0x2019)) break;
    start++;
  }
  return start < at && text[at - 1] !== '.' ? start : -1;
}

function domainEnd(text: string, from: number): number {
  if (text[from] === '[') {
    const literal = /^\[(?:IPv6:)?[0-9a-f.:]{2,45}\]/i.exec(text.slice(from, from + 60));
    return literal === null ? -1 : from + literal[0].length;
  }
  const limit = Math.min(text.length, from + DOMAIN_MAX);
  let end = from;
  while (end < limit) {
    const code = text.charCodeAt(end);
    if (isAlnum(code) || code === 45 || code === 46 || code === 95) end++;
    else if (code >= 0x80) {
      const char = String.fromCodePoint(text.codePointAt(end) as number);
      if (!LETTER.test(char)) break;
      end += char.length;
    } else break;
  }
  return topLevelEnd(text, from, Math.min(end, text.length));
}

/** The end of the last label that can be a top-level domain, so that `joe@example.org.`, `….org-2` and `….org2024` end at `org`. */
function topLevelEnd(text: string, from: number, end: number): number {
  const labels = text.slice(from, end).split('.');
  if (/^v?\d+$/i.test(labels[0] as string) && /^\d/.test(labels[1] ?? '')) return -1; // package@1.2.3
  const starts: number[] = [];
  let offset = from;
  for (const label of labels) {
    starts.push(offset);
    offset += label.length + 1;
  }
  for (let index = labels.length - 1; index >= 1; index--) {
    if (labels[index - 1] === '') continue;
    const top = /^(?:xn--[a-z0-9-]*[a-z0-9]|[a-z]{2,63}|[^\x00-\x7f]{2,63})/i.exec(labels[index] as string);
    if (top !== null && !NOT_TLDS.has(top[0].toLowerCase())) return (starts[index] as number) + top[0].length;
  }
  return -1;
}

export const email: Recogniser = {
  label: 'EMAIL',
  version: 1,
  find(text, report) {
    for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
      const next = text.charCodeAt(at + 1);
      if (at === 0 || !(isAlnum(next) || next === 91 || next >= 0x80)) continue;
      const start = localStart(text, at);
      if (start < 0) continue;
      const end = domainEnd(text, at + 1);
      if (end < 0) continue;
      if (/^:[A-Za-z0-9/~]/.test(text.slice(end, end + 2)) && REMOTE_USERS.has(text.slice(start, at))) continue;
      report(start, end);
    }
  },
};
