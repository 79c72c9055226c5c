import { z } from 'zod';
import type { ApiLimits } from '../options.ts';
import { documentIdIn, instantOut, metadataOut, metadataValue, stageTimesOut, tenantIn } from './common.ts';

const METADATA_FIELDS_MAX = 64;

const documentFields = {
  text: z.string(),
  title: z.string().max(4096).optional(),
  uri: z.string().max(4096).optional(),
  format: z.enum(['markdown', 'html', 'plain']).optional(),
  access: z
    .array(z.string().min(1).max(256))
    .max(1000)
    .optional()
    .describe('Principals allowed to see it; empty or absent means everyone of the tenant.'),
  metadata: z
    .record(z.string().min(1).max(256), metadataValue)
    .refine((fields) => Object.keys(fields).length <= METADATA_FIELDS_MAX, {
      message: `At most ${METADATA_FIELDS_MAX} metadata fields`,
    })
    .optional(),
  sourceVersion: z
    .int()
    .min(0)
    .optional()
    .describe(
      'Your own monotonic number. A lower or equal one than stored is ignored. By default a clock in microseconds.',
    ),
  tenant: tenantIn.optional(),
};

export const documentIn = z.strictObject(documentFields).meta({ id: 'DocumentBody' });

export function batchIn(limits: ApiLimits) {
  return z.strictObject({
    documents: z
      .array(z.strictObject({ id: documentIdIn, ...documentFields }))
      .min(1)
      .max(limits.batchDocumentsMax),
  });
}

export const receiptOut = z
  .object({
    id: z.string().describe('The document id.'),
    externalId: z.string().describe('The id it was pushed under.'),
    accepted: z.boolean(),
    reason: z.enum(['superseded', 'duplicate']).optional().describe('Why it was not accepted.'),
    token: z.string(),
  })
  .meta({ id: 'Receipt' });

export const batchOut = z.object({
  receipts: z.array(receiptOut),
  token: z.string().describe('Covers every document of the batch.'),
});

export const documentOut = z
  .object({
    id: z.string(),
    source: z.string(),
    table: z.string(),
    tenant: z.string(),
    title: z.string(),
    uri: z.string(),
    access: z.array(z.string()),
    metadata: metadataOut,
    version: z.number(),
    committedAt: instantOut,
    indexedAt: instantOut,
    chunks: z.array(
      z.object({
        id: z.string(),
        text: z.string(),
        start: z.int(),
        end: z.int(),
        headings: z.array(z.string()),
      }),
    ),
  })
  .meta({ id: 'Document', description: 'A document as it is searchable now; its text is redacted.' });

export const statusOut = z
  .object({
    id: z.string(),
    state: z.enum(['unknown', 'received', 'redacted', 'embedded', 'visible', 'deleted', 'failed']),
    version: z.number().nullable(),
    times: stageTimesOut,
    freshnessMs: z.number().nullable().describe('Commit → visible of the last change.'),
    failure: z.object({ stage: z.string(), code: z.string(), message: z.string(), deadLetter: z.string() }).optional(),
  })
  .meta({ id: 'DocumentStatus' });
