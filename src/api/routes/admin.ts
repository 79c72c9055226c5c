import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { errorForLog } from '../../observability/error-for-log.ts';
import type { Progress } from '../../services/services.ts';
import { clientSignal, type Api, type RouteContext } from '../app.ts';
import { problem, toProblem } from '../problems.ts';
import { deadLetterOut, deadLettersOut, replayIn, replayOut, retryOut, verifyIn } from '../schemas/admin.ts';
import { problemResponses } from '../schemas/common.ts';
import { indexIn } from '../schemas/indexes.ts';
import type { StreamOut } from '../streams.ts';
import { deadLetterView } from '../views.ts';

/** Often enough to watch, seldom enough not to matter. */
const PROGRESS_INTERVAL_MS = 100;

const ndjson = {
  200: {
    description: 'Lines of JSON: `{"progress"}` …, then `{"result"}` or `{"problem"}`.',
    content: { 'application/x-ndjson': { schema: z.string() } },
  },
  ...problemResponses,
};
const tags = ['admin'];
const config = { requires: 'admin' } as const;

export function adminRoutes(app: Api, context: RouteContext): void {
  const { admin } = context.services;

  app.post(
    '/v1/admin/verify',
    {
      config,
      schema: {
        operationId: 'verify',
        tags,
        summary: 'Compare the index with a rebuild from the source’s current rows',
        body: verifyIn,
        response: ndjson,
      },
    },
    async (request, reply) => {
      await streamResult(context, reply, (onProgress, signal) => admin.verify(request.body, onProgress, signal));
      return reply;
    },
  );

  app.post(
    '/v1/admin/rebuild',
    {
      config,
      schema: {
        operationId: 'rebuild',
        tags,
        summary: 'Build the index anew beside the old one, then swap',
        response: ndjson,
      },
    },
    async (_request, reply) => {
      await streamResult(context, reply, (onProgress, signal) => admin.rebuild(onProgress, signal));
      return reply;
    },
  );

  app.post(
    '/v1/admin/replay',
    {
      config,
      schema: {
        operationId: 'replay',
        tags,
        summary: 'Start a source again from a position',
        body: replayIn,
        response: { 202: replayOut, ...problemResponses },
      },
    },
    async (request, reply) => reply.code(202).send(await admin.replay(request.body, clientSignal(reply))),
  );

  deadLetterRoutes(app, context);
}

function deadLetterRoutes(app: Api, { services }: RouteContext): void {
  const { deadLetters } = services.admin;
  const params = z.object({ id: z.string().min(1).max(512) });
  const querystring = z.strictObject({ index: indexIn });

  app.get(
    '/v1/admin/dead-letters',
    {
      config,
      schema: {
        operationId: 'listDeadLetters',
        tags,
        summary: 'Changes that could not be processed',
        querystring: z.strictObject({
          limit: z.coerce.number().int().min(1).max(1000).default(100),
          after: z.string().min(1).max(512).optional(),
          index: indexIn,
        }),
        response: { 200: deadLettersOut, ...problemResponses },
      },
    },
    async (request) => {
      const { limit, after, index } = request.query;
      const letters = await deadLetters.list(limit + 1, after, index);
      const page = letters.slice(0, limit);
      const hasMore = letters.length > limit;
      return { data: page.map(deadLetterView), has_more: hasMore, after: hasMore ? (page.at(-1)?.id ?? null) : null };
    },
  );

  app.get(
    '/v1/admin/dead-letters/:id',
    {
      config,
      schema: {
        operationId: 'getDeadLetter',
        tags,
        summary: 'One of them',
        params,
        querystring,
        response: { 200: deadLetterOut, ...problemResponses },
      },
    },
    async (request) => {
      const letter = await deadLetters.get(request.params.id, request.query.index);
      if (letter === undefined) throw problem('NOT_FOUND', 'No such dead letter. It may have been retried meanwhile.');
      return deadLetterView(letter);
    },
  );

  app.post(
    '/v1/admin/dead-letters/:id/retry',
    {
      config,
      schema: {
        operationId: 'retryDeadLetter',
        tags,
        summary:
          'Read the row again by its key, or its record by its place in the log, and process it; `all` retries every letter',
        params,
        querystring,
        response: { 200: retryOut, ...problemResponses },
      },
    },
    async (request, reply) => deadLetters.retry(request.params.id, clientSignal(reply), request.query.index),
  );
}

/** Long work as NDJSON. The work is cancelled when its reader leaves or the server closes. */
async function streamResult<Result>(
  { streams, limits }: RouteContext,
  reply: FastifyReply,
  work: (onProgress: (progress: Progress) => void, signal: AbortSignal) => Promise<Result>,
): Promise<void> {
  const stream = streams.open(reply, 'ndjson', limits.streamBufferBytes);
  try {
    const result = await work(progressWriter(stream), stream.signal);
    stream.write(line({ result }));
  } catch (error) {
    reply.log.warn({ err: errorForLog(error) }, 'admin work failed');
    stream.write(line({ problem: toProblem(error, reply.request.id).problem }));
  } finally {
    stream.end();
  }
}

const line = (value: unknown): string => `${JSON.stringify(value)}\n`;

/** Progress is a courtesy: left out when it comes too fast or the reader is slow, never the first or last line of a phase. */
function progressWriter(stream: StreamOut): (progress: Progress) => void {
  let phase: string | undefined;
  let writtenAt = 0;
  return (progress) => {
    const now = performance.now();
    const matters = progress.phase !== phase || progress.done === progress.total;
    if (!matters && (now - writtenAt < PROGRESS_INTERVAL_MS || !stream.isDrained)) return;
    if (stream.isBehind) return;
    phase = progress.phase;
    writtenAt = now;
    stream.write(line({ progress: { phase: progress.phase, done: progress.done, total: progress.total ?? null } }));
  };
}
