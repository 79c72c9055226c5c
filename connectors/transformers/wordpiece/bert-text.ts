/**
 * BERT's basic tokenisation: clean, space out CJK ideographs, lower-case, strip accents, split at whitespace and punctuation.
 * Follows the `BertNormalizer` and `BertPreTokenizer` of `@huggingface/tokenizers` code point for code point, so that token counts and
 * ids equal those of transformers.js; a property test holds the two together.
 */
export interface BertTextOptions {
  readonly cleanText: boolean;
  readonly handleChineseChars: boolean;
  readonly lowercase: boolean;
  readonly stripAccents: boolean;
}

/** U+FFFD, controls, format characters, private use and lone surrogates vanish; tab, line feed and carriage return count as spaces. */
const UNWANTED = /[^\P{C}\t\n\r\p{Cn}]|\uFFFD/gu;
const WHITESPACE = /\s/g;
/** Per UTF-16 unit, as the reference does it: ideographs beyond the BMP are not spaced out. */
const IDEOGRAPH = /[\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF]/g;
const NONSPACING_MARK = /\p{Mn}/gu;
const PUNCTUATION = '\\p{P}\\u0021-\\u002F\\u003A-\\u0040\\u005B-\\u0060\\u007B-\\u007E';
const WORD_OR_PUNCTUATION = new RegExp(`[^\\s${PUNCTUATION}]+|[${PUNCTUATION}]`, 'gu');

export function isIdeograph(unit: number): boolean {
  return (unit >= 0x4e00 && unit <= 0x9fff) || (unit >= 0x3400 && unit <= 0x4dbf) || (unit >= 0xf900 && unit <= 0xfaff);
}

/** The words and punctuation marks of a text, normalised, in order. */
export function bertWords(text: string, options: BertTextOptions): readonly string[] {
  let normal = text;
  if (options.cleanText) normal = normal.replace(UNWANTED, '').replace(WHITESPACE, ' ');
  if (options.handleChineseChars) normal = normal.replace(IDEOGRAPH, ' $& ');
  if (options.lowercase) normal = normal.toLowerCase();
  if (options.stripAccents) normal = normal.normalize('NFD').replace(NONSPACING_MARK, '');
  return normal.match(WORD_OR_PUNCTUATION) ?? [];
}
