/** A heading longer than this (UTF-16 units) is cut in the path; its line is whole in the text. */
const maxHeadingLength = 200;

/** The headings in force at a place: entering one of level n leaves those of level n and deeper. */
export class HeadingPath {
  #levels: number[] = [];
  #current: readonly string[] = [];

  get current(): readonly string[] {
    return this.#current;
  }

  enter(level: number, text: string): void {
    let depth = this.#levels.length;
    while (depth > 0 && (this.#levels[depth - 1] ?? 0) >= level) depth--;
    this.#levels = [...this.#levels.slice(0, depth), level];
    this.#current = [...this.#current.slice(0, depth), text];
  }
}

/** A heading's words: without markers, underline, closing hashes and a trailing `{#anchor}`. */
export function headingText(text: string, start: number, end: number): string {
  const line = text.slice(start, Math.min(end, start + 2 * maxHeadingLength));
  const firstLine = line.split(/[\r\n]/u, 1)[0] ?? '';
  const words = firstLine
    .replace(/^#{1,6}(?=\s|$)/u, '')
    .trim()
    .replace(/\s\{[^{}]*\}$/u, '')
    .replace(/(?:^|\s)#+$/u, '')
    .trim();
  return words.length <= maxHeadingLength ? words : words.slice(0, maxHeadingLength).toWellFormed().trimEnd();
}

/** What several sections have in common, so that a chunk over two of them claims neither. */
export function commonPath(a: readonly string[], b: readonly string[]): readonly string[] {
  if (a === b) return a;
  let depth = 0;
  while (depth < a.length && depth < b.length && a[depth] === b[depth]) depth++;
  return depth === a.length ? a : a.slice(0, depth);
}
