import { isDigit, isWord } from '../chars.ts';
import type { Recogniser } from '../recogniser.ts';

/** Numbers the Social Security Administration never issues: area 000, 666 or 9xx, group 00, serial 0000. */
function isIssuable(area: string, group: string, serial: string): boolean {
  return area !== '000' && area !== '666' && !area.startsWith('9') && group !== '00' && serial !== '0000';
}

/** Nine digits in groups of 3-2-4; without separators only behind a word that says what they are. */
const CANDIDATE = /\d{3}([ -]?)\d{2}\1\d{4}/g;
const CONTEXT = /(?:\bssn\b|\bss#|social[ -]?security|\bitin\b|taxpayer id)[^\d\n]{0,40}$/i;

/** Whether the digits go on behind the same separator: then this is the middle of a longer number. */
function isPart(text: string, start: number, end: number, separator: string): boolean {
  if (isWord(text.charCodeAt(start - 1)) || isWord(text.charCodeAt(end))) return true;
  if (separator === '') return false;
  return (
    (text[start - 1] === separator && isDigit(text.charCodeAt(start - 2))) ||
    (text[end] === separator && isDigit(text.charCodeAt(end + 1))) ||
    text[start - 1] === '+'
  );
}

export const usSsn: Recogniser = {
  label: 'US_SSN',
  version: 1,
  find(text, report) {
    for (const match of text.matchAll(CANDIDATE)) {
      const start = match.index;
      const end = start + match[0].length;
      const digits = match[0].replace(/[ -]/g, '');
      if (!isIssuable(digits.slice(0, 3), digits.slice(3, 5), digits.slice(5))) continue;
      const hasContext = (): boolean => CONTEXT.test(text.slice(Math.max(0, start - 64), start));
      if (isPart(text, start, end, match[1] as string)) continue;
      if (match[1] === '' && !hasContext()) continue;
      report(start, end);
    }
  },
};
