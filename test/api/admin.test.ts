import { describe, expect, it } from 'vitest';
import { FreshetError } from '../../src/domain/errors.ts';
import { partitionId, rowKey, tableId } from '../../src/domain/ids.ts';
import { sourcePosition } from '../../src/domain/source-position.ts';
import type { StoredDeadLetter } from '../../src/ports/dead-letters.ts';
import type { VerifyReport } from '../../src/services/services.ts';
import { DOCUMENT, NOW, openServer } from './fakes.ts';

const report: VerifyReport = {
  missing: 1,
  stale: 0,
  ghost: 0,
  duplicate: 0,
  documents: 60,
  chunks: 240,
  vectorsChecked: 5,
  tookMs: 12,
  token: 'tok-1',
  problems: [{ kind: 'missing', table: 'app.public.articles', document: DOCUMENT, detail: 'no head' }],
  unindexable: 0,
  repaired: 0,
  comparedWith: [{ source: 'app', origin: 'the database' }],
  notCompared: [],
};

const letter = (id: string): StoredDeadLetter => ({
  id,
  source: 'app',
  table: tableId('app.public.articles'),
  key: rowKey(['ann@example.org']),
  document: DOCUMENT,
  position: { partition: partitionId('app:slot'), offset: 2n ** 60n },
  version: undefined,
  sourcePosition: sourcePosition(5n),
  committedAt: NOW,
  stage: 'embed',
  code: 'TEXT_TOO_LONG',
  message: 'Too long.',
  attempts: 3,
  failedAt: NOW + 1000,
});

const lines = (body: string): unknown[] =>
  body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);

describe('verify and rebuild', () => {
  it('stream their progress as NDJSON and end with the result', async () => {
    const asked: unknown[] = [];
    await using server = await openServer({
      admin: {
        verify: async (options, onProgress) => {
          asked.push(options);
          for (let done = 0; done <= 1000; done += 1) onProgress({ phase: 'rows', done, total: 1000 });
          onProgress({ phase: 'vectors', done: 1, total: undefined });
          return report;
        },
        rebuild: async () => ({ documents: 60, chunks: 240 }),
      },
    });
    const verify = await server.app.inject({ method: 'POST', url: '/v1/admin/verify', payload: { repair: true } });
    expect(verify.headers['content-type']).toBe('application/x-ndjson; charset=utf-8');
    const told = lines(verify.body);
    expect(told[0]).toEqual({ progress: { phase: 'rows', done: 0, total: 1000 } });
    expect(told.slice(-3)).toEqual([
      { progress: { phase: 'rows', done: 1000, total: 1000 } },
      { progress: { phase: 'vectors', done: 1, total: null } },
      { result: report },
    ]);
    expect(told.length).toBeLessThan(20);

    await server.app.inject({ method: 'POST', url: '/v1/admin/verify' });
    expect(asked).toEqual([
      { repair: true, vectorSample: 100 },
      { repair: false, vectorSample: 100 },
    ]);
    const rebuild = await server.app.inject({ method: 'POST', url: '/v1/admin/rebuild' });
    expect(lines(rebuild.body)).toEqual([{ result: { documents: 60, chunks: 240 } }]);
  });

  it('end with a problem when they fail, without internals', async () => {
    const errors = [new FreshetError('SOURCE_AWAY', 'transient', 'PostgreSQL does not answer.'), new Error('secret')];
    await using server = await openServer({ admin: { rebuild: async () => Promise.reject(errors.shift()) } });
    const ask = async () => lines((await server.app.inject({ method: 'POST', url: '/v1/admin/rebuild' })).body);
    expect(await ask()).toEqual([{ problem: expect.objectContaining({ code: 'SOURCE_AWAY', status: 503 }) }]);
    expect(JSON.stringify(await ask())).not.toContain('secret');
  });

  it('are cancelled when the server closes, and say so', async () => {
    let cancelled = false;
    let begun = (): void => undefined;
    const beginning = new Promise<void>((resolve) => (begun = resolve));
    const server = await openServer({
      admin: {
        rebuild: (_onProgress, signal) =>
          new Promise((_resolve, reject) => {
            begun();
            signal.addEventListener('abort', () => {
              cancelled = true;
              reject(new FreshetError('ABORTED', 'aborted', 'Cancelled.'));
            });
          }),
      },
    });
    const answer = server.app.inject({ method: 'POST', url: '/v1/admin/rebuild' });
    await beginning;
    await server.app.close();
    expect(cancelled).toBe(true);
    expect(lines((await answer).body)).toEqual([{ problem: expect.objectContaining({ code: 'SHUTTING_DOWN' }) }]);
  });
});

describe('dead letters', () => {
  it('are listed by page, without the key of their row', async () => {
    await using server = await openServer({
      admin: {
        deadLetters: {
          list: async (limit, after) =>
            ['a', 'b', 'c']
              .filter((id) => after === undefined || id > after)
              .slice(0, limit)
              .map(letter),
          get: async (id) => (id === 'a' ? letter(id) : undefined),
          retry: async (id) => ({ retried: id === 'all' ? 3 : 1, failed: 0 }),
        },
      },
    });
    const first = (await server.app.inject('/v1/admin/dead-letters?limit=2')).json();
    expect(first).toMatchObject({ data: [{ id: 'a' }, { id: 'b' }], has_more: true, after: 'b' });
    const second = await server.app.inject('/v1/admin/dead-letters?limit=2&after=b');
    expect(second.json()).toMatchObject({ data: [{ id: 'c' }], has_more: false, after: null });

    const one = await server.app.inject('/v1/admin/dead-letters/a');
    expect(one.json()).toEqual({
      id: 'a',
      source: 'app',
      table: 'app.public.articles',
      document: DOCUMENT,
      position: { partition: 'app:slot', offset: '1152921504606846976' },
      version: null,
      committedAt: '2026-11-20T06:31:02.114Z',
      stage: 'embed',
      code: 'TEXT_TOO_LONG',
      message: 'Too long.',
      attempts: 3,
      failedAt: '2026-11-20T06:31:03.114Z',
    });
    for (const { body } of [one, second]) expect(body).not.toContain('ann@example.org');
    expect((await server.app.inject('/v1/admin/dead-letters/z')).statusCode).toBe(404);
  });

  it('are retried one by one or all at once, without a body', async () => {
    await using server = await openServer({
      admin: {
        deadLetters: {
          list: async () => [],
          get: async () => undefined,
          retry: async (id) => ({ retried: id === 'all' ? 3 : 1, failed: 0 }),
        },
      },
    });
    const retry = async (id: string) =>
      (await server.app.inject({ method: 'POST', url: `/v1/admin/dead-letters/${id}/retry` })).json();
    expect(await retry('all')).toEqual({ retried: 3, failed: 0 });
    expect(await retry('a')).toEqual({ retried: 1, failed: 0 });
  });
});

it('a replay is accepted with what will happen', async () => {
  const asked: unknown[] = [];
  await using server = await openServer({
    admin: {
      replay: async (options) => {
        asked.push(options);
        return { message: 'The source "app" starts again with a snapshot.' };
      },
    },
  });
  const payload = { source: 'app', from: 'snapshot' };
  const response = await server.app.inject({ method: 'POST', url: '/v1/admin/replay', payload });
  expect(response.statusCode).toBe(202);
  expect(response.json().message).toContain('snapshot');
  expect(asked).toEqual([payload]);
});
