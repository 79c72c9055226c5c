import { Parser } from 'htmlparser2';
import { parse as parseYaml } from 'yaml';
import type { TextFormat } from '../../src/domain/document.ts';

const TITLE_MAX = 300;
/** Titles stand at the beginning: no more of the text is looked at. */
const HEAD_MAX = 65_536;

/** The title a reader would give the file: front matter, first heading or `<title>`, else the file's name without its extension. */
export function titleOf(path: string, text: string, format: TextFormat): string {
  const head = text.slice(0, HEAD_MAX);
  const found = format === 'markdown' ? markdownTitle(head) : format === 'html' ? htmlTitle(head) : undefined;
  const title = found?.replace(/\s+/g, ' ').trim() ?? '';
  return (title === '' ? fileTitle(path) : title).slice(0, TITLE_MAX);
}

function fileTitle(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const stem = name.replace(/\.[^.]+$/, '');
  return stem === '' ? name : stem;
}

const FRONT_MATTER = /^---[ \t]*\r?\n([\s\S]*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|$)/;

function markdownTitle(head: string): string | undefined {
  const matter = FRONT_MATTER.exec(head);
  return frontMatterTitle(matter?.[1]) ?? headingTitle(head.slice(matter?.[0].length ?? 0));
}

function frontMatterTitle(yaml: string | undefined): string | undefined {
  if (yaml === undefined) return undefined;
  try {
    const matter: unknown = parseYaml(yaml, { maxAliasCount: 0, logLevel: 'silent' });
    if (matter === null || typeof matter !== 'object' || !('title' in matter)) return undefined;
    return typeof matter.title === 'string' || typeof matter.title === 'number' ? String(matter.title) : undefined;
  } catch {
    return undefined; // not YAML after all: a heading may still name the file
  }
}

/** The first ATX or setext heading outside of fenced code (CommonMark §4.2–4.5). */
function headingTitle(markdown: string): string | undefined {
  let fence: string | undefined;
  let previous = '';
  for (const line of markdown.split(/\r?\n/)) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence !== undefined) {
      if (mark?.startsWith(fence) === true && line.trim() === mark) fence = undefined;
      continue;
    }
    if (mark !== undefined) {
      fence = mark;
      previous = '';
      continue;
    }
    const atx = /^ {0,3}#{1,6}[ \t]+(.*)$/.exec(line)?.[1]?.replace(/[ \t]#+[ \t]*$/, '');
    const title = atx ?? (previous !== '' && /^ {0,3}(?:=+|-+)[ \t]*$/.test(line) ? previous : undefined);
    if (title !== undefined && plainInline(title) !== '') return plainInline(title);
    previous = /^ {0,3}[^\s>#|*+-]/.test(line) ? line.trim() : '';
  }
  return undefined;
}

/** Inline marks off: links to their text, emphasis, code, `{#anchors}` and tags away. */
function plainInline(text: string): string {
  return text
    .replace(/!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])/g, '$1')
    .replace(/\{#[^}]*\}\s*$/, '')
    .replace(/<[^>]{1,200}>/g, '')
    .replace(/(?<!\\)[*`]+|(?<![\w\\])_+|_+(?!\w)/g, '')
    .replace(/\\([!-/:-@[-`{-~])/g, '$1')
    .trim();
}

/** `<title>`, else the first `<h1>`. */
function htmlTitle(head: string): string | undefined {
  const found: Partial<Record<'title' | 'h1', string>> = {};
  let open: 'title' | 'h1' | undefined;
  const parser = new Parser({
    onopentagname(name) {
      // An <svg> may hold a <title> too, but never before the document's own.
      if ((name === 'title' || name === 'h1') && found[name] === undefined) {
        open = name;
        found[name] = '';
      }
    },
    ontext(data) {
      if (open !== undefined) found[open] = (found[open] ?? '') + data;
    },
    onclosetag(name) {
      if (name === open) open = undefined;
    },
  });
  parser.write(head);
  parser.end();
  return [found.title, found.h1].find((title) => title !== undefined && title.trim() !== '');
}
