import { clientSignal, type Api, type RouteContext } from '../app.ts';
import { indexesView } from '../index-views.ts';
import { problemResponses } from '../schemas/common.ts';
import { canaryIn, dropIn, droppedOut, forceIn, indexesOut } from '../schemas/indexes.ts';

const tags = ['indexes'];
const config = { requires: 'admin' } as const;
const response = { 200: indexesOut, ...problemResponses };

/** Blue/green: which index answers, which is built beside it, and the way from one to the other. */
export function indexRoutes(app: Api, { services }: RouteContext): void {
  const { indexes } = services;

  app.get(
    '/v1/indexes',
    {
      config: { requires: 'read' },
      schema: { operationId: 'listIndexes', tags, summary: 'The indexes, their roles, and how they compare', response },
    },
    async (_request, reply) => indexesView(await indexes.report(clientSignal(reply))),
  );

  app.post(
    '/v1/indexes/canary',
    {
      config,
      schema: {
        operationId: 'setCanary',
        tags,
        summary: 'Let the candidate answer a share of the queries',
        body: canaryIn,
        response,
      },
    },
    async (request, reply) => indexesView(await indexes.canary(request.body.percent / 100, clientSignal(reply))),
  );

  app.post(
    '/v1/indexes/switch',
    {
      config,
      schema: {
        operationId: 'switchIndex',
        tags,
        summary: 'Make the candidate the live index',
        body: forceIn,
        response,
      },
    },
    async (request, reply) => indexesView(await indexes.switch(request.body, clientSignal(reply))),
  );

  app.post(
    '/v1/indexes/rollback',
    {
      config,
      schema: {
        operationId: 'rollbackIndex',
        tags,
        summary: 'Make the previous index the live one again',
        body: forceIn,
        response,
      },
    },
    async (request, reply) => indexesView(await indexes.rollback(request.body, clientSignal(reply))),
  );

  app.post(
    '/v1/indexes/drop',
    {
      config,
      schema: {
        operationId: 'dropIndex',
        tags,
        summary: 'Stop feeding an index and delete it, with what feeds it at the sources; never the live one',
        body: dropIn,
        response: { 200: droppedOut, ...problemResponses },
      },
    },
    async (request, reply) => {
      const { dropped, leftBehind } = await indexes.drop(request.body.name, clientSignal(reply));
      return { dropped, leftBehind: [...leftBehind] };
    },
  );
}
