/** Nesting deeper than this is written as if it stood here: deeper indentation says nothing and would make the text quadratic. */
const maxListDepth = 6;

/** What a Markdown reader would take for markup at the start of a line of running text. */
const looksLikeMarkup = /^(?:#{1,6}(?:\s|$)|`{3}|~{3}|:::|<[a-z!/?]|(?:=+|-+|\+{3})$)/iu;

/** A row of empty cells counts as nothing. */
const emptyLine = /^[\s|]*$/u;

interface List {
  /** The next number; 0 in a bulleted list. */
  number: number;
}

interface Table {
  cells: number;
  headCells: number;
  rows: number;
}

/** Writes structured text line by line: white space collapsed, blocks apart by a blank line, items and rows by a line end. */
export class HtmlWriter {
  readonly #out: string[] = [];
  /** The line being written, without its prefix. */
  #line = '';
  #space = false;
  /** Line ends owed before the next line: 1 or 2. */
  #owed = 0;
  #marker: string | undefined;
  #heading = 0;
  #quotes = 0;
  #pre: string[] | undefined;
  readonly #lists: List[] = [];
  readonly #tables: Table[] = [];

  text(data: string): void {
    if (this.#pre !== undefined) {
      this.#pre.push(data);
      return;
    }
    const collapsed = data.replace(/\s+/gu, ' ');
    const leading = collapsed.startsWith(' ');
    const trailing = collapsed.length > 1 && collapsed.endsWith(' ');
    const words = collapsed.slice(leading ? 1 : 0, trailing ? -1 : undefined);
    if (leading) this.#space = true;
    if (words === '') return;
    this.#line += this.#space && this.#line !== '' ? ` ${words}` : words;
    this.#space = trailing;
  }

  /** A block begins or ends here. */
  block(): void {
    if (this.#pre !== undefined) return;
    if (this.#tables.at(-1)?.cells) this.#space = true;
    else this.#break(2);
  }

  lineBreak(): void {
    if (this.#pre !== undefined) this.#pre.push('\n');
    else if (this.#heading > 0 || this.#tables.at(-1)?.cells) this.#space = true;
    else this.#break(1);
  }

  heading(level: number): void {
    this.#break(2);
    this.#heading = level;
  }

  headingEnd(): void {
    this.#break(2);
    this.#heading = 0;
  }

  quote(): void {
    this.#break(2);
    this.#quotes++;
  }

  quoteEnd(): void {
    this.#break(2);
    this.#quotes = Math.max(0, this.#quotes - 1);
  }

  list(ordered: boolean): void {
    this.#break(this.#lists.length > 0 ? 1 : 2);
    this.#lists.push({ number: ordered ? 1 : 0 });
  }

  listEnd(): void {
    this.itemEnd();
    this.#break(this.#lists.length > 1 ? 1 : 2);
    this.#lists.pop();
  }

  item(): void {
    this.#break(1);
    const list = this.#lists.at(-1);
    this.#marker = list === undefined || list.number === 0 ? '- ' : `${list.number++}. `;
  }

  itemEnd(): void {
    this.#break(1);
    this.#marker = undefined;
  }

  table(): void {
    this.#break(2);
    this.#tables.push({ cells: 0, headCells: 0, rows: 0 });
  }

  tableEnd(): void {
    this.row();
    this.#break(2);
    this.#tables.pop();
  }

  /** A row begins or ends here. */
  row(): void {
    const table = this.#tables.at(-1);
    this.#break(1);
    if (table === undefined || table.cells === 0) return;
    // Only a whole row of head cells is a table head in Markdown.
    if (table.rows === 0 && table.cells > 1 && table.headCells === table.cells) {
      this.#line = new Array<string>(table.cells).fill('---').join(' | ');
      this.#break(1);
    }
    table.rows++;
    table.cells = 0;
    table.headCells = 0;
  }

  cell(head: boolean): void {
    const table = this.#tables.at(-1);
    if (table === undefined) return this.block();
    if (table.cells > 0) this.#line += ' |';
    this.#space = true;
    table.cells++;
    if (head) table.headCells++;
  }

  pre(): void {
    this.#break(2);
    this.#pre ??= [];
  }

  preEnd(): void {
    if (this.#pre === undefined) return;
    const code = this.#pre
      .join('')
      .replace(/^\r?\n/u, '')
      .trimEnd();
    this.#pre = undefined;
    if (code.trim() === '') return;
    let longest = 2;
    for (const run of code.matchAll(/`+/gu)) longest = Math.max(longest, run[0].length);
    const fence = '`'.repeat(longest + 1);
    this.#write(`${fence}\n${code}\n${fence}`);
    this.#owed = 2;
  }

  finish(): string {
    this.preEnd();
    this.#break(0);
    return this.#out.join('');
  }

  #break(ends: number): void {
    if (this.#pre !== undefined) this.preEnd();
    const line = this.#line;
    this.#line = '';
    this.#space = false;
    if (!emptyLine.test(line)) {
      if (this.#heading > 0) {
        this.#write(`${'#'.repeat(this.#heading)} ${line}`);
        this.#heading = 0;
        this.#owed = 2;
        return;
      }
      this.#write(this.#prefix() + (looksLikeMarkup.test(line) && !this.#isRule(line) ? `\\${line}` : line));
      this.#owed = 0;
    }
    // A block that begins an item stands on the item's own line.
    if (this.#marker === undefined) this.#owed = Math.max(this.#owed, ends);
  }

  /** The line under a table's head is the one rule that we write ourselves. */
  #isRule(line: string): boolean {
    return line.startsWith('--- | ');
  }

  #prefix(): string {
    const quote = this.#quotes > 0 ? '> ' : '';
    const depth = Math.min(this.#lists.length, maxListDepth);
    if (depth === 0 && this.#marker === undefined) return quote;
    const marker = this.#marker;
    this.#marker = undefined;
    return quote + (marker === undefined ? '  '.repeat(depth) : '  '.repeat(Math.max(0, depth - 1)) + marker);
  }

  #write(line: string): void {
    if (this.#out.length > 0) this.#out.push('\n'.repeat(Math.max(1, this.#owed)));
    this.#out.push(line);
    this.#owed = 0;
  }
}
