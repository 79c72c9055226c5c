import { z } from 'zod';

export const articleIn = z.strictObject({ title: z.string().min(1).max(300), body: z.string().max(200_000) });

export const articleSummaryOut = z.object({
  id: z.string(),
  title: z.string(),
  slug: z.string(),
  updatedAt: z.string(),
  documentId: z.string(),
});
export const articleOut = articleSummaryOut.extend({ body: z.string() });
export const articlesOut = z.object({ data: z.array(articleSummaryOut) });
export const writeOut = z.object({ id: z.string(), documentId: z.string(), token: z.string() });
