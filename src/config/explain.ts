import type { $ZodIssue } from 'zod/v4/core';
import { configSchema } from './schema.ts';
import { knownKeys, metaOf, type Path, schemasAt, valueAt } from './schema-walk.ts';
import { didYouMean } from './suggest.ts';

/** A schema issue in our words: where, what is wrong and how to mend it, what was found. */
export interface Explained {
  readonly path: Path;
  readonly message: string;
  readonly found?: string;
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a section (key: value)',
  record: 'a section (key: value)',
};

const UNITS = {
  duration: 'a duration such as 500ms, 30s, 5m or 2h',
  bytes: 'a size such as 512kB, 10MB or 1GiB',
} as const;

/** The value as an error may show it: secrets, and whatever came from the environment, by their type only. */
export function describeFound(value: unknown, hidden: boolean): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'an empty value';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a section';
  if (hidden) return typeof value === 'string' ? 'text (not shown)' : `a ${typeof value} (not shown)`;
  if (typeof value !== 'string') return `the ${typeof value} ${String(value)}`;
  return value === ''
    ? 'empty text'
    : `the text ${JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)}`;
}

const oneOf = (values: readonly unknown[]): string => {
  const names = values.map((value) => `"${String(value)}"`);
  return names.length === 1 ? String(names[0]) : `${names.slice(0, -1).join(', ')} or ${String(names.at(-1))}`;
};

export function explain(issue: $ZodIssue, tree: unknown, isHidden: (path: Path) => boolean): readonly Explained[] {
  const path = issue.path as Path;
  const value = valueAt(tree, path);
  const meta = schemasAt(configSchema, tree, path).map(metaOf);
  const hidden = isHidden(path) || meta.some((field) => field.writeOnly === true);
  const scalar = value !== null && typeof value !== 'object' && value !== undefined;
  const problem = (message: string, showFound = true): readonly Explained[] => [
    { path, message, ...(showFound ? { found: describeFound(value, hidden) } : {}) },
  ];
  const required = (what: string): readonly Explained[] => {
    const description = meta.find((field) => field.description !== undefined)?.description;
    return problem(`is required: ${what}.${description === undefined ? '' : ` ${description}`}`, false);
  };
  const unit = meta.find((field) => field.unit !== undefined)?.unit;

  switch (issue.code) {
    case 'invalid_type': {
      const wanted = unit === undefined ? (KINDS[issue.expected] ?? issue.expected) : UNITS[unit];
      return value === undefined ? required(wanted) : problem(`must be ${wanted}.`);
    }
    case 'invalid_value': {
      if (value === undefined) return required(oneOf(issue.values));
      const meant = typeof value === 'string' && !hidden ? didYouMean(value, issue.values.map(String)) : '';
      return problem(`must be ${oneOf(issue.values)}.${meant}`);
    }
    case 'too_small':
    case 'too_big': {
      const least = issue.code === 'too_small';
      const bound = least ? Number(issue.minimum) : Number(issue.maximum);
      if (issue.origin === 'string' && least && bound === 1) return problem('must not be empty.', false);
      if (issue.origin === 'array' && least && bound === 1) return problem('must hold at least one entry.', false);
      const measured = issue.origin === 'string' ? ' characters long' : issue.origin === 'array' ? ' entries long' : '';
      const unitName = unit === 'duration' ? ' ms' : unit === 'bytes' ? ' bytes' : measured;
      return problem(`must be at ${least ? 'least' : 'most'} ${bound}${unitName}.`);
    }
    case 'unrecognized_keys': {
      const known = knownKeys(configSchema, tree, path);
      return issue.keys.map((key) => {
        const meant = didYouMean(key, known);
        const all = known.length > 0 && known.length <= 24 ? ` Known keys: ${known.join(', ')}.` : '';
        return { path: [...path, key], message: `is not a known key.${meant === '' ? all : meant}` };
      });
    }
    case 'invalid_key':
      return [{ path, message: issue.issues[0]?.message ?? 'is not a valid name.' }];
    case 'invalid_union':
      return explainUnion(issue, tree, isHidden, problem, required);
    default:
      return problem(issue.message, scalar);
  }
}

/** Of the branches, the one the author most likely meant: not of another kind, then the fewest problems. */
function explainUnion(
  issue: Extract<$ZodIssue, { code: 'invalid_union' }>,
  tree: unknown,
  isHidden: (path: Path) => boolean,
  problem: (message: string) => readonly Explained[],
  required: (what: string) => readonly Explained[],
): readonly Explained[] {
  const value = valueAt(tree, issue.path as Path);
  if (issue.errors.length === 0) {
    const options = (issue as { readonly options?: readonly unknown[] }).options ?? [];
    if (value === undefined) return required(oneOf(options));
    return problem(
      `must be ${oneOf(options)}.${typeof value === 'string' ? didYouMean(value, options.map(String)) : ''}`,
    );
  }
  const ofKind = issue.errors.filter(
    (errors) => !errors.some((error) => error.path.length === 0 && isOfAnotherKind(error)),
  );
  if (ofKind.length === 0) {
    const kinds = issue.errors.flatMap((errors) =>
      errors.map((error) =>
        error.code === 'invalid_type'
          ? (KINDS[error.expected] ?? error.expected)
          : error.code === 'invalid_value'
            ? oneOf(error.values)
            : '',
      ),
    );
    const wanted = [...new Set(kinds.filter((kind) => kind !== ''))].join(', or ');
    return value === undefined ? required(wanted) : problem(`must be ${wanted}.`);
  }
  const weight = (errors: readonly $ZodIssue[]): number =>
    errors.reduce((sum, error) => sum + (error.code === 'unrecognized_keys' ? 2 * error.keys.length : 1), 0);
  const best = ofKind.reduce((a, b) => (weight(b) < weight(a) ? b : a));
  return best.flatMap((error) => explain({ ...error, path: [...issue.path, ...error.path] }, tree, isHidden));
}

const isOfAnotherKind = (error: $ZodIssue): boolean => error.code === 'invalid_type' || error.code === 'invalid_value';
