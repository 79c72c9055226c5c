import type { Line } from './lines.ts';
import { isSpace, skipSpace, trimEnd } from './whitespace.ts';

/** Line-level syntax of CommonMark 0.31 and GFM tables, each test reading its line once at most. */

export interface Fence {
  readonly character: number;
  readonly length: number;
  readonly indent: number;
}

const tab = 9;
const space = 32;

/** Columns before the first character that is not white space, tabs to the next multiple of four. */
export function indentOf(text: string, line: Line): number {
  let columns = 0;
  for (let at = line.start; at < line.first; at++) {
    const code = text.charCodeAt(at);
    columns += code === tab ? 4 - (columns % 4) : 1;
  }
  return columns;
}

function runLength(text: string, at: number, end: number, code: number): number {
  let stop = at;
  while (stop < end && text.charCodeAt(stop) === code) stop++;
  return stop - at;
}

/** An opening code fence, indented or not (fences stand in list items). */
export function openingFence(text: string, line: Line): Fence | undefined {
  const character = text.charCodeAt(line.first);
  if (line.first === line.end || (character !== 96 && character !== 126)) return undefined;
  const length = runLength(text, line.first, line.end, character);
  if (length < 3) return undefined;
  if (character === 96 && text.slice(line.first + length, line.end).includes('`')) return undefined;
  return { character, length, indent: indentOf(text, line) };
}

export function closesFence(text: string, line: Line, fence: Fence): boolean {
  if (line.first === line.end || text.charCodeAt(line.first) !== fence.character) return false;
  const length = runLength(text, line.first, line.end, fence.character);
  if (length < fence.length || indentOf(text, line) > fence.indent + 3) return false;
  return skipSpace(text, line.first + length, line.end) === line.end;
}

/** 1 … 6, or 0 when the line is no ATX heading. */
export function atxLevel(text: string, line: Line): number {
  if (text.charCodeAt(line.first) !== 35) return 0;
  const level = runLength(text, line.first, line.end, 35);
  if (level > 6) return 0;
  const after = line.first + level;
  return after === line.end || isSpace(text.charCodeAt(after)) ? level : 0;
}

/** 1 for a line of `=`, 2 for a line of `-`, else 0. */
export function setextLevel(text: string, line: Line): number {
  const code = text.charCodeAt(line.first);
  if (code !== 61 && code !== 45) return 0;
  const end = trimEnd(text, line.first, line.end);
  if (runLength(text, line.first, end, code) !== end - line.first) return 0;
  return code === 61 ? 1 : 2;
}

export function isThematicBreak(text: string, line: Line): boolean {
  const code = text.charCodeAt(line.first);
  if (code !== 42 && code !== 45 && code !== 95) return false;
  let count = 0;
  for (let at = line.first; at < line.end; at++) {
    const here = text.charCodeAt(at);
    if (here === code) count++;
    else if (!isSpace(here)) return false;
  }
  return count >= 3;
}

/** A line of `:::` that opens or closes a container, as documentation generators write them. */
export function containerLine(text: string, line: Line): 'opening' | 'closing' | undefined {
  if (text.charCodeAt(line.first) !== 58 || !text.startsWith(':::', line.first)) return undefined;
  const after = line.first + runLength(text, line.first, line.end, 58);
  return skipSpace(text, after, line.end) === line.end ? 'closing' : 'opening';
}

export function isListItem(text: string, line: Line): boolean {
  const code = text.charCodeAt(line.first);
  let after = line.first + 1;
  if (code === 42 || code === 43 || code === 45) {
    // bullet
  } else if (code >= 48 && code <= 57) {
    while (after < line.end && after - line.first < 9 && isDigit(text.charCodeAt(after))) after++;
    const stop = text.charCodeAt(after);
    if (after >= line.end || (stop !== 46 && stop !== 41)) return false;
    after++;
  } else {
    return false;
  }
  if (after >= line.end) return true;
  const next = text.charCodeAt(after);
  return next === space || next === tab;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** The `|---|:-:|` line under a table's head. */
export function isTableDelimiter(text: string, line: Line): boolean {
  let pipes = 0;
  let dashes = 0;
  for (let at = line.first; at < line.end; at++) {
    const code = text.charCodeAt(at);
    if (code === 124) pipes++;
    else if (code === 45) dashes++;
    else if (code !== 58 && code !== space && code !== tab) return false;
  }
  return pipes > 0 && dashes > 0;
}

export interface HtmlStart {
  /** The block ends with the line that holds one of these; without it at a blank line. */
  readonly endsWith?: string;
  /** The line is nothing but one tag. */
  readonly only?: 'opening' | 'closing';
}

const rawTag = /<(script|pre|style|textarea)(?=[\s>]|$)/iuy;
const blockTag =
  /<\/?(?:address|article|aside|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|nav|ol|optgroup|option|p|search|section|summary|table|tbody|td|tfoot|th|thead|title|tr|track|ul)(?=[\s/>]|$)/iuy;
const anyTag = /<\/?[a-z][a-z0-9-]*(?=[\s/>]|$)/iuy;
/** A line longer than this is not tested for being one lone tag. */
const maxTagLine = 500;

export function htmlStart(text: string, line: Line, inParagraph: boolean): HtmlStart | undefined {
  if (text.charCodeAt(line.first) !== 60) return undefined;
  if (text.startsWith('<!--', line.first)) return { endsWith: '-->' };
  if (text.startsWith('<?', line.first)) return { endsWith: '?>' };
  if (text.startsWith('<![CDATA[', line.first)) return { endsWith: ']]>' };
  rawTag.lastIndex = line.first;
  const raw = rawTag.exec(text);
  if (raw?.[1] !== undefined) return { endsWith: `</${raw[1].toLowerCase()}>` };
  blockTag.lastIndex = line.first;
  const isBlock = blockTag.test(text);
  anyTag.lastIndex = line.first;
  const end = trimEnd(text, line.first, line.end);
  const closed = text.charCodeAt(end - 1) === 62;
  if (!isBlock && (inParagraph || !anyTag.test(text) || !closed)) return undefined;
  if (!closed || end - line.first > maxTagLine) return {};
  const tag = text.slice(line.first, end);
  if (tag.indexOf('<', 1) >= 0 || tag.indexOf('>') !== tag.length - 1 || tag.endsWith('/>')) return {};
  return { only: tag.startsWith('</') ? 'closing' : 'opening' };
}

export function lineIncludes(text: string, line: Line, what: string): boolean {
  return text.slice(line.start, line.end).toLowerCase().includes(what);
}
