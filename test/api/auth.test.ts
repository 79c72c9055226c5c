import { describe, expect, it } from 'vitest';
import type { ApiKey, AuthOptions } from '../../src/api/options.ts';
import { DEFAULT_TENANT, tenantId } from '../../src/domain/ids.ts';
import type { PushedDocument, SearchRequest } from '../../src/services/services.ts';
import { documentView, fakeServices, openServer, searchAnswer } from './fakes.ts';

const secret = (name: string): string => `${name}-${'s'.repeat(24)}`;
const key = (name: string, overrides: Partial<ApiKey> = {}): ApiKey => ({
  name,
  secret: secret(name),
  tenant: tenantId('acme'),
  scopes: ['read'],
  ...overrides,
});
const auth = (keys: readonly ApiKey[], overrides: Partial<AuthOptions> = {}): AuthOptions => ({
  host: '0.0.0.0',
  keys,
  defaultTenant: DEFAULT_TENANT,
  ...overrides,
});

function searchRecorder() {
  const requests: SearchRequest[] = [];
  return {
    requests,
    told: {
      search: {
        search: async (request: SearchRequest) => {
          requests.push(request);
          return searchAnswer();
        },
      },
    },
  };
}

describe('API keys', () => {
  it.each(['0.0.0.0', '::', '192.168.1.4', 'example.org'])('are required to be bound to %s', async (host) => {
    await expect(openServer({}, { auth: auth([], { host }) })).rejects.toMatchObject({
      code: 'API_KEY_REQUIRED',
      kind: 'fatal',
    });
  });

  it.each(['127.0.0.1', '127.1.2.3', '::1', '[::1]', 'localhost'])('are not required on %s', async (host) => {
    await using server = await openServer({}, { auth: auth([], { host }) });
    expect((await server.app.inject('/livez')).statusCode).toBe(200);
  });

  it('must be long enough and have different names', async () => {
    await expect(openServer({}, { auth: auth([key('a', { secret: 'short' })]) })).rejects.toMatchObject({
      code: 'API_KEY_TOO_SHORT',
    });
    await expect(openServer({}, { auth: auth([key('a'), key('a')]) })).rejects.toMatchObject({
      code: 'API_KEY_DUPLICATE',
    });
  });

  it('are taken as a bearer token or as x-api-key, and nothing else opens the door', async () => {
    const { told } = searchRecorder();
    await using server = await openServer(told, { auth: auth([key('reader')]) });
    const status = async (headers: Record<string, string>) => {
      const response = await server.app.inject({ method: 'POST', url: '/v1/search', payload: { query: 'q' }, headers });
      return response.statusCode;
    };
    expect(await status({ authorization: `Bearer ${secret('reader')}` })).toBe(200);
    expect(await status({ authorization: `bearer  ${secret('reader')} ` })).toBe(200);
    expect(await status({ 'x-api-key': secret('reader') })).toBe(200);
    expect(await status({})).toBe(401);
    expect(await status({ authorization: `Bearer ${secret('reader')}x` })).toBe(401);
    expect(await status({ authorization: `Basic ${secret('reader')}` })).toBe(401);
    expect(await status({ 'x-api-key': '' })).toBe(401);
  });

  it('are asked for before the body is looked at', async () => {
    await using server = await openServer({}, { auth: auth([key('reader')]) });
    const response = await server.app.inject({
      method: 'POST',
      url: '/v1/search',
      payload: '{not json',
      headers: { 'content-type': 'application/json' },
    });
    expect(response.statusCode).toBe(401);
    expect(response.headers['www-authenticate']).toBe('Bearer');
    expect(response.json()).toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('open what their scopes name', async () => {
    const put = async (documents: readonly PushedDocument[]) =>
      documents.map((document) => ({ id: documentView().id, externalId: document.id, accepted: true, token: 't' }));
    const { told } = searchRecorder();
    const keys = [key('reader'), key('writer', { scopes: ['write'] }), key('root', { scopes: ['admin'] })];
    await using server = await openServer(
      {
        ...told,
        documents: { put },
        admin: {
          deadLetters: {
            list: async () => [],
            get: async () => undefined,
            retry: async () => ({ retried: 0, failed: 0 }),
          },
        },
      },
      { auth: auth(keys) },
    );
    const status = async (name: string, method: 'GET' | 'POST' | 'PUT', url: string, payload?: object) => {
      const headers = { 'x-api-key': secret(name) };
      const response = await server.app.inject({ method, url, headers, ...(payload && { payload }) });
      return response.statusCode;
    };
    const table = [
      ['reader', 200, 403, 403],
      ['writer', 403, 202, 403],
      ['root', 200, 202, 200],
    ] as const;
    for (const [name, search, write, admin] of table) {
      expect([name, await status(name, 'POST', '/v1/search', { query: 'q' })]).toEqual([name, search]);
      expect([name, await status(name, 'PUT', '/v1/documents/a', { text: 't' })]).toEqual([name, write]);
      expect([name, await status(name, 'GET', '/v1/admin/dead-letters')]).toEqual([name, admin]);
    }
  });

  it('leave health and the OpenAPI document open, and not the metrics', async () => {
    await using server = await openServer(
      { freshness: { ready: async () => ({ ready: true, reasons: [] }) } },
      { auth: auth([key('reader')]) },
    );
    for (const url of ['/livez', '/readyz', '/openapi.json'])
      expect((await server.app.inject(url)).statusCode).toBe(200);
    expect((await server.app.inject('/metrics')).statusCode).toBe(401);
  });

  it('let the admin token of the data folder do everything', async () => {
    const { told, requests } = searchRecorder();
    const adminToken = secret('folder');
    await using server = await openServer(told, { auth: auth([key('reader')], { adminToken }) });
    const response = await server.app.inject({
      method: 'POST',
      url: '/v1/search',
      payload: { query: 'q', tenant: 'other' },
      headers: { authorization: `Bearer ${adminToken}` },
    });
    expect(response.statusCode).toBe(200);
    expect(requests[0]?.tenant).toBe('other');
  });
});

describe('the tenant of a request', () => {
  it('is its key’s, and a body cannot change it', async () => {
    const { told, requests } = searchRecorder();
    await using server = await openServer(told, { auth: auth([key('reader')]) });
    const ask = (payload: object) =>
      server.app.inject({ method: 'POST', url: '/v1/search', payload, headers: { 'x-api-key': secret('reader') } });
    expect((await ask({ query: 'q' })).statusCode).toBe(200);
    expect((await ask({ query: 'q', tenant: 'acme' })).statusCode).toBe(200);
    const refused = await ask({ query: 'q', tenant: 'other' });
    expect(refused.statusCode).toBe(403);
    expect(refused.json()).toMatchObject({ code: 'TENANT_FORBIDDEN' });
    expect(requests.map((request) => request.tenant)).toEqual(['acme', 'acme']);
  });

  it('is checked on every route that can name one', async () => {
    await using server = await openServer({}, { auth: auth([key('both', { scopes: ['read', 'write'] })]) });
    const attempts = [
      { method: 'GET', url: '/v1/documents/a?tenant=other' },
      { method: 'GET', url: '/v1/documents/a/status?tenant=other' },
      { method: 'DELETE', url: '/v1/documents/a?tenant=other' },
      { method: 'PUT', url: '/v1/documents/a', payload: { text: 't', tenant: 'other' } },
      { method: 'POST', url: '/v1/documents:batch', payload: { documents: [{ id: 'a', text: 't', tenant: 'other' }] } },
      { method: 'GET', url: '/v1/changes?tenant=other' },
      { method: 'GET', url: '/v1/changes/stream?tenant=other' },
    ] as const;
    for (const attempt of attempts) {
      const response = await server.app.inject({ ...attempt, headers: { 'x-api-key': secret('both') } });
      expect([attempt.url, response.statusCode]).toEqual([attempt.url, 403]);
    }
  });
});

describe('the principals of a key', () => {
  const bound = key('bound', { principals: ['user:ann', 'group:staff'] });

  it('always apply, and a request can only narrow them', async () => {
    const { told, requests } = searchRecorder();
    await using server = await openServer(told, { auth: auth([bound]) });
    const ask = (payload: object) =>
      server.app.inject({ method: 'POST', url: '/v1/search', payload, headers: { 'x-api-key': bound.secret } });
    await ask({ query: 'q' });
    await ask({ query: 'q', principals: ['group:staff'] });
    expect((await ask({ query: 'q', principals: ['user:bob'] })).statusCode).toBe(403);
    expect(requests.map((request) => request.principals)).toEqual([['user:ann', 'group:staff'], ['group:staff']]);
  });

  it('hide documents of others as if they did not exist', async () => {
    const access = (list: readonly string[]) =>
      documentView({ attributes: { ...documentView().attributes, access: list } });
    const documents = {
      get: async (id: string) => ({ open: access([]), ann: access(['user:ann']), bob: access(['user:bob']) })[id],
    };
    await using server = await openServer({ documents }, { auth: auth([bound]) });
    const status = async (url: string) =>
      (await server.app.inject({ url, headers: { 'x-api-key': bound.secret } })).statusCode;
    expect(await status('/v1/documents/open')).toBe(200);
    expect(await status('/v1/documents/ann')).toBe(200);
    expect(await status('/v1/documents/bob')).toBe(404);
    expect(await status('/v1/documents/bob/status')).toBe(404);
    expect(await status('/v1/documents/none/status')).toBe(404);
  });

  it('are compared as documents carry them, where an access list that names people is stored hashed', async () => {
    const person = key('person', { principals: ['ann@example.org'] });
    const attributes = { ...documentView().attributes, access: ['principal:of ann@example.org'] };
    const documents = { get: async () => documentView({ attributes }) };
    const principalId = (principal: string): string => `principal:of ${principal}`;
    await using server = await openServer({ documents }, { auth: { ...auth([person, bound]), principalId } });
    const status = async (secret: string) =>
      (await server.app.inject({ url: '/v1/documents/d', headers: { 'x-api-key': secret } })).statusCode;
    expect(await status(person.secret)).toBe(200);
    expect(await status(bound.secret)).toBe(404);
  });

  it('close the change feed, which shows every document of the tenant', async () => {
    await using server = await openServer({}, { auth: auth([bound]) });
    for (const url of ['/v1/changes', '/v1/changes/stream']) {
      expect((await server.app.inject({ url, headers: { 'x-api-key': bound.secret } })).statusCode).toBe(403);
    }
  });
});

describe('loopback without keys', () => {
  const ask = async (headers: Record<string, string>, method: 'GET' | 'POST' = 'POST') => {
    await using server = await openServer(searchRecorder().told, {
      auth: auth([], { host: '127.0.0.1', allowedHosts: ['Freshet.internal'] }),
    });
    const url = method === 'GET' ? '/livez' : '/v1/search';
    const response = await server.app.inject({
      method,
      url,
      headers,
      ...(method === 'POST' && { payload: { query: 'q' } }),
    });
    return response.statusCode;
  };

  it.each(['localhost:8787', '127.0.0.1:8787', '[::1]:8787', 'LOCALHOST', 'freshet.internal:80'])(
    'answers for %s',
    async (host) => {
      expect(await ask({ host })).toBe(200);
    },
  );

  it.each(['evil.example', 'localhost.evil.example:8787', '127.0.0.1.evil.example', '10.0.0.1:8787'])(
    'refuses %s, a name that was re-pointed here (DNS rebinding)',
    async (host) => {
      expect(await ask({ host })).toBe(421);
      expect(await ask({ host }, 'GET')).toBe(421);
    },
  );

  it.each([
    ['https://evil.example', 403],
    ['null', 403],
    ['http://localhost:3000', 403],
    ['http://localhost:8787', 200],
  ])('judges the origin %s', async (origin, status) => {
    expect(await ask({ host: 'localhost:8787', origin })).toBe(status);
  });

  it('refuses what another site’s form sends, though it names no origin', async () => {
    expect(await ask({ host: 'localhost', 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await ask({ host: 'localhost', 'sec-fetch-site': 'same-origin' })).toBe(200);
    expect(await ask({ host: 'localhost', 'sec-fetch-site': 'cross-site' }, 'GET')).toBe(200);
  });

  it('does not take a wrong key for none', async () => {
    await using server = await openServer(searchRecorder().told);
    const response = await server.app.inject({
      method: 'POST',
      url: '/v1/search',
      payload: { query: 'q' },
      headers: { authorization: 'Bearer wrong' },
    });
    expect(response.statusCode).toBe(401);
  });
});

it('the fakes are loud about what a test did not say', () => {
  expect(() => fakeServices().documents.get('a', DEFAULT_TENANT, new AbortController().signal)).toThrow(
    'documents.get was called',
  );
});
