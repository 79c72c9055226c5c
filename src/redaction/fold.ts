/**
 * Text as a reader sees it, with a way back to the source's offsets: character references, percent and backslash escapes decoded,
 * zero-width characters dropped, full-width forms, exotic spaces and dashes made ASCII. `joe&#64;example.org`, `joe%40example.org`,
 * `joe\_doe@example.org` and `４１１１…` are found this way.
 */
export interface FoldedText {
  readonly text: string;
  /** The range of the source that the folded range stands for. */
  toSource(start: number, end: number): { readonly start: number; readonly end: number };
}

const NAMED: Readonly<Record<string, string>> = {
  commat: '@',
  period: '.',
  lowbar: '_',
  plus: '+',
  apos: "'",
  colon: ':',
  hyphen: '-',
  dash: '-',
  nbsp: ' ',
  shy: '',
  zwj: '',
  zwnj: '',
};

const FOLDABLE = new RegExp(
  [
    '[\\u00ad\\u200b-\\u200d\\u2060\\ufeff]', // zero width
    '[\\uff01-\\uff5e]', // full-width ASCII
    '[\\u00a0\\u2000-\\u200a\\u202f\\u3000]', // spaces
    '[\\u2010-\\u2015\\u2212\\ufe58\\ufe63]', // dashes
    '[\\u3002\\uff61]', // ideographic full stops, which separate labels of a domain (RFC 3490 §3.1)
    '&#\\d{1,7};',
    '&#x[0-9a-f]{1,6};',
    `&(?:${Object.keys(NAMED).join('|')});`,
    '%[2-7][0-9a-f]',
    '\\\\u[0-9a-f]{4}',
    '\\\\[!-/:-@[-`{-~]',
  ].join('|'),
  'gi',
);

function fold(match: string): string {
  const code = match.charCodeAt(0);
  if (code === 0x26) return foldReference(match);
  if (code === 0x25) return String.fromCharCode(Number.parseInt(match.slice(1), 16));
  if (code === 0x5c)
    return match.length === 6 ? String.fromCharCode(Number.parseInt(match.slice(2), 16)) : match.slice(1);
  if (code >= 0xff01 && code <= 0xff5e) return String.fromCharCode(code - 0xfee0);
  if (code === 0x3002 || code === 0xff61) return '.';
  if ((code >= 0x2010 && code <= 0x2015) || code === 0x2212 || code === 0xfe58 || code === 0xfe63) return '-';
  if (code === 0xa0 || (code >= 0x2000 && code <= 0x200a) || code === 0x202f || code === 0x3000) return ' ';
  return '';
}

function foldReference(match: string): string {
  if (match[1] !== '#') return NAMED[match.slice(1, -1).toLowerCase()] ?? match;
  const hex = match[2] === 'x' || match[2] === 'X';
  const point = Number.parseInt(match.slice(hex ? 3 : 2, -1), hex ? 16 : 10);
  return point <= 0x10ffff ? String.fromCodePoint(point) : match;
}

/** Undefined when there is nothing to fold: then the text itself is all there is to look at. */
export function foldText(source: string): FoldedText | undefined {
  const parts: string[] = [];
  // Pieces alternate between copied and folded text; each entry is where a piece begins, here and in the source.
  const viewStarts: number[] = [];
  const sourceStarts: number[] = [];
  const folded: boolean[] = [];
  let length = 0;
  let last = 0;
  const push = (text: string, from: number, isFolded: boolean): void => {
    if (text === '') return;
    viewStarts.push(length);
    sourceStarts.push(from);
    folded.push(isFolded);
    parts.push(text);
    length += text.length;
  };
  const sourceEnds: number[] = [];
  for (const match of source.matchAll(FOLDABLE)) {
    if (match.index > last) {
      push(source.slice(last, match.index), last, false);
      sourceEnds.push(match.index);
    }
    const replacement = fold(match[0]);
    last = match.index + match[0].length;
    if (replacement !== '') {
      push(replacement, match.index, true);
      sourceEnds.push(last);
    }
  }
  if (last === 0) return undefined;
  if (last < source.length) {
    push(source.slice(last), last, false);
    sourceEnds.push(source.length);
  }
  const pieceAt = (offset: number): number => {
    let low = 0;
    let high = viewStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((viewStarts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  return {
    text: parts.join(''),
    toSource(start, end) {
      const first = pieceAt(start);
      const final = pieceAt(end - 1);
      const sourceStart = sourceStarts[first] as number;
      // A folded piece is hidden whole: half an escape would be left otherwise.
      return {
        start: folded[first] ? sourceStart : sourceStart + start - (viewStarts[first] as number),
        end: folded[final]
          ? (sourceEnds[final] as number)
          : (sourceStarts[final] as number) + end - (viewStarts[final] as number),
      };
    },
  };
}
