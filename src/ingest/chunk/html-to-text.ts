import { Tokenizer } from 'htmlparser2';
import type { TokenizerCallbacks } from 'htmlparser2';
import { HtmlWriter } from './html-writer.ts';

/** Elements whose text is never shown (or, for iframe and its kind, only by readers without the element). */
const dropped = new Set(['script', 'style', 'template', 'iframe', 'noembed', 'noframes']);

const blocks = new Set(
  (
    'address article aside body button caption center dd details dialog dir div dl dt fieldset figcaption figure footer form head header hgroup hr ' +
    'html legend main nav noscript option p search section select summary tbody textarea tfoot thead title'
  ).split(' '),
);

const headingName = /^h[1-6]$/u;

/**
 * HTML to structured text in Markdown's shape: headings as `#`, items as `- ` or `1. `, table rows with ` | ` between cells, `pre` as fenced
 * code, quotes as `> `, links and images as their text; scripts, styles, templates and comments dropped, entities decoded.
 *
 * Pure and linear in the text: it works on the tokenizer's events with a few counters, without a tree or a stack of elements, so that
 * neither depth nor missing end tags can hurt. Elements are taken as they come; a missing end tag ends with the next block.
 */
export function htmlToText(html: string): string {
  const reader = new Reader(html);
  const tokenizer = new Tokenizer({ decodeEntities: true }, reader);
  tokenizer.write(html);
  tokenizer.end();
  return reader.finish();
}

class Reader implements TokenizerCallbacks {
  readonly #html: string;
  readonly #writer = new HtmlWriter();
  #tag = '';
  #attribute = '';
  #alt = '';
  /** The dropped element we are in, and how many of its kind are open. */
  #dropping = '';
  #depth = 0;

  constructor(html: string) {
    this.#html = html;
  }

  finish(): string {
    return this.#writer.finish();
  }

  ontext(start: number, end: number): void {
    if (this.#depth === 0) this.#writer.text(this.#html.slice(start, end));
  }

  ontextentity(codepoint: number): void {
    if (this.#depth === 0) this.#writer.text(String.fromCodePoint(codepoint));
  }

  onopentagname(start: number, end: number): void {
    this.#tag = this.#html.slice(start, end).toLowerCase();
    this.#alt = '';
    this.#attribute = '';
  }

  onattribname(start: number, end: number): void {
    this.#attribute = this.#tag === 'img' ? this.#html.slice(start, end).toLowerCase() : '';
  }

  onattribdata(start: number, end: number): void {
    if (this.#attribute === 'alt') this.#alt += this.#html.slice(start, end);
  }

  onattribentity(codepoint: number): void {
    if (this.#attribute === 'alt') this.#alt += String.fromCodePoint(codepoint);
  }

  onattribend(): void {
    this.#attribute = '';
  }

  onopentagend(): void {
    const tag = this.#tag;
    if (this.#depth > 0) {
      if (tag === this.#dropping) this.#depth++;
    } else if (dropped.has(tag)) {
      this.#dropping = tag;
      this.#depth = 1;
    } else {
      this.#open(tag);
    }
  }

  onselfclosingtag(): void {
    // HTML knows no self-closing elements but the void ones: `<script/>` opens a script.
    this.onopentagend();
  }

  onclosetag(start: number, end: number): void {
    const tag = this.#html.slice(start, end).toLowerCase();
    if (this.#depth === 0) this.#close(tag);
    else if (tag === this.#dropping) this.#depth--;
  }

  oncdata(start: number, end: number, endOffset: number): void {
    if (this.#depth === 0) this.#writer.text(this.#html.slice(start, end - endOffset));
  }

  // Comments, doctypes and processing instructions say nothing to a reader; the end is `finish`.
  oncomment = (): undefined => undefined;
  ondeclaration = (): undefined => undefined;
  onprocessinginstruction = (): undefined => undefined;
  onend = (): undefined => undefined;

  #open(tag: string): void {
    const writer = this.#writer;
    if (headingName.test(tag)) return writer.heading(Number(tag.charAt(1)));
    switch (tag) {
      case 'br':
        return writer.lineBreak();
      case 'img':
        return this.#alt.trim() === '' ? undefined : writer.text(` ${this.#alt} `);
      case 'ul':
      case 'menu':
        return writer.list(false);
      case 'ol':
        return writer.list(true);
      case 'li':
        return writer.item();
      case 'blockquote':
        return writer.quote();
      case 'pre':
      case 'listing':
      case 'xmp':
        return writer.pre();
      case 'table':
        return writer.table();
      case 'tr':
        return writer.row();
      case 'td':
      case 'th':
        return writer.cell(tag === 'th');
      default:
        if (blocks.has(tag)) writer.block();
    }
  }

  #close(tag: string): void {
    const writer = this.#writer;
    if (headingName.test(tag)) return writer.headingEnd();
    switch (tag) {
      case 'ul':
      case 'menu':
      case 'ol':
        return writer.listEnd();
      case 'li':
        return writer.itemEnd();
      case 'blockquote':
        return writer.quoteEnd();
      case 'pre':
      case 'listing':
      case 'xmp':
        return writer.preEnd();
      case 'table':
        return writer.tableEnd();
      case 'tr':
        return writer.row();
      default:
        if (blocks.has(tag)) writer.block();
    }
  }
}
