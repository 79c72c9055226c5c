import { Cut, headingCut } from './blocks.ts';
import type { Block, BlockKind } from './blocks.ts';
import { frontMatterEnd } from './front-matter.ts';
import { HeadingPath, headingText } from './headings.ts';
import { LineReader } from './lines.ts';
import type { Line } from './lines.ts';
import * as syntax from './markdown-syntax.ts';
import { skipSpace, trimEnd } from './whitespace.ts';

/** A block whose end is not known yet. */
interface Open {
  kind: BlockKind;
  start: number;
  end: number;
  cut: number;
  glued: boolean;
  /** The last line's start, to turn it into a table head. */
  lastLine: number;
}

/**
 * Markdown (CommonMark with GFM tables and `:::` containers) to blocks, in one pass over the lines. A scanner for cutting, not a renderer:
 * where it differs from CommonMark (a lazy line in a quote, say) a cut may fall elsewhere, but no text is ever lost or doubled.
 */
export function markdownBlocks(text: string): Block[] {
  return new Scanner(text).run();
}

class Scanner {
  readonly #text: string;
  readonly #blocks: Block[] = [];
  readonly #path = new HeadingPath();
  #open: Open | undefined;
  /** What the block before asks of the next one. */
  #glueNext = false;
  #previous: BlockKind | undefined;
  #inList = false;

  constructor(text: string) {
    this.#text = text;
  }

  run(): Block[] {
    const text = this.#text;
    const bodyStart = this.#frontMatter();
    const lines = new LineReader(text, bodyStart, text.length);
    for (let line = lines.next(); line !== undefined; line = lines.next()) {
      const fence = syntax.openingFence(text, line);
      if (fence !== undefined) this.#untilLine(line, lines, 'code', (at) => syntax.closesFence(text, at, fence));
      else this.#line(line, lines);
    }
    this.#close();
    return this.#blocks;
  }

  #frontMatter(): number {
    const end = frontMatterEnd(this.#text);
    if (end === 0) return 0;
    const start = skipSpace(this.#text, 0, end);
    // It is data about the document: a chunk of its own, never mixed with text.
    this.#push('front-matter', start, trimEnd(this.#text, start, end), Cut.matter, false);
    return end;
  }

  #line(line: Line, lines: LineReader): void {
    const text = this.#text;
    if (line.first === line.end) return this.#close();
    const open = this.#open;
    const indent = syntax.indentOf(text, line);
    const paragraph = open?.kind === 'paragraph' || open?.kind === 'item' ? open : undefined;

    if (open?.kind === 'html' || open?.kind === 'table') return this.#extend(line);

    if (indent <= 3) {
      const level = syntax.atxLevel(text, line);
      if (level > 0) return this.#heading(line.first, trimEnd(text, line.first, line.end), level);
      const underline = syntax.setextLevel(text, line);
      if (underline > 0 && open?.kind === 'paragraph' && !this.#inList) return this.#setext(open, line, underline);
      if (syntax.isThematicBreak(text, line)) return this.#single(line, 'paragraph', true);
      const container = syntax.containerLine(text, line);
      if (container !== undefined) return this.#container(line, container);
    }
    if (syntax.isListItem(text, line)) {
      this.#close();
      const cut = this.#inList ? (indent >= 2 ? Cut.nested : Cut.item) : this.#leadIn(Cut.item);
      this.#inList = true;
      return this.#begin('item', line, cut);
    }
    if (text.charCodeAt(line.first) === 62 /* > */ && open?.kind !== 'quote') {
      this.#close();
      return this.#begin('quote', line, this.#nestedOr(indent, Cut.block));
    }
    if (syntax.isTableDelimiter(text, line) && paragraph !== undefined) return this.#table(paragraph, line);
    const html = syntax.htmlStart(text, line, paragraph !== undefined);
    if (html !== undefined && indent <= 3) {
      if (html.endsWith !== undefined) {
        const closing = html.endsWith;
        return this.#untilLine(line, lines, 'html', (at) => syntax.lineIncludes(text, at, closing), true);
      }
      this.#close();
      if (html.only === 'closing') this.#glueNext = true;
      this.#begin('html', line, this.#nestedOr(indent, Cut.block));
      if (html.only !== undefined) {
        this.#close();
        this.#glueNext = html.only === 'opening';
      }
      return;
    }
    if (open !== undefined) return this.#extend(line);
    if (indent >= 4 && !this.#inList) {
      return this.#begin('code', line, this.#previous === 'code' ? Cut.line : this.#leadIn(Cut.block));
    }
    const cut = this.#nestedOr(indent, Cut.block);
    this.#begin('paragraph', line, cut);
  }

  /** The cut before something inside a list item is weak; the first line that is not indented ends the list. */
  #nestedOr(indent: number, cut: number): number {
    if (this.#inList && indent >= 2) return Cut.nested;
    this.#inList = false;
    return cut;
  }

  /** What a paragraph ending in a colon announces stays with it if it can. */
  #leadIn(cut: number): number {
    const last = this.#blocks.at(-1);
    return last?.kind === 'paragraph' && this.#text.charCodeAt(last.end - 1) === 58 /* : */ ? Cut.nested : cut;
  }

