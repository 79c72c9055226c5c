import { describe, expect, it } from 'vitest';
import { FreshetError } from '../../src/domain/errors.ts';
import type { SearchRequest } from '../../src/services/services.ts';
import { hit, openServer, searchAnswer } from './fakes.ts';

async function asked(body: object, headers: Record<string, string> = {}) {
  const requests: SearchRequest[] = [];
  await using server = await openServer({
    search: {
      search: async (request) => {
        requests.push(request);
        return searchAnswer();
      },
    },
  });
  const response = await server.app.inject({
    method: 'POST',
    url: '/v1/search',
    payload: body,
    headers: { host: 'localhost', ...headers },
  });
  return { response, request: requests[0] };
}

describe('POST /v1/search', () => {
  it('answers in the shape of a vector-store search, with freshness', async () => {
    const { response, request } = await asked({ query: 'returns' });
    expect(response.statusCode).toBe(200);
    expect(response.headers['freshet-token']).toBe('tok-1');
    expect(request).toEqual({ query: 'returns', limit: 10, tenant: 'default', mode: 'hybrid' });
    expect(response.json()).toEqual({
      object: 'vector_store.search_results.page',
      search_query: ['returns'],
      data: [
        {
          id: hit().chunk,
          file_id: hit().document,
          filename: 'Returns',
          score: 0.0325,
          attributes: {
            category: 'orders',
            tags: ['a', 'b'],
            title: 'Returns',
            uri: 'kb://returns',
            table: 'app.public.articles',
            version: 12,
            updated_at: '2026-11-20T06:31:01.914Z',
            indexed_at: '2026-11-20T06:31:01.964Z',
          },
          content: [{ type: 'text', text: 'Returns are accepted within 45 days.' }],
          location: { start: 0, end: 36, headings: ['Returns'] },
        },
      ],
      has_more: false,
      next_page: null,
      freshness: {
        asOf: '2026-11-20T06:31:02.064Z',
        lagMs: 50,
        token: 'tok-1',
        tokenReached: true,
        perSource: [{ source: 'app', asOf: '2026-11-20T06:31:02.064Z', lagMs: 50 }],
      },
    });
  });

  it('passes every option on in the words of the domain', async () => {
    const { request } = await asked({
      query: 'q',
      max_num_results: 7,
      mode: 'lexical',
      tables: ['app.public.articles'],
      filters: {
        type: 'and',
        filters: [
          { type: 'eq', key: 'category', value: 'orders' },
          {
            type: 'or',
            filters: [
              { type: 'gte', key: 'year', value: 2020 },
              { type: 'nin', key: 'lang', value: ['de', 'fr'] },
            ],
          },
        ],
      },
      recency: { half_life_ms: 60_000 },
      committed_from: '2026-01-01T00:00:00Z',
      committed_to: '2026-02-01T00:00:00+01:00',
      per_document: 1,
      principals: ['group:staff'],
      consistency: { mode: 'at_least', token: '0/16B3748', waitMs: 500 },
    });
    expect(request).toEqual({
      query: 'q',
      limit: 7,
      tenant: 'default',
      mode: 'lexical',
      tables: ['app.public.articles'],
      filter: {
        and: [
          { key: 'category', op: 'eq', value: 'orders' },
          {
            or: [
              { key: 'year', op: 'gte', value: 2020 },
              { key: 'lang', op: 'nin', value: ['de', 'fr'] },
            ],
          },
        ],
      },
      recency: { halfLifeMs: 60_000, weight: 0.01 },
      committedFrom: Date.UTC(2026, 0, 1),
      committedTo: Date.UTC(2026, 0, 31, 23),
      perDocument: 1,
      principals: ['group:staff'],
      consistency: { mode: 'at_least', token: '0/16B3748', waitMs: 500 },
    });
  });

  it('takes the token from the header when the body says nothing of consistency', async () => {
    const { request } = await asked({ query: 'q' }, { 'freshet-token': 'tok-9' });
    expect(request?.consistency).toEqual({ mode: 'at_least', token: 'tok-9', waitMs: 2000 });
    const explicit = await asked({ query: 'q', consistency: { mode: 'eventual' } }, { 'freshet-token': 'tok-9' });
    expect(explicit.request?.consistency).toEqual({ mode: 'eventual' });
  });

  it('says that a token was not reached, with what it has', async () => {
    const answer = searchAnswer();
    await using server = await openServer({
      search: {
        search: async () => ({
          ...answer,
          freshness: { ...answer.freshness, asOf: undefined, lagMs: undefined, tokenReached: false },
        }),
      },
    });
    const response = await server.app.inject({ method: 'POST', url: '/v1/search', payload: { query: 'q' } });
    expect(response.statusCode).toBe(200);
    expect(response.json().data).toHaveLength(1);
    expect(response.json().freshness).toMatchObject({ tokenReached: false, asOf: null, lagMs: null });
  });

  it('cuts results below the score threshold and says when the answer is degraded', async () => {
    const degraded = { code: 'EMBEDDER_UNAVAILABLE', message: 'By words only.' };
    await using server = await openServer({
      search: { search: async () => searchAnswer({ hits: [hit(), hit({ score: 0.001 })], degraded }) },
    });
    const response = await server.app.inject({
      method: 'POST',
      url: '/v1/search',
      payload: { query: 'q', ranking_options: { score_threshold: 0.01 } },
    });
    expect(response.json().data).toHaveLength(1);
    expect(response.json().degraded).toEqual(degraded);
  });

  it.each([
    ['no query', {}, '/query'],
    ['an unknown field', { query: 'q', filter: {} }, '/filter'],
    ['both names of the limit', { query: 'q', limit: 1, max_num_results: 1 }, '/limit'],
    ['a limit above the maximum', { query: 'q', limit: 101 }, '/limit'],
    ['at_least without a token', { query: 'q', consistency: { mode: 'at_least' } }, '/consistency/token'],
    ['a filter of an unknown type', { query: 'q', filters: { type: 'like', key: 'a', value: 'b' } }, '/filters/type'],
    [
      'a wrong filter inside another',
      { query: 'q', filters: { type: 'or', filters: [{ type: 'gt', key: 'a', value: true }] } },
      '/filters/filters/0/value',
    ],
    ['a time without its offset', { query: 'q', committed_from: '2026-01-01T00:00:00' }, '/committed_from'],
    ['a key with a slash', { query: 'q', 'a/b~c': 1 }, '/a~1b~0c'],
  ])('points at what is wrong: %s', async (_name, body, pointer) => {
    const { response, request } = await asked(body);
    expect(response.statusCode).toBe(400);
    expect(response.headers['content-type']).toBe('application/problem+json');
    expect(request).toBeUndefined();
    expect(response.json()).toMatchObject({ code: 'INVALID_REQUEST', status: 400, type: '/problems/invalid-request' });
    expect(response.json().errors[0]).toMatchObject({ in: 'body', pointer });
  });

  it('refuses a filter nested so deep that checking it would overflow the stack', async () => {
    const depth = 50_000;
    const text = `{"query":"q","filters":${'{"type":"and","filters":['.repeat(depth)}{"type":"eq","key":"a","value":1}${']}'.repeat(depth)}}`;
    await using server = await openServer();
    const response = await server.app.inject({
      method: 'POST',
      url: '/v1/search',
      payload: text,
      headers: { 'content-type': 'application/json' },
    });
    expect(response.statusCode).toBe(400);
    expect(response.json().errors[0].detail).toContain('Nested deeper');
  });

  it('answers 400 to a token of another instance', async () => {
    await using server = await openServer({
      search: {
        search: async () => {
          throw new FreshetError('BAD_TOKEN', 'poison', 'This token is not of the source "app".');
        },
      },
    });
    const response = await server.app.inject({ method: 'POST', url: '/v1/search', payload: { query: 'q' } });
    expect(response.statusCode).toBe(400);
    expect(response.json()).toMatchObject({ code: 'BAD_TOKEN', detail: 'This token is not of the source "app".' });
  });
});
