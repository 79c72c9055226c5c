/**
 * WordPiece: greedy longest match from the left, continuations carry a prefix; a word that cannot be covered, or is longer than
 * `maxWordLength` code points, is one unknown token (Wu et al. 2016, arXiv:1609.08144, as BERT uses it).
 */
export interface VocabularyOptions {
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly unknownId: number;
  readonly continuationPrefix: string;
  readonly maxWordLength: number;
}

export type WordEncoder = (word: string) => readonly number[];

export function wordPieceEncoder(options: VocabularyOptions): WordEncoder {
  const { maxWordLength } = options;
  const starts = new Map<string, number>();
  const continuations = new Map<string, number>();
  let longest = 0;
  for (const [piece, id] of options.vocabulary) {
    starts.set(piece, id);
    longest = Math.max(longest, piece.length);
    if (piece.startsWith(options.continuationPrefix))
      continuations.set(piece.slice(options.continuationPrefix.length), id);
  }
  const unknown = [options.unknownId];

  return (word) => {
    if (isLongerThan(word, maxWordLength)) return unknown;
    const ids: number[] = [];
    let start = 0;
    while (start < word.length) {
      const pieces = start === 0 ? starts : continuations;
      // No piece is longer than `longest`, and none ends inside a surrogate pair, so UTF-16 units cut where code points would.
      let end = Math.min(word.length, start + longest);
      let id: number | undefined;
      while (end > start && (id = pieces.get(word.slice(start, end))) === undefined) end--;
      if (id === undefined) return unknown;
      ids.push(id);
      start = end;
    }
    return ids;
  };
}

function isLongerThan(word: string, codePoints: number): boolean {
  if (word.length <= codePoints) return false;
  if (word.length > 2 * codePoints) return true;
  return [...word].length > codePoints;
}
