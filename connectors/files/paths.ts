import { relative, sep } from 'node:path';
import picomatch from 'picomatch';
import { keyValues, rowKey, type RowKey } from '../../src/domain/ids.ts';

/** Which paths below the root are ours. Paths are relative, with `/` between segments on every system. */
export interface PathRules {
  /** Whether a file of this path is a row. */
  isRow(path: string): boolean;
  /** Whether nothing below this folder can be a row. */
  isPruned(folder: string): boolean;
}

/** What editors leave beside the file they save. */
const TEMPORARY = /(?:~|\.tmp|\.swp|\.swx|\.bak)$|^#.*#$|^4913$/i;
const isHidden = (segment: string): boolean => segment.startsWith('.') || segment === 'node_modules';

export function createPathRules(include: readonly string[], exclude: readonly string[]): PathRules {
  const included = picomatch([...include], { nocase: true });
  const excluded = exclude.length === 0 ? () => false : picomatch([...exclude], { dot: true });
  const isOut = (path: string): boolean => path.split('/').some(isHidden) || excluded(path);
  return {
    isRow(path) {
      const name = path.slice(path.lastIndexOf('/') + 1);
      return !TEMPORARY.test(name) && included(path) && !isOut(path);
    },
    // `drafts/**` names what is in the folder, and so the folder.
    isPruned: (folder) => isOut(folder) || excluded(`${folder}/`),
  };
}

export function toRelative(root: string, absolute: string): string {
  return relative(root, absolute).split(sep).join('/');
}

/** The path is the key: a renamed file is another document. */
export const pathKey = (path: string): RowKey => rowKey([path]);

/** Undefined when the key cannot be of a file below the root. */
export function keyPath(key: RowKey): string | undefined {
  const [path, ...rest] = keyValues(key);
  if (typeof path !== 'string' || rest.length > 0 || path === '' || path.includes('\\') || path.includes('\0'))
    return undefined;
  return path.split('/').some((segment) => segment === '' || segment === '.' || segment === '..') ? undefined : path;
}
