import type { Tokenizer } from '../../ports/chunker.ts';
import { Cut } from './blocks.ts';
import type { Block } from './blocks.ts';
import { hashRange } from './hash.ts';
import { LineReader } from './lines.ts';
import { sentenceStarts } from './sentences.ts';
import { safeEnd, wordsOfRun } from './runs.ts';
import { skipSpace, skipWord, trimEnd } from './whitespace.ts';

/** What a chunk may hold. */
export interface Limits {
  readonly maxTokens: number;
  /** UTF-16 units; a word the tokenizer gives up on is one token however long it is. */
  readonly maxLength: number;
}

/** A piece that fits in a chunk: the unit the partition works with. */
export interface Atom {
  readonly start: number;
  readonly end: number;
  readonly tokens: number;
  readonly cut: number;
  readonly glued: boolean;
  readonly headings: readonly string[];
}

type Level = 'line' | 'sentence' | 'word' | 'run';

const proseLevels: readonly Level[] = ['sentence', 'line', 'word', 'run'];
const lineLevels: readonly Level[] = ['line', 'word', 'run'];

/** A run without white space longer than this is cut even where its tokens would fit (a word the tokenizer knows nothing of). */
const maxWordLength = 128;

/** UTF-16 units: shorter lines and sentences join the one before them, up to the second length. */
const tinyLength = 8;
const joinedLength = 64;

/** Cuts blocks that do not fit into atoms that do: at sentences or lines first, then words, then graphemes. */
export class Refiner {
  readonly #text: string;
  readonly #tokenizer: Tokenizer;
  readonly #limits: Limits;

  constructor(text: string, tokenizer: Tokenizer, limits: Limits) {
    this.#text = text;
    this.#tokenizer = tokenizer;
    this.#limits = limits;
  }

  atoms(blocks: readonly Block[]): Atom[] {
    const atoms: Atom[] = [];
    for (const block of blocks) {
      const { start, end, cut, glued, headings } = block;
      const prose =
        block.kind === 'paragraph' || block.kind === 'item' || block.kind === 'quote' || block.kind === 'heading';
      const levels = prose ? proseLevels : lineLevels;
      this.#refine({ start, end, tokens: 0, cut, glued, headings }, levels, 0, atoms);
    }
    return atoms;
  }

  /** Tokens of a range, or undefined when it does not fit. */
  #measure(start: number, end: number): number | undefined {
    if (end - start > this.#limits.maxLength) return undefined;
    const tokens = this.#tokenizer.count(this.#text.slice(start, end));
    return tokens <= this.#limits.maxTokens ? tokens : undefined;
  }

  /** Depth is bounded by the number of levels (and the halving at the end), never by the text. */
  #refine(atom: Atom, levels: readonly Level[], depth: number, out: Atom[]): void {
    const tokens = this.#measure(atom.start, atom.end);
    if (tokens !== undefined) {
      out.push({ ...atom, tokens });
      return;
    }
    const level = levels[depth];
    if (level === undefined) return this.#halve(atom, out);
    if (level === 'word') return this.#words(atom, levels, depth, out);
    const parts =
      level === 'line'
        ? joinTiny(this.#lines(atom))
        : level === 'sentence'
          ? joinTiny(this.#sentences(atom))
          : this.#run(atom);
    for (const part of parts) this.#refine(part, levels, depth + 1, out);
  }

  *#lines(atom: Atom): Generator<Atom> {
    const text = this.#text;
    const lines = new LineReader(text, atom.start, atom.end);
    let first = true;
    let afterBlank = false;
    for (let line = lines.next(); line !== undefined; line = lines.next()) {
      if (line.first === line.end) {
        afterBlank = true;
        continue;
      }
      yield part(atom, line.first, trimEnd(text, line.first, line.end), afterBlank ? Cut.nested : Cut.line, first);
      first = false;
      afterBlank = false;
    }
  }

  *#sentences(atom: Atom): Generator<Atom> {
    const text = this.#text;
    let start = atom.start;
    for (const next of sentenceStarts(text, atom.start, atom.end)) {
      yield part(atom, start, trimEnd(text, start, next), Cut.sentence, start === atom.start);
      start = next;
    }
    yield part(atom, start, atom.end, Cut.sentence, start === atom.start);
  }

  /** Words in groups that end where the text says so, so that an insertion moves the groups near it only. */
  #words(atom: Atom, levels: readonly Level[], depth: number, out: Atom[]): void {
    const text = this.#text;
    const groupTokens = Math.max(1, this.#limits.maxTokens >> 3);
    const groupLength = this.#limits.maxLength >> 3;
    let start = atom.start;
    let end = start;
    let tokens = 0;
    const flush = (): void => {
      // Measured once more as a whole: not every tokenizer counts words one by one.
      if (end > start) this.#refine(part(atom, start, end, Cut.word, start === atom.start), [], 0, out);
      start = end;
      tokens = 0;
    };
    for (let at = atom.start; at < atom.end; at = skipSpace(text, end, atom.end)) {
      const stop = skipWord(text, at, atom.end);
      const count = stop - at > maxWordLength ? undefined : this.#measure(at, stop);
      if (count === undefined || count > groupTokens) {
        flush();
        this.#refine(part(atom, at, stop, Cut.word, at === atom.start), levels, depth + 1, out);
        start = end = stop;
        continue;
      }
      if (tokens + count > groupTokens || stop - start > groupLength) flush();
      if (end === start) start = at;
      end = stop;
      tokens += count;
      if (hashRange(text, at, stop) % 8 === 0) flush();
    }
    flush();
  }

  *#run(atom: Atom): Generator<Atom> {
    for (const { start, end } of wordsOfRun(this.#text, atom.start, atom.end)) {
      yield part(atom, start, end, Cut.word, start === atom.start);
    }
  }

  /** The last resort: halves between code points, at most a few levels deep because a run's pieces are short. */
  #halve(atom: Atom, out: Atom[]): void {
    const middle = safeEnd(this.#text, atom.start, atom.start + ((atom.end - atom.start) >> 1));
    if (middle <= atom.start || middle >= atom.end) {
      out.push({ ...atom, tokens: this.#tokenizer.count(this.#text.slice(atom.start, atom.end)) });
      return;
    }
    this.#refine(part(atom, atom.start, middle, Cut.word, true), [], 0, out);
    this.#refine(part(atom, middle, atom.end, Cut.word, false), [], 0, out);
  }
}

/** A lone bracket or number belongs to what comes before it; it also keeps a million tiny lines from being a million atoms. */
function* joinTiny(parts: Iterable<Atom>): Generator<Atom> {
  let current: Atom | undefined;
  for (const next of parts) {
    if (current === undefined) {
      current = next;
    } else if (next.end - next.start < tinyLength && next.cut <= Cut.line && next.end - current.start <= joinedLength) {
      current = { ...current, end: next.end };
    } else {
      yield current;
      current = next;
    }
  }
  if (current !== undefined) yield current;
}

function part(whole: Atom, start: number, end: number, cut: number, first: boolean): Atom {
  return {
    start,
    end,
    tokens: 0,
    cut: first ? whole.cut : cut,
    glued: first && whole.glued,
    headings: whole.headings,
  };
}
