import type { DocumentAttributes } from '../../src/domain/document.ts';
import { matchesFilter } from '../../src/domain/metadata-filter.ts';
import type { SearchQuery } from '../../src/domain/search.ts';
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
    (query.filter === undefined || matchesFilter(attributes.metadata, query.filter))
  );
}

function isAllowed({ access }: DocumentAttributes, principals: readonly string[] | undefined): boolean {
  return principals === undefined || access.length === 0 || access.some((name) => principals.includes(name));
}
