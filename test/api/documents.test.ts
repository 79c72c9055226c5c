import { describe, expect, it } from 'vitest';
import type { DocumentId } from '../../src/domain/ids.ts';
import type { DocumentService, PushedDocument } from '../../src/services/services.ts';
import { DOCUMENT, documentView, NOW, openServer } from './fakes.ts';

const receipt = (externalId: string, token: string) => ({ id: DOCUMENT, externalId, accepted: true, token });

describe('documents', () => {
  it('are read as they are searchable now', async () => {
    const asked: string[] = [];
    await using server = await openServer({
      documents: {
        get: async (id, tenant) => {
          asked.push(`${tenant}/${id}`);
          return id === 'folder/a' ? documentView() : undefined;
        },
      },
    });
    const found = await server.app.inject('/v1/documents/folder%2Fa');
    expect(found.json()).toEqual({
      id: DOCUMENT,
      source: 'app',
      table: 'app.public.articles',
      tenant: 'default',
      title: 'Returns',
      uri: 'kb://returns',
      access: [],
      metadata: { category: 'orders' },
      version: 12,
      committedAt: '2026-11-20T06:31:01.914Z',
      indexedAt: '2026-11-20T06:31:01.964Z',
      chunks: [{ id: 'c1', text: 'Returns are accepted.', start: 0, end: 21, headings: [] }],
    });
    const missing = await server.app.inject('/v1/documents/b?tenant=other');
    expect([missing.statusCode, missing.json().code]).toEqual([404, 'NOT_FOUND']);
    expect(asked).toEqual(['default/folder/a', 'other/b']);
  });

  it('tell the stage of their last change, with times and the failure', async () => {
    await using server = await openServer({
      documents: {
        status: async (id) => ({
          id: id as DocumentId,
          state: 'failed',
          version: undefined,
          times: { committed: NOW, received: NOW + 4 },
          freshnessMs: undefined,
          failure: { stage: 'embed', code: 'TEXT_TOO_LONG', message: 'Too long.', deadLetter: 'd1' },
        }),
      },
    });
    expect((await server.app.inject('/v1/documents/a/status')).json()).toEqual({
      id: 'a',
      state: 'failed',
      version: null,
      times: { committed: '2026-11-20T06:31:02.114Z', received: '2026-11-20T06:31:02.118Z' },
      freshnessMs: null,
      failure: { stage: 'embed', code: 'TEXT_TOO_LONG', message: 'Too long.', deadLetter: 'd1' },
    });
  });

  it('are pushed alone or in a batch, and deleted, each with a receipt and a token', async () => {
    const pushed: PushedDocument[] = [];
    const deleted: unknown[] = [];
    const documents: Partial<DocumentService> = {
      put: async (batch) => {
        pushed.push(...batch);
        return batch.map(({ id }, i) => receipt(id, `t${i}`));
      },
      delete: async (id, options) => {
        deleted.push([id, options]);
        return { ...receipt(id, 't9'), accepted: false, reason: 'superseded' };
      },
    };
    await using server = await openServer({ documents });

    const put = await server.app.inject({
      method: 'PUT',
      url: '/v1/documents/a',
      payload: {
        text: 'Hello',
        title: 'T',
        format: 'plain',
        access: ['g'],
        metadata: { n: 1, tags: ['x'] },
        sourceVersion: 3,
      },
    });
    expect([put.statusCode, put.headers['freshet-token']]).toEqual([202, 't0']);
    expect(put.json()).toEqual({ id: DOCUMENT, externalId: 'a', accepted: true, token: 't0' });

    const batch = await server.app.inject({
      method: 'POST',
      url: '/v1/documents:batch',
      payload: {
        documents: [
          { id: 'b', text: 'B' },
          { id: 'c', text: '', tenant: 'other' },
        ],
      },
    });
    expect([batch.statusCode, batch.headers['freshet-token']]).toEqual([202, 't1']);
    expect(batch.json()).toMatchObject({ receipts: [{ externalId: 'b' }, { externalId: 'c' }], token: 't1' });

    const gone = await server.app.inject({ method: 'DELETE', url: '/v1/documents/a?sourceVersion=2' });
    expect([gone.statusCode, gone.headers['freshet-token']]).toEqual([202, 't9']);
    expect(gone.json()).toMatchObject({ accepted: false, reason: 'superseded' });

    expect(pushed).toEqual([
      {
        id: 'a',
        tenant: 'default',
        text: 'Hello',
        title: 'T',
        format: 'plain',
        access: ['g'],
        metadata: { n: 1, tags: ['x'] },
        sourceVersion: 3,
      },
      { id: 'b', tenant: 'default', text: 'B' },
      { id: 'c', tenant: 'other', text: '' },
    ]);
    expect(deleted).toEqual([['a', { tenant: 'default', sourceVersion: 2 }]]);
  });

  it.each([
    ['no text', { title: 'T' }, '/text'],
    ['an unknown format', { text: 't', format: 'pdf' }, '/format'],
    ['a fraction of a version', { text: 't', sourceVersion: 1.5 }, '/sourceVersion'],
    ['nested metadata', { text: 't', metadata: { a: { b: 1 } } }, '/metadata/a'],
    [
      'too many metadata fields',
      { text: 't', metadata: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`f${i}`, i])) },
      '/metadata',
    ],
    ['an id inside the body', { text: 't', id: 'x' }, '/id'],
  ])('are refused with %s', async (_name, payload, pointer) => {
    await using server = await openServer();
    const response = await server.app.inject({ method: 'PUT', url: '/v1/documents/a', payload });
    expect([response.statusCode, response.json().errors[0].pointer]).toEqual([400, pointer]);
  });

  it('are refused in a batch that is empty or too large, with the place of the wrong one', async () => {
    await using server = await openServer({}, { limits: { batchDocumentsMax: 2 } });
    const ask = async (documents: readonly object[]) =>
      (await server.app.inject({ method: 'POST', url: '/v1/documents:batch', payload: { documents } })).json().errors[0]
        .pointer;
    expect(await ask([])).toBe('/documents');
    expect(
      await ask([
        { id: 'a', text: '' },
        { id: 'b', text: '' },
        { id: 'c', text: '' },
      ]),
    ).toBe('/documents');
    expect(await ask([{ id: 'a', text: '' }, { id: 'b' }])).toBe('/documents/1/text');
  });
});
