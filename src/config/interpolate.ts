import type { ConfigProblem } from './problems.ts';
import { formatPath, type Path } from './schema-walk.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Interpolated {
  readonly value: unknown;
  readonly problems: readonly (ConfigProblem & { readonly at: Path })[];
  /** Paths whose value came from the environment; it may be a secret, so errors name its type only. */
  readonly fromEnvironment: ReadonlySet<string>;
}

const REFERENCE = /\$\$\{|\$\{([^}]*)\}/g;
const NAME = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/**
 * Replaces `${NAME}` and `${NAME:-default}` in every text of a tree (keys stay as they are). As in a POSIX shell, `:-` also replaces an
 * empty variable. `$${` is a literal `${`. A missing variable is a problem that names the place and the variable.
 */
export function interpolate(tree: unknown, env: Environment): Interpolated {
  const problems: (ConfigProblem & { readonly at: Path })[] = [];
  const fromEnvironment = new Set<string>();

  const replace = (text: string, path: Path): string =>
    text.replace(REFERENCE, (reference, inner: string | undefined) => {
      if (inner === undefined) return '${';
      const match = NAME.exec(inner);
      if (match === null) {
        problems.push({
          at: path,
          path: formatPath(path),
          message: `holds "\${…}", which is not a reference. Write \${NAME}, \${NAME:-default}, or $\${ for a literal "\${".`,
        });
        return reference;
      }
      const [, name = '', fallback] = match;
      fromEnvironment.add(formatPath(path));
      const value = env[name];
      if (value !== undefined && (value !== '' || fallback === undefined)) return value;
      if (fallback !== undefined) return fallback;
      problems.push({
        at: path,
        path: formatPath(path),
        message: `needs the environment variable ${name}, which is not set. Set it, or write \${${name}:-default}.`,
      });
      return reference;
    });

  const walk = (value: unknown, path: Path): unknown => {
    if (typeof value === 'string') return value.includes('${') ? replace(value, path) : value;
    if (Array.isArray(value)) return value.map((item, position) => walk(item, [...path, position]));
    if (value !== null && typeof value === 'object') {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key])]));
    }
    return value;
  };

  return { value: walk(tree, []), problems, fromEnvironment };
}
