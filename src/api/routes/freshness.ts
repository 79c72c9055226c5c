import type { Registry } from 'prom-client';
import { z } from 'zod';
import { clientSignal, TOKEN_HEADER, type Api, type RouteContext } from '../app.ts';
import { problemResponses } from '../schemas/common.ts';
import { freshnessOut, readyOut } from '../schemas/freshness.ts';
import { freshnessView } from '../views.ts';

export function freshnessRoutes(app: Api, { services, metrics }: RouteContext & { readonly metrics: Registry }): void {
  app.get(
    '/v1/freshness',
    {
      config: { requires: 'read' },
      schema: {
        operationId: 'getFreshness',
        tags: ['freshness'],
        summary: 'How far behind each source the index is, and how long recent changes took',
        response: { 200: freshnessOut, ...problemResponses },
      },
    },
    async (_request, reply) => {
      const report = await services.freshness.report(clientSignal(reply));
      void reply.header(TOKEN_HEADER, report.token);
      return freshnessView(report);
    },
  );

  app.get(
    '/livez',
    {
      config: { requires: 'public', rateLimit: false },
      schema: {
        operationId: 'livez',
        tags: ['health'],
        summary: 'The process answers',
        response: { 200: z.object({ live: z.literal(true) }) },
      },
    },
    () => ({ live: true as const }),
  );

  app.get(
    '/readyz',
    {
      config: { requires: 'public', rateLimit: false },
      schema: {
        operationId: 'readyz',
        tags: ['health'],
        summary: 'The initial index is built and queries are answered',
        response: { 200: readyOut, 503: readyOut },
      },
    },
    async (_request, reply) => {
      const { ready, reasons } = await services.freshness.ready();
      return reply.code(ready ? 200 : 503).send({ ready, reasons: [...reasons] });
    },
  );

  app.get(
    '/metrics',
    {
      config: { requires: 'read', rateLimit: false },
      schema: {
        operationId: 'metrics',
        tags: ['health'],
        summary: 'Metrics in the Prometheus text format',
        response: {
          200: { description: 'Metrics', content: { 'text/plain': { schema: z.string() } } },
          ...problemResponses,
        },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()),
  );
}
