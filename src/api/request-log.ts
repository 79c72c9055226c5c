import { Histogram, type Registry } from 'prom-client';
import type { Api } from './app.ts';

/** `00-<trace id>-<parent id>-<flags>` (W3C Trace Context §3.2); all-zero ids are invalid. */
const TRACEPARENT = /^[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:-|$)/u;

export function traceIdOf(traceparent: string | string[] | undefined): string | undefined {
  return typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent)?.[1] : undefined;
}

const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
} as const;

/** One log line and one metric per request, by route pattern: neither path nor query string, which may hold personal data. */
export function recordRequests(app: Api, metrics: Registry): void {
  const seconds = new Histogram({
    name: 'freshet_http_request_seconds',
    help: 'Time to answer a request, by route and status class; streams count until they end.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [metrics],
  });

  app.addHook('onRequest', async (request, reply) => {
    void reply.headers({ ...SECURITY_HEADERS, 'x-request-id': request.id });
  });

  app.addHook('onResponse', async (request, reply) => {
    // Fastify writes a literal colon as two.
    const route = request.is404 ? 'unknown' : (request.routeOptions.url?.replaceAll('::', ':') ?? 'unknown');
    const ms = reply.elapsedTime;
    const status = reply.statusCode;
    seconds.observe({ method: methodLabel(request.method), route, status: `${Math.floor(status / 100)}xx` }, ms / 1000);
    request.log.debug({ method: request.method, route, status, ms: Math.round(ms * 10) / 10 }, 'request');
  });
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']);
const methodLabel = (method: string): string => (METHODS.has(method) ? method : 'other');
