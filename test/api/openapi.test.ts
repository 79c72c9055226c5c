import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, it } from 'vitest';
import type { DemoPort } from '../../src/api/demo-port.ts';
import { openServer } from './fakes.ts';

const notAsked = () => Promise.reject(new Error('The document is made without asking the demo.'));
const demo: DemoPort = {
  listArticles: notAsked,
  getArticle: notAsked,
  saveArticle: notAsked,
  createArticle: notAsked,
  deleteArticle: notAsked,
};

interface OpenApi {
  openapi: string;
  paths: Record<string, Record<string, { operationId: string; summary?: string; tags?: string[] }>>;
  components: { schemas: Record<string, unknown> };
}

it('/openapi.json is valid OpenAPI 3.1 and lists every route', async () => {
  await using server = await openServer({}, { demo });
  const response = await server.app.inject('/openapi.json');
  expect(response.headers['content-type']).toContain('application/json');
  const document = response.json<OpenApi>();
  const { valid, errors } = await new Validator().validate({ ...structuredClone(document) });
  expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
  expect(document.openapi).toBe('3.1.0');

  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  expect(operations.sort()).toEqual([
    'delete /demo/articles/{id}',
    'delete /v1/documents/{id}',
    'get /demo/articles',
    'get /demo/articles/{id}',
    'get /livez',
    'get /metrics',
    'get /readyz',
    'get /v1/admin/dead-letters',
    'get /v1/admin/dead-letters/{id}',
    'get /v1/changes',
    'get /v1/changes/stream',
    'get /v1/documents/{id}',
    'get /v1/documents/{id}/status',
    'get /v1/freshness',
    'get /v1/indexes',
    'post /demo/articles',
    'post /v1/admin/dead-letters/{id}/retry',
    'post /v1/admin/rebuild',
    'post /v1/admin/replay',
    'post /v1/admin/verify',
    'post /v1/documents:batch',
    'post /v1/indexes/canary',
    'post /v1/indexes/drop',
    'post /v1/indexes/rollback',
    'post /v1/indexes/switch',
    'post /v1/search',
    'put /demo/articles/{id}',
    'put /v1/documents/{id}',
  ]);
  const described = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  expect(new Set(described.map((operation) => operation.operationId)).size).toBe(operations.length);
  expect(described.every((operation) => operation.summary !== undefined && operation.tags?.length === 1)).toBe(true);
  expect(Object.keys(document.components.schemas)).toEqual(
    expect.arrayContaining(['Problem', 'SearchAnswer', 'FilterInput']),
  );
});

it('has no demo routes when there is no demo', async () => {
  await using server = await openServer();
  expect(JSON.stringify((await server.app.inject('/openapi.json')).json<OpenApi>().paths)).not.toContain('/demo/');
  expect((await server.app.inject('/demo/articles')).statusCode).toBe(404);
});
