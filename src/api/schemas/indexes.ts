import { z } from 'zod';
import { instantOut } from './common.ts';

const indexName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,47}$/)
  .describe('Name of an index, or a beginning of it that only one has.');

/** Of the live index unless another is named. */
export const indexIn = indexName.exactOptional();

const percentile = z.number().nullable();
const latencyOut = z.object({ p50: percentile, p95: percentile });

export const indexOut = z.object({
  name: z.string(),
  role: z
    .enum(['live', 'candidate', 'previous', 'unused'])
    .describe(
      '"live" answers; "candidate" is built beside it; "previous" was live before; "unused" only waits to be dropped.',
    ),
  fed: z.boolean().describe('Whether this instance feeds it. What is not fed says nothing of itself.'),
  embedder: z.string().nullable(),
  built: z.boolean().nullable(),
  progress: z.number().nullable().describe('Share of the first copy that is in, 0 … 1.'),
  documents: z.int().nullable(),
  chunks: z.int().nullable(),
  bytesOnDisk: z.number().nullable(),
  asOf: instantOut.nullable(),
  lagMs: z.number().nullable(),
  deadLetters: z.int().nullable(),
  failure: z.object({ code: z.string(), message: z.string() }).nullable(),
});

export const indexesOut = z
  .object({
    data: z.array(indexOut),
    canaryPercent: z.number().describe('Share of queries that the candidate answers.'),
    shadow: z
      .object({
        compared: z.int(),
        failed: z.int(),
        skipped: z.int().describe('Not compared, to stay below the limits.'),
        overlapByDocument: z.number().nullable().describe('Mean share of the best ten results that both have, 0 … 1.'),
        overlapByText: z.number().nullable(),
        liveMs: latencyOut,
        candidateMs: latencyOut,
      })
      .nullable()
      .describe('How the candidate compares with the live index, by queries of lately that both answered.'),
    switchBlockers: z.array(z.string()).describe('What would keep a switch from being done now; empty: nothing.'),
    rollbackBlockers: z.array(z.string()),
    notes: z.array(z.string()),
  })
  .meta({ id: 'Indexes' });

export const canaryIn = z.strictObject({ percent: z.number().min(0).max(100) });
export const forceIn = z
  .strictObject({
    force: z.boolean().default(false).describe('Also while it is not built, or behind.'),
  })
  .prefault({});
export const dropIn = z.strictObject({ name: indexName });
export const droppedOut = z.object({
  dropped: z.string(),
  leftBehind: z.array(z.string()).describe('What could not be removed, and how to do it by hand.'),
});
