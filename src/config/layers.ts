import type { Path } from './schema-walk.ts';

type Tree = Record<string, unknown>;

const isTree = (value: unknown): value is Tree => value !== null && typeof value === 'object' && !Array.isArray(value);

/** The upper tree over the lower one; members that are undefined do not count. Lists are replaced whole. */
export function layer(lower: unknown, upper: unknown): unknown {
  if (upper === undefined) return lower;
  if (!isTree(upper)) return upper;
  const merged: Tree = isTree(lower) ? { ...lower } : {};
  for (const [key, value] of Object.entries(upper)) {
    if (value !== undefined) merged[key] = layer(merged[key], value);
  }
  return merged;
}

/** A copy of the tree with one value set, making what is missing on the way. */
export function withValue(tree: unknown, path: Path, value: unknown): unknown {
  const [head, ...rest] = path;
  if (head === undefined) return value;
  if (typeof head === 'number') {
    const list: unknown[] = Array.isArray(tree) ? [...(tree as unknown[])] : [];
    list[head] = withValue(list[head], rest, value);
    return list;
  }
  const base: Tree = isTree(tree) ? { ...tree } : {};
  base[head] = withValue(base[head], rest, value);
  return base;
}
