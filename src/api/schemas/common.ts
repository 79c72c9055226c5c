import { z } from 'zod';
import { isoInstant, type Instant } from '../../domain/time.ts';

/** An instant on the wire: RFC 3339 in UTC. */
export const instantOut = z.string().meta({ format: 'date-time', examples: ['2026-11-20T06:31:02.114Z'] });

/** Anything `Date` reads as RFC 3339 with an offset; becomes milliseconds in the handler. */
export const instantIn = z.iso.datetime({ offset: true });

export const iso = (instant: Instant): string => isoInstant(instant);
export const isoOrNull = (instant: Instant | undefined): string | null =>
  instant === undefined ? null : isoInstant(instant);

export const metadataValue = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]);
export const metadataOut = z.record(z.string(), metadataValue);

export const tenantIn = z
  .string()
  .min(1)
  .max(256)
  .describe('Another tenant than the key’s: only with an admin key, or locally.');
export const documentIdIn = z
  .string()
  .min(1)
  .max(512)
  .describe('A document id (UUID), or for pushed documents the id they were pushed under.');
export const tokenIn = z.string().min(1).max(1024);

export const problemOut = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string(),
    instance: z.string().optional(),
    errors: z.array(z.object({ in: z.string(), pointer: z.string(), detail: z.string() })).optional(),
    details: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' });

const problemResponse = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: problemOut } },
});

/** What every route may answer besides its own. */
export const problemResponses = {
  '4xx': problemResponse('The request was refused.'),
  '5xx': problemResponse('The request failed.'),
} as const;

export const stageTimesOut = z.object({
  committed: instantOut.optional(),
  received: instantOut.optional(),
  redacted: instantOut.optional(),
  embedded: instantOut.optional(),
  visible: instantOut.optional(),
});

export const progressLine = z.object({
  progress: z.object({ phase: z.string(), done: z.number(), total: z.number().nullable() }),
});
