/**
 * How much a document wants to be cut at a place, weakest first. A place inside a chunk never beats a stronger one nearby.
 */
export const Cut = {
  /** Inside a sentence: only where nothing better is left. */
  word: 0,
  sentence: 1,
  line: 2,
  /** Inside a list item, or before text that what comes before announces. */
  nested: 3,
  item: 4,
  block: 5,
  // 6 … 11 before a heading of level 6 … 1: {@link headingCut}.
  /** Between data about the document and its text: always cut. */
  matter: 12,
} as const;

export function headingCut(level: number): number {
  return Cut.matter - level;
}

export type BlockKind = 'heading' | 'paragraph' | 'item' | 'code' | 'table' | 'quote' | 'html' | 'front-matter';

/** A piece of structure: [start, end) begins and ends with something that is not white space. Blocks are in order and cover all such text. */
export interface Block {
  readonly kind: BlockKind;
  readonly start: number;
  readonly end: number;
  /** Strength of the place before it, one of {@link Cut}. */
  readonly cut: number;
  /** It belongs to what comes before it (a closing tag, what follows a heading): cut here only if there is no other way. */
  readonly glued: boolean;
  /** Headings it stands under, itself included, outermost first. Blocks of one section share one array. */
  readonly headings: readonly string[];
}
