import type { Metadata, MetadataValue } from '../../src/domain/document.ts';
import type { MetadataCondition, MetadataFilter } from '../../src/domain/search.ts';

type Scalar = string | number | boolean;

/**
 * Whether metadata passes a filter. An array field matches when any of its values does; `ne` and `nin` are the exact opposite of `eq`
 * and `in`, so they also pass where the field is absent. Values of different types never match and have no order.
 */
export function matches(filter: MetadataFilter, metadata: Metadata): boolean {
  if ('and' in filter) return filter.and.every((part) => matches(part, metadata));
  if ('or' in filter) return filter.or.some((part) => matches(part, metadata));
  return meets(filter, Object.hasOwn(metadata, filter.key) ? metadata[filter.key] : undefined);
}

function meets(condition: MetadataCondition, found: MetadataValue | undefined): boolean {
  switch (condition.op) {
    case 'eq':
      return equals(found, condition.value);
    case 'ne':
      return !equals(found, condition.value);
    case 'in':
      return valuesOf(found).some((value) => condition.value.includes(value));
    case 'nin':
      return !valuesOf(found).some((value) => condition.value.includes(value));
    case 'gt':
      return ordered(found, condition.value, (order) => order > 0);
    case 'gte':
      return ordered(found, condition.value, (order) => order >= 0);
    case 'lt':
      return ordered(found, condition.value, (order) => order < 0);
    case 'lte':
      return ordered(found, condition.value, (order) => order <= 0);
  }
}

const valuesOf = (found: MetadataValue | undefined): readonly Scalar[] =>
  found === undefined ? [] : isList(found) ? found : [found];

const isList = (value: MetadataValue): value is readonly string[] => Array.isArray(value);

/** A list as the wanted value asks for any of its members. */
function equals(found: MetadataValue | undefined, wanted: MetadataValue): boolean {
  const members: readonly Scalar[] = isList(wanted) ? wanted : [wanted];
  return valuesOf(found).some((value) => members.includes(value));
}

function ordered(found: MetadataValue | undefined, bound: number | string, test: (order: number) => boolean): boolean {
  return valuesOf(found).some((value) => {
    if (typeof value === 'number' && typeof bound === 'number') return test(value - bound);
    if (typeof value === 'string' && typeof bound === 'string') return test(value < bound ? -1 : value > bound ? 1 : 0);
    return false;
  });
}