  #heading(start: number, end: number, level: number): void {
    this.#close();
    this.#inList = false;
    this.#path.enter(level, headingText(this.#text, start, end));
    this.#push('heading', start, end, headingCut(level), false);
    this.#glueNext = true;
  }

  #setext(open: Open, line: Line, level: number): void {
    this.#open = undefined;
    this.#heading(open.start, trimEnd(this.#text, open.start, line.end), level);
  }

  #single(line: Line, kind: BlockKind, glued: boolean): void {
    this.#close();
    this.#inList = false;
    this.#push(kind, line.first, trimEnd(this.#text, line.first, line.end), Cut.block, glued);
  }

  #container(line: Line, part: 'opening' | 'closing'): void {
    this.#single(line, 'html', part === 'closing');
    this.#glueNext = part === 'opening';
  }

  #table(paragraph: Open, line: Line): void {
    const head = paragraph.lastLine;
    if (head > paragraph.start) {
      paragraph.end = head;
      this.#close();
      this.#open = {
        ...paragraph,
        kind: 'table',
        start: head,
        end: line.end,
        cut: this.#leadIn(Cut.block),
        glued: false,
      };
    } else {
      paragraph.kind = 'table';
      paragraph.end = line.end;
    }
  }

  /** A block that ends with the line that satisfies `ends`, or with the document; blank lines are part of it. */
  #untilLine(first: Line, lines: LineReader, kind: BlockKind, ends: (line: Line) => boolean, sameLine = false): void {
    this.#close();
    const indent = syntax.indentOf(this.#text, first);
    const cut = this.#inList && indent >= 2 ? Cut.nested : this.#leadIn(kind === 'code' ? Cut.item : Cut.block);
    if (indent < 2) this.#inList = false;
    let last = first;
    if (!(sameLine && ends(first))) {
      for (let line = lines.next(); line !== undefined; line = lines.next()) {
        last = line;
        if (ends(line)) break;
      }
    }
    this.#push(kind, first.first, trimEnd(this.#text, first.first, last.end), cut, false);
  }

  #begin(kind: BlockKind, line: Line, cut: number): void {
    this.#close();
    this.#open = { kind, start: line.first, end: line.end, cut, glued: false, lastLine: line.first };
  }

  #extend(line: Line): void {
    const open = this.#open;
    if (open === undefined) return;
    open.end = line.end;
    open.lastLine = line.first;
  }

  #close(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    this.#push(open.kind, open.start, trimEnd(this.#text, open.start, open.end), open.cut, open.glued);
  }

  #push(kind: BlockKind, start: number, end: number, ownCut: number, glued: boolean): void {
    if (end <= start) return;
    const cut = this.#previous === 'front-matter' ? Cut.matter : ownCut;
    this.#blocks.push({ kind, start, end, cut, glued: glued || this.#glueNext, headings: this.#path.current });
    this.#glueNext = false;
    this.#previous = kind;
  }
}
