import { z } from 'zod';
import { instantOut } from './common.ts';
import { indexIn } from './indexes.ts';

export const verifyIn = z
  .strictObject({
    repair: z.boolean().default(false),
    vectorSample: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(100)
      .describe('How many vectors are computed again and compared.'),
    index: indexIn,
  })
  .prefault({});

export const replayIn = z.strictObject({
  source: z.string().min(1).max(256),
  from: z
    .string()
    .min(1)
    .max(1024)
    .describe('`snapshot`, or a position of the source’s log where it reaches back that far.'),
  index: indexIn,
});

export const deadLetterOut = z
  .object({
    id: z.string(),
    source: z.string(),
    table: z.string().nullable(),
    document: z.string().nullable(),
    position: z.object({ partition: z.string(), offset: z.string() }),
    version: z.number().nullable(),
    committedAt: instantOut.nullable(),
    stage: z.string(),
    code: z.string(),
    message: z.string(),
    attempts: z.int(),
    failedAt: instantOut,
  })
  .meta({
    id: 'DeadLetter',
    description: 'Coordinates and codes of a change that failed; never its text, never its row’s key.',
  });

export const deadLettersOut = z.object({
  data: z.array(deadLetterOut),
  has_more: z.boolean(),
  after: z.string().nullable().describe('Pass it as `after` for the next page.'),
});

export const retryOut = z.object({ retried: z.int(), failed: z.int() });
export const replayOut = z.object({ message: z.string() });
