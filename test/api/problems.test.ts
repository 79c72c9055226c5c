import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { PROBLEMS, toProblem } from '../../src/api/problems.ts';
import { FreshetError, type ErrorKind } from '../../src/domain/errors.ts';
import { openServer, searchAnswer } from './fakes.ts';

const failing = (error: unknown) => ({ search: { search: () => Promise.reject(error) } });
const search = { method: 'POST', url: '/v1/search', payload: { query: 'q' } } as const;

describe('problems', () => {
  it.each([
    ['transient', 503, '2'],
    ['stale', 409, undefined],
    ['poison', 422, undefined],
    ['aborted', 503, '2'],
  ] as const)(
    'a code that the table does not list is answered by its kind: %s',
    async (kind: ErrorKind, status, retryAfter) => {
      await using server = await openServer(
        failing(new FreshetError('SOME_CODE', kind, 'What, where, how to mend it.')),
      );
      const response = await server.app.inject(search);
      expect(response.statusCode).toBe(status);
      expect(response.headers['retry-after']).toBe(retryAfter);
      expect(response.headers['content-type']).toBe('application/problem+json');
      expect(response.json()).toMatchObject({
        code: 'SOME_CODE',
        type: '/problems/some-code',
        detail: 'What, where, how to mend it.',
      });
    },
  );

  it.each([
    new Error('row (ann@example.org) violates'),
    new FreshetError('INDEX_CORRUPT', 'fatal', '/var/lib/freshet is broken'),
    'text',
    undefined,
  ])('an error nobody thought of says nothing about the inside: %s', async (error) => {
    await using server = await openServer(failing(error));
    const response = await server.app.inject(search);
    expect(response.statusCode).toBe(500);
    expect(response.json()).toEqual({
      type: '/problems/internal',
      title: PROBLEMS.INTERNAL.title,
      status: 500,
      code: 'INTERNAL',
      detail: expect.any(String),
      instance: `urn:request:${response.headers['x-request-id'] as string}`,
    });
  });

  it('never logs the message of an error that is not ours, nor the path of a request', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
    await using server = await openServer(
      { ...failing(new Error('row (ann@example.org) violates')), documents: { get: async () => undefined } },
      { logger },
    );
    await server.app.inject(search);
    await server.app.inject('/v1/documents/ann@example.org?tenant=ann@example.org');
    const log = lines.join('');
    expect(log).toContain('"code":"INTERNAL"');
    expect(log).toContain('"route":"/v1/documents/:id"');
    expect(log).not.toContain('ann@example.org');
  });

  it('tells a wrong method from a wrong path', async () => {
    await using server = await openServer();
    const wrongMethod = await server.app.inject({ method: 'PATCH', url: '/v1/documents/a?x=1' });
    expect(wrongMethod.statusCode).toBe(405);
    expect(wrongMethod.headers.allow).toBe('DELETE, GET, HEAD, PUT');
    const batch = await server.app.inject('/v1/documents:batch');
    expect([batch.statusCode, batch.headers.allow]).toEqual([405, 'POST']);
    const wrongPath = await server.app.inject('/v1/nothing');
    expect([wrongPath.statusCode, wrongPath.json().code]).toEqual([404, 'NOT_FOUND']);
  });

  it.each([
    ['a body over the limit', { payload: { query: 'q'.repeat(300) } }, 413, 'BODY_TOO_LARGE'],
    [
      'a form',
      { payload: 'query=q', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'plain text, as another site’s form can send',
      { payload: '{"query":"q"}', headers: { 'content-type': 'text/plain' } },
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    [
      'half a JSON value',
      { payload: '{"query":', headers: { 'content-type': 'application/json' } },
      400,
      'INVALID_JSON',
    ],
    ['an empty body', { payload: '', headers: { 'content-type': 'application/json' } }, 400, 'INVALID_JSON'],
    [
      'a prototype in disguise',
      { payload: '{"query":"q","__proto__":{"x":1}}', headers: { 'content-type': 'application/json' } },
      400,
      'INVALID_JSON',
    ],
    ['no body at all', {}, 400, 'INVALID_REQUEST'],
  ])('answers %s', async (_name, request, status, code) => {
    await using server = await openServer({}, { limits: { bodyBytes: 256 } });
    const response = await server.app.inject({ method: 'POST', url: '/v1/search', ...request });
    expect([response.statusCode, response.json().code]).toEqual([status, code]);
    expect(response.headers['content-type']).toBe('application/problem+json');
  });

  it('answers a path that is no URL', async () => {
    await using server = await openServer();
    const response = await server.app.inject('/v1/documents/%E0%A4%A');
    expect([response.statusCode, response.json().code]).toEqual([400, 'INVALID_REQUEST']);
  });

  it('limits requests per caller and says when to come back', async () => {
    await using server = await openServer(
      { search: { search: async () => searchAnswer() } },
      { limits: { requestsPerMinute: 2 } },
    );
    const statuses: number[] = [];
    for (let i = 0; i < 3; i += 1) statuses.push((await server.app.inject(search)).statusCode);
    expect(statuses).toEqual([200, 200, 429]);
    const limited = await server.app.inject(search);
    expect(limited.json()).toMatchObject({ code: 'RATE_LIMITED', status: 429 });
    expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0);
    expect((await server.app.inject('/livez')).statusCode).toBe(200);
  });

  it('limits those who guess keys, too', async () => {
    await using server = await openServer(
      {},
      {
        limits: { requestsPerMinute: 2 },
        auth: {
          host: '::',
          defaultTenant: 'default' as never,
          keys: [{ name: 'a', secret: 'x'.repeat(32), tenant: 'default' as never, scopes: ['read'] }],
        },
      },
    );
    const statuses: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      statuses.push((await server.app.inject({ ...search, headers: { 'x-api-key': `guess-${i}` } })).statusCode);
    }
    expect(statuses).toEqual([401, 401, 429]);
  });
});

describe('request ids and traces', () => {
  it('are honoured when they are well formed, and made up when not', async () => {
    const lines: Record<string, unknown>[] = [];
    const logger = pino(
      { level: 'debug' },
      { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
    );
    await using server = await openServer({}, { logger });
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const given = await server.app.inject({
      url: '/livez',
      headers: { 'x-request-id': 'req-1', traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
    });
    expect(given.headers['x-request-id']).toBe('req-1');
    expect(lines.find((line) => line.route === '/livez')).toMatchObject({
      requestId: 'req-1',
      traceId,
      status: 200,
      method: 'GET',
    });

    const odd = await server.app.inject({
      url: '/livez',
      headers: { 'x-request-id': 'a b\u0001', traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` },
    });
    expect(odd.headers['x-request-id']).toMatch(/^[\da-f-]{36}$/u);
    expect(lines.at(-1)).not.toHaveProperty('traceId');
  });
});

it('every code of the table has its own type and a status that is an error', () => {
  const seen = new Set<string>();
  for (const [code, row] of Object.entries(PROBLEMS)) {
    const { problem } = toProblem(new FreshetError(code, 'poison', 'm'));
    expect(problem.status).toBe(row.status);
    expect(problem.status).toBeGreaterThanOrEqual(400);
    seen.add(problem.type);
  }
  expect(seen.size).toBe(Object.keys(PROBLEMS).length);
});
