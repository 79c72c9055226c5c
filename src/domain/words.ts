/** Scripts written without spaces: their runs need a dictionary to become words. Hangul has spaces and is left alone. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u30FC]+/gu;
const WORD = /[\p{L}\p{N}\p{M}\p{Co}]+/gu;

/** A query longer than this (a pasted page) is searched by its first words: each further term costs time and adds little. */
const TERMS_MAX = 32;

const segmenter = new Intl.Segmenter('und', { granularity: 'word' });

/**
 * Text as a lexical index takes it: compatibility forms folded (full-width letters, ligatures), NUL and lone surrogates replaced,
 * runs without spaces cut into words by `Intl.Segmenter`. Index and query go the same way, so whatever the cut, they meet.
 */
export function segmented(text: string): string {
  return text
    .toWellFormed()
    .replaceAll('\0', ' ')
    .normalize('NFKC')
    .replace(UNSPACED, (run) => {
      let cut = ' ';
      for (const { segment } of segmenter.segment(run)) cut += `${segment} `;
      return cut;
    });
}

/** Every word of a text, in its order and lower case. */
export function wordsOf(text: string): readonly string[] {
  return segmented(text).toLowerCase().match(WORD) ?? [];
}

/**
 * What a query looks for: its distinct words, without those found in nearly every text unless there are no others.
 */
export function queryWords(text: string): readonly string[] {
  const all = new Set(wordsOf(text));
  const telling = [...all].filter((word) => !STOP_WORDS.has(word));
  return (telling.length > 0 ? telling : [...all]).slice(0, TERMS_MAX);
}

/** English function words. They match most rows, cost the most time and say the least; BM25 weighs them near zero anyway. */
const STOP_WORDS = new Set(
  `a about after again against all also am an and any are as at be because been before being below between both but by can cannot could did
  do does doing down during each few for from further had has have having he her here hers herself him himself his how i if in into is it
  its itself just me more most my myself no nor not of off on once only or other our ours ourselves out over own same she should so some
  such than that the their theirs them themselves then there these they this those through to too under until up very was we were what
  when where which while who whom why will with would you your yours yourself yourselves`.split(/\s+/),
);
