import { isAsciiLetter, isDigit } from '../chars.ts';
import type { Recogniser } from '../recogniser.ts';

interface Issuer {
  readonly lengths: readonly number[];
  /** Inclusive ranges of leading digits; both ends have the same number of digits. */
  readonly prefixes: readonly (readonly [number, number])[];
}

const at = (...numbers: number[]): (readonly [number, number])[] => numbers.map((number) => [number, number] as const);

/**
 * Issuer identification numbers (ISO/IEC 7812-1) of the networks in use, with the lengths in use. Lengths of 12, 17 and 18 are legal and
 * nearly never issued, while ids have them: they count only behind a word for a card.
 */
const ISSUERS: readonly Issuer[] = [
  { lengths: [13, 16, 19], prefixes: at(4) }, // Visa
  {
    lengths: [16],
    prefixes: [
      [51, 55],
      [2221, 2720],
    ],
  }, // prettier-ignore Mastercard
  { lengths: [15], prefixes: at(34, 37) }, // American Express
  { lengths: [16, 19], prefixes: [...at(6011, 65), [644, 649]] }, // Discover
  { lengths: [14, 16, 19], prefixes: [...at(3095, 36), [300, 305], [38, 39]] }, // Diners Club
  { lengths: [16, 19], prefixes: [[3528, 3589]] }, // JCB
  { lengths: [15], prefixes: at(1800, 2131) }, // JCB, old
  { lengths: [16, 19], prefixes: at(62, 81) }, // UnionPay
  { lengths: [13, 14, 15, 16, 19], prefixes: at(5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763) }, // Maestro
  { lengths: [16], prefixes: [...at(60, 82, 508, 9792), [2200, 2205]] }, // RuPay, Troy, Mir
  { lengths: [16, 18, 19], prefixes: [[506099, 506198]] }, // Verve
];

function hasIssuer(digits: string): boolean {
  return ISSUERS.some(
    ({ lengths, prefixes }) =>
      lengths.includes(digits.length) &&
      prefixes.some(([low, high]) => {
        const lead = Number(digits.slice(0, String(low).length));
        return lead >= low && lead <= high;
      }),
  );
}

/** Luhn's check (ISO/IEC 7812-1 annex B). */
function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let index = digits.length - 1, double = false; index >= 0; index--, double = !double) {
    const digit = digits.charCodeAt(index) - 48;
    sum += double ? (digit > 4 ? digit * 2 - 9 : digit * 2) : digit;
  }
  return sum % 10 === 0;
}

/** A word for a card shortly before the number stands in for the issuer: new ranges are issued faster than tables follow. */
const CONTEXT =
  /(?:\b(?:card|cards|cc|pan|visa|maestro|mastercard|amex|american express|discover|diners|jcb)|karte|kartennummer|carte|tarjeta|carta|cartão)\b[^\d\n]{0,24}$/i;

/** The rest of an account number in groups, whose own check decides about it. */
const INSIDE_IBAN = /(?:^|[^A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -][A-Z0-9]{1,4}){0,7}[ -]$/;

/** @param whole the digits are all there are: a window of a longer number is no card for its context alone */
function isCard(text: string, start: number, digits: string, whole: boolean): boolean {
  if (!passesLuhn(digits)) return false;
  const before = text.slice(Math.max(0, start - 48), start);
  return (hasIssuer(digits) && !INSIDE_IBAN.test(before)) || (whole && CONTEXT.test(before));
}

const DIGITS_MAX = 19;
const GROUPS_MAX = 6;
const RUN = /\d(?:[ .-]?\d){11,}/g;

interface Group {
  readonly start: number;
  readonly end: number;
}

function groupsOf(run: string, offset: number): Group[] {
  return [...run.matchAll(/\d+/g)].map((match) => ({
    start: offset + match.index,
    end: offset + match.index + match[0].length,
  }));
}

/** Printed cards come in three or more groups of three to seven digits behind the same separator, the first of four to six. */
function isLayout(text: string, groups: readonly Group[]): boolean {
  if (groups.length < 3) return false;
  const separator = text[(groups[0] as Group).end];
  return groups.every(({ start, end }, index) => {
    const size = end - start;
    if (index === 0) return size >= 4 && size <= 6;
    return size >= 3 && size <= 7 && text[start - 1] === separator;
  });
}

/** A number alone must not be a part of a word (`a4111…`), nor of a decimal fraction. */
function isFree(text: string, { start, end }: Group): boolean {
  if (text[start - 1] === '_' && text[end] === ']') return false; // [HASH_…]
  if (isAsciiLetter(text.charCodeAt(start - 1)) || isAsciiLetter(text.charCodeAt(end))) return false;
  if (text[start - 1] === '.' && isDigit(text.charCodeAt(start - 2))) return false;
  return !(text[end] === '.' && isDigit(text.charCodeAt(end + 1)));
}

export const creditCard: Recogniser = {
  label: 'CREDIT_CARD',
  version: 1,
  find(text, report) {
    for (const match of text.matchAll(RUN)) {
      const groups = groupsOf(match[0], match.index);
      groups.forEach((_, first) => findFrom(text, groups, first, report));
    }
  },
};

/** Every window of whole groups that begins at `first`. */
function findFrom(
  text: string,
  groups: readonly Group[],
  first: number,
  report: (start: number, end: number) => void,
): void {
  let digits = '';
  for (let last = first; last < groups.length && last < first + GROUPS_MAX; last++) {
    const { start } = groups[first] as Group;
    const { start: lastStart, end } = groups[last] as Group;
    if (digits.length + end - lastStart > DIGITS_MAX) return;
    digits += text.slice(lastStart, end);
    if (digits.length < 12 || !isFree(text, { start, end })) continue;
    if (last > first && !isLayout(text, groups.slice(first, last + 1))) continue;
    const separator = text[(groups[first] as Group).end];
    const goesOn =
      (first > 0 && text[start - 1] === separator) || (last < groups.length - 1 && text[end] === separator);
    if (isCard(text, start, digits, last === first || !goesOn)) report(start, end);
  }
}
