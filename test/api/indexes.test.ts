import { expect, it } from 'vitest';
import { FreshetError } from '../../src/domain/errors.ts';
import type { IndexesReport } from '../../src/services/blue-green/service.ts';
import { indexes } from '../cli/fakes.ts';
import { openServer } from './fakes.ts';

it('lists the indexes with roles, progress and comparison', async () => {
  await using server = await openServer({ indexes: { report: async () => indexes } });
  const answer = await server.app.inject('/v1/indexes');
  expect(answer.statusCode).toBe(200);
  const body = answer.json<{ data: { name: string; role: string; failure: unknown }[]; canaryPercent: number }>();
  expect(body.data.map(({ name, role }) => [name, role])).toEqual([
    ['v1-8c41aa09', 'live'],
    ['v2-8c41be77', 'candidate'],
    ['v0-old', 'unused'],
  ]);
  expect(body.canaryPercent).toBe(5);
});

it('changes roles as it is told', async () => {
  const asked: unknown[] = [];
  const note = async (what: unknown): Promise<IndexesReport> => {
    asked.push(what);
    return indexes;
  };
  await using server = await openServer({
    indexes: {
      canary: (share) => note({ share }),
      switch: ({ force }) => note({ switch: force }),
      rollback: ({ force }) => note({ rollback: force }),
      drop: async (name) => ({ dropped: name, leftBehind: [] }),
    },
  });
  const post = (path: string, payload?: object) =>
    server.app.inject({ method: 'POST', url: `/v1/indexes/${path}`, ...(payload === undefined ? {} : { payload }) });
  await post('canary', { percent: 12.5 });
  await post('switch');
  await post('rollback', { force: true });
  expect(asked).toEqual([{ share: 0.125 }, { switch: false }, { rollback: true }]);
  expect((await post('drop', { name: 'v1' })).json()).toEqual({ dropped: 'v1', leftBehind: [] });
  expect((await post('canary', { percent: 101 })).statusCode).toBe(400);
  expect((await post('drop', { name: '../x' })).statusCode).toBe(400);
});

it('answers 422 with the reasons when an index is not ready, and 409 when another instance was faster', async () => {
  await using server = await openServer({
    indexes: {
      switch: () =>
        Promise.reject(new FreshetError('INDEX_NOT_READY', 'poison', 'It is still being built: 42 % of it is in.')),
      rollback: () => Promise.reject(new FreshetError('CATALOGUE_CHANGED', 'stale', 'Changed meanwhile.')),
    },
  });
  const refused = await server.app.inject({ method: 'POST', url: '/v1/indexes/switch' });
  expect(refused.statusCode).toBe(422);
  expect(refused.json()).toMatchObject({
    code: 'INDEX_NOT_READY',
    detail: 'It is still being built: 42 % of it is in.',
  });
  expect((await server.app.inject({ method: 'POST', url: '/v1/indexes/rollback' })).statusCode).toBe(409);
});

it('lets only admins change roles', async () => {
  const keys = [{ name: 'reader', secret: 'a-key-of-a-reader', tenant: 'default' as never, scopes: ['read' as const] }];
  await using server = await openServer(
    { indexes: { report: async () => indexes } },
    { auth: { host: '127.0.0.1', keys, defaultTenant: 'default' as never } },
  );
  const headers = { authorization: 'Bearer a-key-of-a-reader' };
  expect((await server.app.inject({ url: '/v1/indexes', headers })).statusCode).toBe(200);
  expect((await server.app.inject({ method: 'POST', url: '/v1/indexes/switch', headers })).statusCode).toBe(403);
});
