import { Counter, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { freshnessReport, openServer } from './fakes.ts';

describe('freshness and health', () => {
  it('reports how far behind each source is, with null for what is not known', async () => {
    await using server = await openServer({ freshness: { report: async () => freshnessReport() } });
    const response = await server.app.inject('/v1/freshness');
    expect(response.headers['freshet-token']).toBe('tok-1');
    expect(response.json()).toMatchObject({
      now: '2026-11-20T06:31:02.114Z',
      ready: true,
      asOf: '2026-11-20T06:31:02.064Z',
      lagMs: 50,
      sources: [{ source: 'app', snapshots: [{ rowsTotal: null }], gauges: { retained_wal_bytes: 1024 } }],
      commitToVisible: { count: 3, p50: 12, p95: 20, p99: null },
      embedder: { fingerprint: 'all-MiniLM-L6-v2', name: null, lexicalOnly: false, down: false },
      index: { documents: 60, chunks: 240, bytesOnDisk: 4096 },
    });
  });

  it('claims no lag while a source does not know', async () => {
    await using server = await openServer({ freshness: { report: async () => freshnessReport({ asOf: undefined }) } });
    expect((await server.app.inject('/v1/freshness')).json()).toMatchObject({ asOf: null, lagMs: null });
  });

  it('is ready once the initial index is built, and says what is missing until then', async () => {
    let ready = false;
    await using server = await openServer({
      freshness: {
        ready: async () => ({
          ready,
          reasons: ready ? [] : ['The snapshot of app.public.articles is at 20 of 60 rows.'],
        }),
      },
    });
    const before = await server.app.inject('/readyz');
    expect(before.statusCode).toBe(503);
    expect(before.json()).toEqual({
      ready: false,
      reasons: ['The snapshot of app.public.articles is at 20 of 60 rows.'],
    });
    ready = true;
    expect((await server.app.inject('/readyz')).json()).toEqual({ ready: true, reasons: [] });
    expect((await server.app.inject('/livez')).json()).toEqual({ live: true });
  });

  it('serves the registry’s metrics and times its own requests by route', async () => {
    const metrics = new Registry();
    new Counter({ name: 'freshet_test_total', help: 'A test.', registers: [metrics] }).inc();
    await using server = await openServer({ documents: { get: async () => undefined } }, { metrics });
    await server.app.inject('/v1/documents/secret-id');
    const response = await server.app.inject('/metrics');
    expect(response.headers['content-type']).toContain('text/plain; version=0.0.4');
    expect(response.body).toContain('freshet_test_total 1');
    expect(response.body).toContain(
      'freshet_http_request_seconds_count{method="GET",route="/v1/documents/:id",status="4xx"} 1',
    );
    expect(response.body).not.toContain('secret-id');
  });
});
