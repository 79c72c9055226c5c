import type { Schemas } from '@qdrant/js-client-rest';
import type { TableId } from '../../src/domain/ids.ts';
import type { Recency, SearchQuery } from '../../src/domain/search.ts';
import type { Truncation } from '../../src/domain/source-position.ts';
import { any, is, oneOf, truncated, within, type Filter } from './filters.ts';
import { metadataFilter } from './metadata.ts';
import { vectorNumbers } from './numbers.ts';
import { packText } from './pack.ts';
import { queryTerms } from './terms.ts';

/** Published as k = 60 with places from 1 (Cormack, Clarke and Büttcher 2009); the server counts places from 0. */
const RRF_K = 61;
/** A word in a title says more than one in the text, as in the embedded index. */
const TITLE_WEIGHT = 2;
/** Fused lists are at least this deep, so that a chunk both lists know can rise from the middle of each. */
const FUSED_DEPTH_MIN = 100;

export type QueryRequest = Schemas['QueryRequest'];
type Prefetch = Schemas['Prefetch'];

/**
 * The query for the `depth` best chunks, or undefined when nothing can match. Scores: cosine in dense mode; BM25 of the text plus twice
 * that of the title in lexical mode; in hybrid mode the sum over both lists of 1 / (60 + place), plus recency.
 */
export function queryRequest(
  query: SearchQuery,
  depth: number,
  truncations: ReadonlyMap<TableId, Truncation>,
): QueryRequest | undefined {
  if (query.tables?.length === 0) return undefined;
  const filter = chunkFilter(query, truncations);
  const terms = query.mode === 'dense' && query.vector !== undefined ? undefined : queryTerms(query.text);
  const wide = query.mode === 'hybrid' ? Math.max(FUSED_DEPTH_MIN, depth) : depth;
  const lists = [
    ...(query.vector === undefined || query.mode === 'lexical' ? [] : [dense(query.vector, filter, wide)]),
    ...(terms === undefined || terms.indices.length === 0 ? [] : [lexical(terms, filter, wide)]),
  ];
  const [only] = lists;
  if (only === undefined) return undefined;
  const answer = { limit: depth, with_payload: true };
  if (query.mode !== 'hybrid') return { ...only, ...answer };
  const fused = { prefetch: lists, query: { rrf: { k: RRF_K } } };
  if (query.recency === undefined) return { ...fused, ...answer };
  return { prefetch: { ...fused, limit: 2 * wide }, query: withRecency(query.recency, query.now), ...answer };
}

function dense(vector: Float32Array, filter: Filter, limit: number): Prefetch {
  return { query: vectorNumbers(vector), using: 'dense', filter, limit };
}

/** Two lists, summed: the title has a vector of its own, as it may change where the text does not. */
function lexical(terms: Schemas['SparseVector'], filter: Filter, limit: number): Prefetch {
  const prefetch = ['bm25', 'title'].map((using) => ({ query: terms, using, filter, limit }));
  const formula = { sum: ['$score[0]', { mult: [TITLE_WEIGHT, '$score[1]'] }] };
  return { prefetch, query: { formula, defaults: { '$score[0]': 0, '$score[1]': 0 } }, limit };
}

/**
 * Adds weight × 2^(−age / half-life). The decay is symmetric about now, so a time in the future is taken out of it and counts as now; a
 * point without a time, which must not fail the query, counts as very old.
 */
function withRecency({ halfLifeMs, weight }: Recency, now: number): Schemas['FormulaQuery'] {
  const nowText = new Date(now).toISOString();
  const age = { x: { datetime_key: 'updated_at' }, target: { datetime: nowText }, scale: halfLifeMs / 1000 };
  return {
    formula: {
      sum: [
        '$score',
        { mult: [weight, within('committed', { lte: now }), { exp_decay: { ...age, midpoint: 0.5 } }] },
        { mult: [weight, within('committed', { gt: now })] },
      ],
    },
    defaults: { updated_at: '1970-01-01T00:00:00Z' },
  };
}

/** Everything of a query that is a condition and not a rank, and what is known to be gone. */
function chunkFilter(query: SearchQuery, truncations: ReadonlyMap<TableId, Truncation>): Filter {
  const { tenant, principals, tables, committedFrom, committedTo } = query;
  const open = is('open', true);
  const gone = [...truncations].filter(([table]) => tables === undefined || tables.includes(table));
  return {
    must: [
      is('tenant', packText(tenant)),
      is('kind', 'chunk'),
      is('deleted', false),
      ...(principals === undefined
        ? []
        : [principals.length === 0 ? open : any(open, oneOf('access', principals.map(packText)))]),
      ...(tables === undefined ? [] : [oneOf('table', tables.map(packText))]),
      ...(committedFrom === undefined ? [] : [within('committed', { gte: committedFrom })]),
      ...(committedTo === undefined ? [] : [within('committed', { lt: committedTo })]),
      ...(query.filter === undefined ? [] : [metadataFilter(query.filter)]),
    ],
    ...(gone.length === 0 ? {} : { must_not: gone.map(([table, truncation]) => truncated(table, truncation)) }),
  };
}
