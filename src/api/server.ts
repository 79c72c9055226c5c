import { randomUUID } from 'node:crypto';
import fastifyRateLimit from '@fastify/rate-limit';
import fastifySwagger from '@fastify/swagger';
import fastify, { LogController, type FastifyBaseLogger } from 'fastify';
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import type { OpenAPIV3_1 } from 'openapi-types';
import type { Registry } from 'prom-client';
import type { Api, RouteContext } from './app.ts';
import { closeConnections } from './close.ts';
import { guardRequests } from './guard.ts';
import { handleErrors, sendProblem } from './handle-errors.ts';
import { openApiInfo, withoutUnusedSchemas } from './openapi.ts';
import { checkAuth, DEFAULT_LIMITS, type ApiLimits, type ServerOptions } from './options.ts';
import { problem, toProblem } from './problems.ts';
import { recordRequests, traceIdOf } from './request-log.ts';
import { adminRoutes } from './routes/admin.ts';
import { changeRoutes } from './routes/changes.ts';
import { demoRoutes } from './routes/demo.ts';
import { documentRoutes } from './routes/documents.ts';
import { freshnessRoutes } from './routes/freshness.ts';
import { indexRoutes } from './routes/indexes.ts';
import { pageRoutes } from './routes/page.ts';
import { searchRoutes } from './routes/search.ts';
import { OpenStreams, sseMessage, type StreamKind } from './streams.ts';
import { validatorCompiler } from './validation.ts';

const REQUEST_ID = /^[\w.:-]{1,128}$/u;
const PATH_PART_CHARS_MAX = 2048;

const FAREWELL: Record<StreamKind, string> = {
  sse: sseMessage('end', { reason: 'shutdown' }),
  ndjson: `${JSON.stringify({ problem: toProblem(problem('SHUTTING_DOWN', 'The instance was stopped before the work was done.')).problem })}\n`,
};

/**
 * The HTTP API, built but not listening: `await buildServer(…)`, then `listen({ host: auth.host, port })`, or `inject` in a test.
 * `close()` ends open streams, lets running requests finish within `limits.closeGraceMs`, then cuts them off.
 * @throws FreshetError API_KEY_REQUIRED when it would be reachable from other machines without a key.
 */
export async function buildServer(options: ServerOptions): Promise<Api> {
  checkAuth(options.auth);
  const limits: ApiLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const streams = new OpenStreams(limits.streamsMax);
  const app: Api = fastify({
    loggerInstance: options.logger as FastifyBaseLogger,
    // Fastify's own lines hold the raw URL, and an id in it may be personal data: ours hold the route.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    bodyLimit: limits.bodyBytes,
    routerOptions: { maxParamLength: PATH_PART_CHARS_MAX },
    requestIdHeader: false,
    // Paths that are no URL fail before any route or hook.
    frameworkErrors: (error, request, reply) => void sendProblem(error, request, reply),
    genReqId: (raw) => {
      const given = raw.headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
    childLoggerFactory: (logger, bindings, loggerOptions, raw) => {
      const traceId = traceIdOf(raw.headers.traceparent);
      return logger.child(traceId === undefined ? bindings : { ...bindings, traceId }, loggerOptions);
    },
  }).withTypeProvider<ZodTypeProvider>();

  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  // Text bodies are what another site's plain form can send; JSON is all we take.
  app.removeContentTypeParser('text/plain');

  recordRequests(app, options.metrics);
  handleErrors(app);
  guardRequests(app, options.auth);
  await limitRate(app, limits);
  await app.register(fastifySwagger, {
    openapi: openApiInfo(options.version, options.auth.keys.length > 0),
    transform: jsonSchemaTransform,
    transformObject: (document) =>
      withoutUnusedSchemas(jsonSchemaTransformObject(document) as Partial<OpenAPIV3_1.Document>),
  });
  closeConnections(app, limits.closeGraceMs);
  app.addHook('preClose', async () => {
    streams.closeAll((stream) => stream.write(FAREWELL[stream.kind]));
  });

  const context: RouteContext = {
    services: options.services,
    limits,
    streams,
    demo: options.demo,
    version: options.version,
    principalId: options.auth.principalId ?? ((principal) => principal),
  };
  registerRoutes(app, context, options.metrics);
  if (options.webRoot !== undefined) await pageRoutes(app, options.webRoot);
  return app;
}

function registerRoutes(app: Api, context: RouteContext, metrics: Registry): void {
  searchRoutes(app, context);
  documentRoutes(app, context);
  changeRoutes(app, context);
  freshnessRoutes(app, { ...context, metrics });
  adminRoutes(app, context);
  indexRoutes(app, context);
  if (context.demo !== undefined) demoRoutes(app, context.demo);
  app.get('/openapi.json', { config: { requires: 'public' }, schema: { hide: true } }, (_request, reply) =>
    reply.type('application/json').send(JSON.stringify(app.swagger())),
  );
}

/** Per key, and per address for those without a right one, so that guessing keys is limited too. */
async function limitRate(app: Api, limits: ApiLimits): Promise<void> {
  if (limits.requestsPerMinute === 0) return;
  await app.register(fastifyRateLimit, {
    global: true,
    max: limits.requestsPerMinute,
    timeWindow: 60_000,
    cache: 10_000,
    keyGenerator: (request) => (request.caller === undefined ? `ip:${request.ip}` : `key:${request.caller.name}`),
    errorResponseBuilder: (_request, context) =>
      problem(
        'RATE_LIMITED',
        `At most ${context.max} requests per minute. Try again in ${Math.ceil(context.ttl / 1000)} s.`,
        {
          limit: context.max,
        },
      ),
  });
}
