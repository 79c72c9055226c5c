import type { MetadataFilter, SearchHit } from '../domain/search.ts';
import type { TenantId } from '../domain/ids.ts';
import type { AnswerFreshness, Consistency, SearchAnswer, SearchRequest } from '../services/services.ts';
import { defined } from './defined.ts';
import type { ApiLimits } from './options.ts';
import { iso, isoOrNull } from './schemas/common.ts';
import type { FilterIn, SearchIn } from './schemas/search.ts';

const DEFAULT_RESULTS = 10;

export function toFilter(filter: FilterIn): MetadataFilter {
  switch (filter.type) {
    case 'and':
      return { and: filter.filters.map(toFilter) };
    case 'or':
      return { or: filter.filters.map(toFilter) };
    case 'eq':
    case 'ne':
      return { key: filter.key, op: filter.type, value: filter.value };
    case 'in':
    case 'nin':
      return { key: filter.key, op: filter.type, value: filter.value };
    default:
      return { key: filter.key, op: filter.type, value: filter.value };
  }
}

export interface SearchContext {
  readonly tenant: TenantId;
  readonly principals: readonly string[] | undefined;
  /** The request's `freshet-token` header: the same as `consistency` at_least, which wins. */
  readonly tokenHeader: string | undefined;
  readonly limits: ApiLimits;
}

export function toSearchRequest(body: SearchIn, context: SearchContext): SearchRequest {
  return defined({
    query: body.query,
    limit: body.limit ?? body.max_num_results ?? Math.min(DEFAULT_RESULTS, context.limits.resultsMax),
    tenant: context.tenant,
    mode: body.mode,
    principals: context.principals,
    tables: body.tables,
    filter: body.filters === undefined ? undefined : toFilter(body.filters),
    committedFrom: instantOf(body.committed_from),
    committedTo: instantOf(body.committed_to),
    recency: body.recency && { halfLifeMs: body.recency.half_life_ms, weight: body.recency.weight },
    perDocument: body.per_document,
    consistency: toConsistency(body.consistency, context),
  });
}

const instantOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Date.parse(text));

function toConsistency(given: SearchIn['consistency'], context: SearchContext): Consistency | undefined {
  const { tokenHeader, limits } = context;
  if (given === undefined) {
    return tokenHeader === undefined
      ? undefined
      : { mode: 'at_least', token: tokenHeader, waitMs: limits.waitMsDefault };
  }
  if (given.mode === 'eventual') return { mode: 'eventual' };
  return defined({ mode: given.mode, token: given.token, waitMs: given.waitMs ?? limits.waitMsDefault });
}

/** A threshold cuts what was found; it is not part of the query, whose scores differ by mode. */
export function toSearchAnswer(answer: SearchAnswer, scoreThreshold: number | undefined) {
  const hits = scoreThreshold === undefined ? answer.hits : answer.hits.filter((hit) => hit.score >= scoreThreshold);
  return {
    object: 'vector_store.search_results.page' as const,
    search_query: [answer.query],
    data: hits.map(toResult),
    has_more: false as const,
    next_page: null,
    freshness: toAnswerFreshness(answer.freshness),
    ...(answer.index === undefined ? {} : { index: answer.index }),
    ...(answer.degraded === undefined ? {} : { degraded: answer.degraded }),
  };
}

function toResult(hit: SearchHit) {
  const metadata = Object.fromEntries(
    Object.entries(hit.metadata).map(([key, value]) => [
      key,
      Array.isArray(value) ? [...(value as readonly string[])] : value,
    ]),
  ) as Record<string, string | number | boolean | string[]>;
  return {
    id: hit.chunk,
    file_id: hit.document,
    filename: hit.title || hit.uri || hit.document,
    score: hit.score,
    attributes: {
      ...metadata,
      title: hit.title,
      uri: hit.uri,
      table: hit.table as string,
      version: hit.version as number,
      updated_at: iso(hit.committedAt),
      indexed_at: iso(hit.indexedAt),
    },
    content: [{ type: 'text' as const, text: hit.text as string }],
    location: { start: hit.start, end: hit.end, headings: [...hit.headings] },
  };
}

function toAnswerFreshness(freshness: AnswerFreshness) {
  return {
    asOf: isoOrNull(freshness.asOf),
    lagMs: freshness.lagMs ?? null,
    token: freshness.token,
    tokenReached: freshness.tokenReached,
    perSource: freshness.perSource.map(({ source, asOf, lagMs }) => ({
      source,
      asOf: isoOrNull(asOf),
      lagMs: lagMs ?? null,
    })),
  };
}
