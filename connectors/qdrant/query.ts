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

export interface HybridPlan {
  /** What a place among the words' hits counts for beside one among the vectors', 0 … 1, see {@link coverageOf}. */
  readonly wordsCountFor: number;
  /**
   * Whether each of several shards answers for itself. A fusion below another query is then one of each shard's own places, which do not
   * compare (qdrant/qdrant#10640): the fusion must be the outermost query, and recency is added to its answer by who asks.
   */
  readonly isSharded: boolean;
}

/**
 * The query for the `depth` best chunks, or undefined when nothing can match. Scores: cosine in dense mode; BM25 of the text plus twice
 * that of the title in lexical mode; in hybrid mode the sum over both lists of share / (60 + place), plus recency.
 */
export function queryRequest(
  query: SearchQuery,
  depth: number,
  truncations: ReadonlyMap<TableId, Truncation>,
  plan: HybridPlan,
): QueryRequest | undefined {
  if (query.tables?.length === 0) return undefined;
  const filter = chunkFilter(query, truncations);
  const terms = query.mode === 'dense' && query.vector !== undefined ? undefined : queryTerms(query.text);
  const wide = query.mode === 'hybrid' ? Math.max(FUSED_DEPTH_MIN, depth) : depth;
  const vectors = query.vector === undefined || query.mode === 'lexical' ? [] : [dense(query.vector, filter, wide)];
  const words = terms === undefined || terms.indices.length === 0 ? [] : [lexical(terms, filter, wide)];
  const lists = [...vectors, ...words];
  const [only] = lists;
  if (only === undefined) return undefined;
  const answer = { limit: depth, with_payload: true };
  if (query.mode !== 'hybrid') return { ...only, ...answer };
  const shares = lists.length === 2 ? [1, plan.wordsCountFor] : [1];
  if (!plan.isSharded) return { ...fused(lists, shares, query), ...answer };
  const limit = query.recency === undefined ? depth : 2 * wide;
  return { prefetch: lists, query: { rrf: { k: RRF_K, weights: shares.map(stretch) } }, ...answer, limit };
}

/** Each list's places as scores of its own, then one sum: the server's own weighted fusion stretches places instead, see {@link stretch}. */
function fused(lists: readonly Prefetch[], shares: readonly number[], { recency, now }: SearchQuery): QueryRequest {
  const prefetch = lists.map((list) => ({ prefetch: [list], query: { rrf: { k: RRF_K } }, limit: list.limit! }));
  const scores = lists.map((_, at) => `$score[${at}]`);
  const places = scores.map((score, at): Schemas['Expression'] => ({ mult: [shares[at]!, score] }));
  return {
    prefetch,
    query: {
      formula: { sum: [...places, ...(recency === undefined ? [] : worthOfAge(recency, now))] },
      defaults: { ...Object.fromEntries(scores.map((score) => [score, 0])), updated_at: '1970-01-01T00:00:00Z' },
    },
  };
}

/**
 * The server's weight for a list whose places are to count for a share: its weighted fusion is 1 / (place / weight + 60). The first place
 * gets its share exactly, those below it less.
 */
function stretch(share: number): number {
  return 1 / (RRF_K / Math.max(share, 0.01) - (RRF_K - 1));
}

/** So many of the best hits tell how well words answer a question; one alone may owe its place to chance. */
const JUDGED = 10;

/** The best hits by words alone, with their terms, for {@link coverageOf}; undefined where nothing is weighed against words. */
export function coverageRequest(
  query: SearchQuery,
  truncations: ReadonlyMap<TableId, Truncation>,
): QueryRequest | undefined {
  if (query.mode !== 'hybrid' || query.vector === undefined || query.tables?.length === 0) return undefined;
  const terms = queryTerms(query.text);
  if (terms.indices.length === 0) return undefined;
  const best = lexical(terms, chunkFilter(query, truncations), JUDGED);
  return { ...best, with_payload: false, with_vector: ['bm25', 'title'] };
}

/**
 * The share of the query's words that a hit holds, on average: 0 … 1. Near 1 the question is put in the words of the texts; low, it is a
 * paraphrase of them, and what matches does so by its most ordinary words.
 * @param hits the terms of each
 */
export function coverageOf(query: SearchQuery, hits: readonly ReadonlySet<number>[]): number {
  const { indices } = queryTerms(query.text);
  if (hits.length === 0 || indices.length === 0) return 0;
  const held = hits.reduce((sum, terms) => sum + indices.filter((term) => terms.has(term)).length, 0);
  return held / (indices.length * hits.length);
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
 * weight × 2^(−age / half-life). The decay is symmetric about now, so a time in the future is taken out of it and counts as now; a point
 * without a time, which must not fail the query, counts as very old.
 */
function worthOfAge({ halfLifeMs, weight }: Recency, now: number): readonly Schemas['Expression'][] {
  const nowText = new Date(now).toISOString();
  const age = { x: { datetime_key: 'updated_at' }, target: { datetime: nowText }, scale: halfLifeMs / 1000 };
  return [
    { mult: [weight, within('committed', { lte: now }), { exp_decay: { ...age, midpoint: 0.5 } }] },
    { mult: [weight, within('committed', { gt: now })] },
  ];
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
