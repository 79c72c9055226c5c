import { z } from 'zod';
import type { ApiLimits } from '../options.ts';
import { instantIn, instantOut, metadataOut, tenantIn, tokenIn } from './common.ts';

const fieldName = z.string().min(1).max(256);
const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** The filter of OpenAI's vector-store search. */
export type FilterIn =
  | { type: 'eq' | 'ne'; key: string; value: string | number | boolean | string[] }
  | { type: 'gt' | 'gte' | 'lt' | 'lte'; key: string; value: string | number }
  | { type: 'in' | 'nin'; key: string; value: (string | number | boolean)[] }
  | { type: 'and' | 'or'; filters: FilterIn[] };

export const filterIn: z.ZodType<FilterIn, FilterIn> = z
  .lazy(() =>
    z.discriminatedUnion('type', [
      z.strictObject({
        type: z.enum(['eq', 'ne']),
        key: fieldName,
        value: z.union([scalar, z.array(z.string()).max(1000)]),
      }),
      z.strictObject({
        type: z.enum(['gt', 'gte', 'lt', 'lte']),
        key: fieldName,
        value: z.union([z.string(), z.number()]),
      }),
      z.strictObject({ type: z.enum(['in', 'nin']), key: fieldName, value: z.array(scalar).min(1).max(1000) }),
      z.strictObject({ type: z.enum(['and', 'or']), filters: z.array(filterIn).min(1).max(100) }),
    ]),
  )
  .meta({ id: 'Filter', description: 'A comparison of one metadata field, or several joined by "and" or "or".' });

export function consistencyIn(limits: ApiLimits) {
  return z.strictObject({
    mode: z
      .enum(['eventual', 'at_least'])
      .default('eventual')
      .describe('"at_least" waits until the state of the token is searchable, "eventual" answers at once.'),
    token: tokenIn
      .optional()
      .describe('From the header `freshet-token` of a write, `freshness.token` of a read, or a plain PostgreSQL LSN.'),
    waitMs: z.int().min(0).max(limits.waitMsMax).optional().describe('How long to wait for the token.'),
  });
}

export function searchIn(limits: ApiLimits) {
  const count = z.int().min(1).max(limits.resultsMax);
  return z
    .strictObject({
      query: z.string().min(1).max(limits.queryCharsMax),
      max_num_results: count.optional().describe('How many results; 10 by default.'),
      limit: count.optional().describe('The same as `max_num_results`.'),
      filters: filterIn.optional(),
      ranking_options: z
        .strictObject({
          ranker: z.enum(['auto', 'none']).optional(),
          score_threshold: z.number().min(0).optional(),
        })
        .optional()
        .describe('Scores are of the mode: fused ranks (hybrid), cosine (dense) or BM25 (lexical).'),
      rewrite_query: z
        .literal(false)
        .optional()
        .describe('Queries are never rewritten; accepted for clients that send it.'),
      mode: z.enum(['hybrid', 'dense', 'lexical']).default('hybrid'),
      tables: z
        .array(z.string().min(1).max(512))
        .min(1)
        .max(100)
        .optional()
        .describe('Only documents of these tables.'),
      recency: z
        .strictObject({
          half_life_ms: z.number().positive(),
          weight: z.number().min(0).max(1).default(0.01),
        })
        .optional()
        .describe('Adds weight × 2^(−age / half-life) to the score.'),
      committed_from: instantIn.optional().describe('Only documents changed at or after this instant.'),
      committed_to: instantIn.optional().describe('Only documents changed before this instant.'),
      per_document: z
        .int()
        .min(1)
        .max(limits.resultsMax)
        .optional()
        .describe('At most this many results of one document.'),
      consistency: consistencyIn(limits).optional(),
      principals: z
        .array(z.string().min(1).max(256))
        .max(1000)
        .optional()
        .describe('Read for a user with these principals.'),
      tenant: tenantIn.optional(),
    })
    .refine((body) => body.limit === undefined || body.max_num_results === undefined, {
      path: ['limit'],
      message: 'Give "limit" or "max_num_results", not both',
    })
    .refine((body) => body.consistency?.mode !== 'at_least' || body.consistency.token !== undefined, {
      path: ['consistency', 'token'],
      message: 'The mode "at_least" needs a token',
    });
}

export type SearchIn = z.output<ReturnType<typeof searchIn>>;

export const answerFreshnessOut = z
  .object({
    asOf: instantOut
      .nullable()
      .describe('Everything committed at the sources up to here is in the answer. Null while unknown.'),
    lagMs: z.number().nullable(),
    token: z.string().describe('Pass it as `consistency.token` to read at least this state.'),
    tokenReached: z
      .boolean()
      .describe('False: the state of the token asked for was not reached in time, and may be missing here.'),
    perSource: z.array(z.object({ source: z.string(), asOf: instantOut.nullable(), lagMs: z.number().nullable() })),
  })
  .meta({ id: 'AnswerFreshness' });

export const searchResultOut = z
  .object({
    id: z.string().describe('Of the chunk.'),
    file_id: z.string().describe('Of the document.'),
    filename: z.string().describe('The document’s title, or its uri, or its id.'),
    score: z.number(),
    attributes: metadataOut.describe(
      'The document’s metadata, with title, uri, table, version, updated_at (its commit) and indexed_at; on a clash of names the latter win.',
    ),
    content: z.array(z.object({ type: z.literal('text'), text: z.string() })),
    location: z
      .object({ start: z.int(), end: z.int(), headings: z.array(z.string()) })
      .describe('UTF-16 offsets into the redacted text, and the headings above, outermost first.'),
  })
  .meta({ id: 'SearchResult' });

export const searchOut = z
  .object({
    object: z.literal('vector_store.search_results.page'),
    search_query: z.array(z.string()).describe('What was searched, after redaction.'),
    data: z.array(searchResultOut),
    has_more: z.literal(false),
    next_page: z.null(),
    freshness: answerFreshnessOut,
    index: z.string().optional().describe('Name of the index that answered, see `/v1/indexes`.'),
    degraded: z
      .object({ code: z.string(), message: z.string() })
      .optional()
      .describe('Set when the query could not be answered as asked, e.g. by words only while the model is away.'),
  })
  .meta({ id: 'SearchAnswer' });
