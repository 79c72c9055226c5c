import type { DocumentAttributes, MetadataValue } from '../../src/domain/document.ts';
import type { MetadataCondition, MetadataFilter, SearchQuery } from '../../src/domain/search.ts';
import type { MemoryChunk } from './store.ts';

/** Everything of a query that is a condition and not a rank. */
export function isWanted(chunk: MemoryChunk, query: SearchQuery): boolean {
  const { attributes, committedAt, table } = chunk;
  return (
    attributes.tenant === query.tenant &&
    isAllowed(attributes, query.principals) &&
    (query.tables === undefined || query.tables.includes(table)) &&
    (query.committedFrom === undefined || committedAt >= query.committedFrom) &&
    (query.committedTo === undefined || committedAt < query.committedTo) &&
    (query.filter === undefined || matches(attributes, query.filter))
  );
}

export function isAllowed({ access }: DocumentAttributes, principals: readonly string[] | undefined): boolean {
  return principals === undefined || access.length === 0 || access.some((name) => principals.includes(name));
}

function matches(attributes: DocumentAttributes, filter: MetadataFilter): boolean {
  if ('and' in filter) return filter.and.every((inner) => matches(attributes, inner));
  if ('or' in filter) return filter.or.some((inner) => matches(attributes, inner));
  const value = attributes.metadata[filter.key];
  // A field the document does not have equals nothing.
  if (value === undefined) return filter.op === 'ne' || filter.op === 'nin';
  const values = Array.isArray(value)
    ? (value as readonly string[])
    : [value as Exclude<MetadataValue, readonly string[]>];
  if (filter.op === 'ne') return !values.some((one) => holds(one, { ...filter, op: 'eq' }));
  if (filter.op === 'nin') return !values.some((one) => filter.value.includes(one));
  return values.some((one) => holds(one, filter));
}

function holds(value: string | number | boolean, condition: MetadataCondition): boolean {
  switch (condition.op) {
    case 'eq':
      return Array.isArray(condition.value) ? condition.value.includes(value) : value === condition.value;
    case 'ne':
      return value !== condition.value;
    case 'in':
      return condition.value.includes(value);
    case 'nin':
      return !condition.value.includes(value);
    default:
      return typeof value === typeof condition.value && compares(value, condition.op, condition.value);
  }
}

function compares(a: string | number | boolean, op: 'gt' | 'gte' | 'lt' | 'lte', b: string | number): boolean {
  if (op === 'gt') return a > b;
  if (op === 'gte') return a >= b;
  return op === 'lt' ? a < b : a <= b;
}
