import { callerOf, clientSignal, headerOf, TOKEN_HEADER, type Api, type RouteContext } from '../app.ts';
import { principalsOf, tenantOf } from '../auth.ts';
import { problemResponses } from '../schemas/common.ts';
import { searchIn, searchOut } from '../schemas/search.ts';
import { toSearchAnswer, toSearchRequest } from '../search-mapping.ts';

export function searchRoutes(app: Api, { services, limits }: RouteContext): void {
  app.post(
    '/v1/search',
    {
      config: { requires: 'read' },
      schema: {
        operationId: 'search',
        tags: ['search'],
        summary: 'Hybrid search; the shape of OpenAI’s vector-store search, plus how fresh the answer is',
        body: searchIn(limits),
        response: { 200: searchOut, ...problemResponses },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const caller = callerOf(request);
      const query = toSearchRequest(body, {
        tenant: tenantOf(caller, body.tenant),
        principals: principalsOf(caller, body.principals),
        tokenHeader: headerOf(request, TOKEN_HEADER),
        limits,
      });
      const answer = await services.search.search(query, clientSignal(reply));
      void reply.header(TOKEN_HEADER, answer.freshness.token);
      return toSearchAnswer(answer, body.ranking_options?.score_threshold);
    },
  );
}
