import { skipSpace } from './whitespace.ts';

/** One line: [start, end) without its terminator, `next` after it. */
export interface Line {
  start: number;
  end: number;
  next: number;
  /** First offset that is not white space; `end` on a blank line. */
  first: number;
}

/** Reads lines ended by LF, CRLF or CR in one pass; the look-ahead for each terminator is remembered, so no text is searched twice. */
export class LineReader {
  readonly #text: string;
  /** Just [start, end), so that a search for a terminator never leaves it. */
  readonly #part: string;
  readonly #offset: number;
  readonly #end: number;
  #at: number;
  #lf = -1;
  #cr = -1;

  constructor(text: string, start: number, end: number) {
    this.#text = text;
    this.#part = text.slice(start, end);
    this.#offset = start;
    this.#at = start;
    this.#end = end;
  }

  next(): Line | undefined {
    if (this.#at >= this.#end) return undefined;
    const start = this.#at;
    if (this.#lf < start) this.#lf = this.#find('\n');
    if (this.#cr < start) this.#cr = this.#find('\r');
    const end = Math.min(this.#lf, this.#cr, this.#end);
    const crlf = end === this.#cr && this.#lf === end + 1;
    this.#at = Math.min(end + (crlf ? 2 : 1), this.#end);
    return { start, end, next: this.#at, first: skipSpace(this.#text, start, end) };
  }

  #find(terminator: string): number {
    const found = this.#part.indexOf(terminator, this.#at - this.#offset);
    return found < 0 ? Infinity : found + this.#offset;
  }
}
