import { z } from 'zod';
import type { LiveEvent } from '../../services/services.ts';
import { callerOf, type Api, type RouteContext } from '../app.ts';
import { tenantOf, type Caller } from '../auth.ts';
import { problem } from '../problems.ts';
import { problemResponses, tenantIn } from '../schemas/common.ts';
import { recentChangesOut } from '../schemas/freshness.ts';
import { sseMessage } from '../streams.ts';
import { liveEventView, recentChangeView } from '../views.ts';

const RECENT_MAX = 200;
const RECENT_DEFAULT = 50;
/** How soon a browser's EventSource comes back. */
const RETRY_MS = 1000;

/** Changes name every document of the tenant, so a key bound to principals may not watch them. */
function tenantOfWatcher(caller: Caller, named: string | undefined) {
  if (caller.principals !== undefined) {
    throw problem(
      'FORBIDDEN',
      'Changes show every document of the tenant; a key bound to principals may not read them.',
    );
  }
  return tenantOf(caller, named);
}

export function changeRoutes(app: Api, { services, limits, streams }: RouteContext): void {
  const tags = ['changes'];

  app.get(
    '/v1/changes',
    {
      config: { requires: 'read' },
      schema: {
        operationId: 'listChanges',
        tags,
        summary: 'The newest changes that became visible, newest first',
        querystring: z.strictObject({
          limit: z.coerce.number().int().min(1).max(RECENT_MAX).default(RECENT_DEFAULT),
          tenant: tenantIn.optional(),
        }),
        response: { 200: recentChangesOut, ...problemResponses },
      },
    },
    (request) => {
      const tenant = tenantOfWatcher(callerOf(request), request.query.tenant);
      return { data: services.freshness.recent(tenant, request.query.limit).map(recentChangeView) };
    },
  );

  app.get(
    '/v1/changes/stream',
    {
      config: { requires: 'read' },
      schema: {
        operationId: 'streamChanges',
        tags,
        summary: 'Live changes as server-sent events, stage by stage',
        description:
          'Events: `document.stage`, `document.upserted`, `document.deleted`, `document.failed`, and `end` with a `reason` before the ' +
          'server closes the stream (`slow-reader`, `shutdown`). Nothing is sent again after a reconnect: read `/v1/changes` then.',
        querystring: z.strictObject({ tenant: tenantIn.optional() }),
        response: {
          200: { description: 'Events', content: { 'text/event-stream': { schema: z.string() } } },
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const tenant = tenantOfWatcher(callerOf(request), request.query.tenant);
      const stream = streams.open(reply, 'sse', limits.streamBufferBytes);
      stream.write(`retry: ${RETRY_MS}\n: connected\n\n`);

      const unsubscribe = services.freshness.subscribe(tenant, (event: LiveEvent) => {
        if (stream.isBehind) {
          stream.write(sseMessage('end', { reason: 'slow-reader' }));
          stream.end();
          return;
        }
        stream.write(sseMessage(event.type, liveEventView(event)));
      });
      const heartbeat = setInterval(() => stream.write(': heartbeat\n\n'), limits.heartbeatMs);
      heartbeat.unref();
      const stop = (): void => {
        clearInterval(heartbeat);
        unsubscribe();
      };
      if (stream.signal.aborted) stop();
      else stream.signal.addEventListener('abort', stop, { once: true });
      return reply;
    },
  );
}
