import { LineReader } from './lines.ts';
import type { Line } from './lines.ts';

/** Front matter longer than this is not front matter but a document that begins with a thematic break. */
const maxFrontMatterLines = 1000;

/** The offset after the front matter (`---` … `---` or `...`, `+++` … `+++`) at the document's start; 0 without one. */
export function frontMatterEnd(text: string): number {
  const start = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  const marker = text.startsWith('---', start) ? '---' : text.startsWith('+++', start) ? '+++' : undefined;
  if (marker === undefined) return 0;
  const lines = new LineReader(text, start, text.length);
  const first = lines.next();
  if (first === undefined || !isMarker(text, first, marker)) return 0;
  for (let count = 0; count < maxFrontMatterLines; count++) {
    const line = lines.next();
    if (line === undefined) return 0;
    if (isMarker(text, line, marker) || (marker === '---' && isMarker(text, line, '...'))) return line.next;
  }
  return 0;
}

function isMarker(text: string, line: Line, marker: string): boolean {
  return (
    text.startsWith(marker, line.start) &&
    line.end - line.start < 64 &&
    text.slice(line.start, line.end).trimEnd() === marker
  );
}
