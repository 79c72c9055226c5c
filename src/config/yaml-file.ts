import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import type { ConfigProblem } from './problems.ts';
import type { Path } from './schema-walk.ts';

export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A parsed YAML file that still knows where each value stands. */
export interface YamlFile {
  readonly value: unknown;
  readonly problems: readonly ConfigProblem[];
  /** The place of a key, or of the nearest thing above it that the file has. */
  locate(path: Path): Place | undefined;
}

export function readYaml(text: string, name: string): YamlFile {
  const lines = new LineCounter();
  // `merge` lets tables share settings (`<<: *common`); the parser itself bounds alias expansion.
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const problems = document.errors.map(
    (error): ConfigProblem => ({
      path: '(the whole file)',
      message: `is not valid YAML: ${error.message.replace(/[.\s]+$/, '')}.`,
      where: name,
      ...place(error.pos[0]),
    }),
  );
  return {
    value: problems.length > 0 ? undefined : document.toJS(),
    problems,
    locate: (path) => {
      const offset = offsetOf(document, path);
      return offset === undefined ? undefined : place(offset);
    },
  };
}

function offsetOf(document: Document, path: Path): number | undefined {
  let node: unknown = document.contents;
  let offset = rangeStart(node);
  for (const part of path) {
    const target = isAlias(node) ? node.resolve(document) : node;
    if (isMap(target)) {
      const pair = target.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
      if (pair === undefined) return offset;
      offset = rangeStart(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(target)) {
      node = target.items[Number(part)];
      offset = rangeStart(node) ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}

function rangeStart(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}
