import type { Template } from '../domain/mapping.ts';

export type TemplatePart = { readonly literal: string } | { readonly column: string };

export type ParsedTemplate =
  | { readonly ok: true; readonly parts: readonly TemplatePart[]; readonly columns: readonly string[] }
  | { readonly ok: false; readonly problem: string };

/** Text with `{column}` placeholders; `{{` and `}}` are literal braces. Literal text between placeholders is merged. */
export function parseTemplate(template: Template): ParsedTemplate {
  const parts: TemplatePart[] = [];
  let literal = '';
  const flush = (): void => {
    if (literal !== '') parts.push({ literal });
    literal = '';
  };
  for (let at = 0; at < template.length; at++) {
    const char = template[at];
    if ((char === '{' || char === '}') && template[at + 1] === char) {
      literal += char;
      at++;
    } else if (char === '{') {
      const end = template.indexOf('}', at);
      if (end < 0) return { ok: false, problem: `the "{" at character ${at + 1} is never closed` };
      const column = template.slice(at + 1, end).trim();
      if (column === '') return { ok: false, problem: `the placeholder at character ${at + 1} names no column` };
      if (column.includes('{')) return { ok: false, problem: `the "{" at character ${at + 1} is never closed` };
      flush();
      parts.push({ column });
      at = end;
    } else if (char === '}') {
      return { ok: false, problem: `the "}" at character ${at + 1} closes nothing (a literal brace is written "}}")` };
    } else {
      literal += char;
    }
  }
  flush();
  const columns = parts.flatMap((part) => ('column' in part ? [part.column] : []));
  return { ok: true, parts, columns: [...new Set(columns)] };
}

/** A list of columns as the template that joins them with blank lines. */
export function templateOfColumns(columns: readonly string[]): Template {
  return columns.map((column) => `{${column}}`).join('\n\n');
}
