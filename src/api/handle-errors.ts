import type { FastifyReply, FastifyRequest } from 'fastify';
import { codeOf } from '../domain/errors.ts';
import { errorForLog } from '../observability/error-for-log.ts';
import type { Api } from './app.ts';
import { problem, toProblem } from './problems.ts';

/** Every answer that is not what was asked for is a problem of RFC 9457. */
export function handleErrors(app: Api): void {
  const routes = new RouteTable();
  app.addHook('onRoute', ({ method, url }) => routes.add(url, [method].flat()));

  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply));

  app.setNotFoundHandler((request, reply) => {
    const allowed = routes.methodsOf(request.url);
    if (allowed.length === 0)
      return sendProblem(problem('NOT_FOUND', 'No such address. See /openapi.json.'), request, reply);
    void reply.header('allow', allowed.join(', '));
    return sendProblem(problem('METHOD_NOT_ALLOWED', `Supported here: ${allowed.join(', ')}.`), request, reply);
  });
}

export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { problem: body, retryAfterSeconds } = toProblem(error, request.id);
  const level = body.status >= 500 && codeOf(error) !== 'ABORTED' ? 'error' : 'debug';
  request.log[level]({ err: errorForLog(error), code: body.code, status: body.status }, 'request failed');
  if (retryAfterSeconds !== undefined) void reply.header('retry-after', String(retryAfterSeconds));
  if (body.status === 401) void reply.header('www-authenticate', 'Bearer');
  return reply
    .code(body.status)
    .type('application/problem+json')
    .send(Buffer.from(JSON.stringify(body)));
}

/** Which methods a path knows, to tell 405 from 404. Patterns are Fastify's: `:name` for one part, `::` for a colon. */
class RouteTable {
  readonly #routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = [];

  add(url: string, methods: readonly string[]): void {
    const source = url
      .split('/')
      .map((part) =>
        /^:(?!:)/u.test(part) ? '[^/]+' : part.replaceAll('::', ':').replace(/[.*+?^${}()|[\]\\]/gu, '\\$&'),
      )
      .join('/');
    this.#routes.push({ pattern: new RegExp(`^${source}$`, 'u'), methods });
  }

  methodsOf(url: string): readonly string[] {
    const path = url.split('?', 1)[0] ?? url;
    const methods = this.#routes.filter(({ pattern }) => pattern.test(path)).flatMap((route) => route.methods);
    return [...new Set(methods)].sort();
  }
}
