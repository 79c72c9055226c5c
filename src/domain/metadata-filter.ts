import type { Metadata, MetadataValue } from './document.ts';
import type { MetadataCondition, MetadataFilter } from './search.ts';

/** Whether metadata (or a row's scalar columns) passes a filter. A missing field passes only `ne` and `nin`. Arrays match by any value. */
export function matchesFilter(metadata: Metadata, filter: MetadataFilter): boolean {
  if ('and' in filter) return filter.and.every((part) => matchesFilter(metadata, part));
  if ('or' in filter) return filter.or.some((part) => matchesFilter(metadata, part));
  // Own fields only: `constructor` is nobody's metadata.
  return matchesCondition(Object.hasOwn(metadata, filter.key) ? metadata[filter.key] : undefined, filter);
}

function matchesCondition(value: MetadataValue | undefined, condition: MetadataCondition): boolean {
  const values: readonly (string | number | boolean)[] =
    value === undefined ? [] : typeof value === 'object' ? value : [value];
  switch (condition.op) {
    case 'eq':
    case 'ne': {
      const wanted = typeof condition.value === 'object' ? condition.value : [condition.value];
      const equal = values.some((item) => (wanted as readonly unknown[]).includes(item));
      return condition.op === 'eq' ? equal : !equal;
    }
    case 'in':
      return values.some((item) => condition.value.includes(item));
    case 'nin':
      return !values.some((item) => condition.value.includes(item));
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return values.some((item) => compares(item, condition.op, condition.value));
  }
}

/** Numbers compare with numbers and text with text (code units, so RFC 3339 times compare as times); a mix never matches. */
function compares(item: string | number | boolean, op: 'gt' | 'gte' | 'lt' | 'lte', bound: string | number): boolean {
  if (typeof item !== typeof bound || typeof item === 'boolean') return false;
  switch (op) {
    case 'gt':
      return item > bound;
    case 'gte':
      return item >= bound;
    case 'lt':
      return item < bound;
    case 'lte':
      return item <= bound;
  }
}
