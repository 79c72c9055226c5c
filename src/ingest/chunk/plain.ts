import { Cut } from './blocks.ts';
import type { Block } from './blocks.ts';
import { LineReader } from './lines.ts';
import { trimEnd } from './whitespace.ts';

/** Plain text to paragraphs: runs of lines between blank ones. */
export function plainBlocks(text: string): Block[] {
  const blocks: Block[] = [];
  const headings: readonly string[] = [];
  const lines = new LineReader(text, 0, text.length);
  let start = -1;
  let end = 0;
  const close = (): void => {
    if (start < 0) return;
    blocks.push({ kind: 'paragraph', start, end: trimEnd(text, start, end), cut: Cut.block, glued: false, headings });
    start = -1;
  };
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    if (line.first === line.end) {
      close();
      continue;
    }
    if (start < 0) start = line.first;
    end = line.end;
  }
  close();
  return blocks;
}
