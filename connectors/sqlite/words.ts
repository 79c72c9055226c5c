/** Scripts written without spaces: their runs need a dictionary to become words. Hangul has spaces and is left alone. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u30FC]+/gu;
const WORD = /[\p{L}\p{N}\p{M}\p{Co}]+/gu;

/** A query longer than this (a pasted page) is searched by its first words: each further term costs time and adds little. */
const TERMS_MAX = 32;

const segmenter = new Intl.Segmenter('und', { granularity: 'word' });

/**
 * Text as the full-text index takes it: compatibility forms folded (full-width letters, ligatures), NUL and lone surrogates replaced,
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

/**
 * The FTS5 expression of a query: its distinct words, each quoted (nothing a user types is syntax), any of which may match; BM25 orders
 * by how many and how rare. Words found in nearly every text are left out unless there are no others. Undefined: no words to look for.
 * @param scope a token every match must carry in the `scope` column
 */
export function matchExpression(text: string, scope: string | undefined): string | undefined {
  const all = new Set(segmented(text).toLowerCase().match(WORD));
  const telling = [...all].filter((word) => !STOP_WORDS.has(word));
  const words = (telling.length > 0 ? telling : [...all]).slice(0, TERMS_MAX);
  if (words.length === 0) return undefined;
  const any = words.map((word) => `"${word}"`).join(' OR ');
  return scope === undefined ? `text : (${any})` : `scope : ${scope} AND text : (${any})`;
}

/** English function words. They match most rows, cost the most time and say the least; BM25 weighs them near zero anyway. */
const STOP_WORDS = new Set(
  `a about after all also am an and any are as at be because been before being but by can could did do does doing for from had has have
  having he her here hers him his how i if in into is it its just me more most my no nor not of off on once only or other our ours out
  over own same she should so some such than that the their theirs them then there these they this those through to too under until up
  very was we were what when where which while who whom why will with would you your yours`.split(/\s+/),
);
