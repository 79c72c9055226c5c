import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { LiveEvent, RecentChange } from '../../src/services/services.ts';
import { DOCUMENT, NOW, openServer, type Told } from './fakes.ts';
import type { ApiLimits } from '../../src/api/options.ts';

const change: RecentChange = {
  document: DOCUMENT,
  table: 'app.public.articles',
  title: 'Returns',
  uri: 'kb://returns',
  kind: 'upserted',
  times: { committed: NOW, received: NOW + 2, redacted: NOW + 3, embedded: NOW + 14, visible: NOW + 17 },
  chunksTotal: 4,
  chunksEmbedded: 1,
};

/** A server on a real socket with one feed to publish on. */
async function openFeed(limits: Partial<ApiLimits> = {}) {
  const listeners = new Map<(event: LiveEvent) => void, string>();
  const told: Told = {
    freshness: {
      recent: (_tenant, limit) => Array.from({ length: Math.min(limit, 3) }, () => change),
      subscribe: (tenant, listener) => {
        listeners.set(listener, tenant);
        return () => listeners.delete(listener);
      },
    },
  };
  const server = await openServer(told, { limits });
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = server.app.server.address() as AddressInfo;
  return {
    ...server,
    listeners,
    port,
    url: `http://127.0.0.1:${port}`,
    publish: (event: LiveEvent) => [...listeners.keys()].forEach((listener) => listener(event)),
  };
}

async function readUntil(body: ReadableStream<Uint8Array>, found: (text: string) => boolean): Promise<string> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!found(text)) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
  }
  return text;
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await sleep(5);
};

describe('GET /v1/changes', () => {
  it('lists the newest changes with commit → visible', async () => {
    await using feed = await openFeed();
    const response = await feed.app.inject('/v1/changes?limit=2');
    expect(response.json().data).toHaveLength(2);
    expect(response.json().data[0]).toEqual({
      document: DOCUMENT,
      table: 'app.public.articles',
      title: 'Returns',
      uri: 'kb://returns',
      kind: 'upserted',
      times: {
        committed: '2026-11-20T06:31:02.114Z',
        received: '2026-11-20T06:31:02.116Z',
        redacted: '2026-11-20T06:31:02.117Z',
        embedded: '2026-11-20T06:31:02.128Z',
        visible: '2026-11-20T06:31:02.131Z',
      },
      freshnessMs: 17,
      chunksTotal: 4,
      chunksEmbedded: 1,
    });
    expect((await feed.app.inject('/v1/changes?limit=0')).statusCode).toBe(400);
  });
});

describe('GET /v1/changes/stream', () => {
  it('sends events of the caller’s tenant as they come, and heartbeats while nothing does', async () => {
    await using feed = await openFeed({ heartbeatMs: 20 });
    const response = await fetch(`${feed.url}/v1/changes/stream?tenant=acme`);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('x-request-id')).not.toBeNull();
    expect([...feed.listeners.values()]).toEqual(['acme']);
    feed.publish({
      type: 'document.stage',
      document: DOCUMENT,
      state: 'received',
      times: { committed: NOW, received: NOW + 2 },
    });
    feed.publish({ type: 'document.upserted', ...change });
    feed.publish({ type: 'document.failed', document: DOCUMENT, stage: 'embed', code: 'TEXT_TOO_LONG' });
    const text = await readUntil(
      response.body!,
      (sofar) => sofar.includes('document.failed') && sofar.includes(': heartbeat'),
    );
    expect(text).toContain(': connected\n\n');
    expect(text).toContain(
      `event: document.stage\ndata: {"type":"document.stage","document":"${DOCUMENT}","state":"received","times":{"committed":"2026-11-20T06:31:02.114Z","received":"2026-11-20T06:31:02.116Z"}}\n\n`,
    );
    expect(text).toMatch(/event: document\.upserted\ndata: .*"freshnessMs":17.*\n\n/u);
    expect(text).toContain('"code":"TEXT_TOO_LONG"');
  });

  it('unsubscribes when the reader leaves', async () => {
    await using feed = await openFeed();
    const controller = new AbortController();
    await fetch(`${feed.url}/v1/changes/stream`, { signal: controller.signal });
    expect(feed.listeners.size).toBe(1);
    controller.abort();
    await until(() => feed.listeners.size === 0);
  });

  it('drops a reader who does not keep up, says why, and keeps the others', async () => {
    await using feed = await openFeed({ streamBufferBytes: 20_000 });
    const healthy = await fetch(`${feed.url}/v1/changes/stream`);
    const socket = connect(feed.port, '127.0.0.1');
    socket.write('GET /v1/changes/stream HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
    await until(() => feed.listeners.size === 2);
    socket.pause();

    let received = 0;
    const reading = (async () => {
      for await (const part of healthy.body!) received += part.length;
    })().catch(() => undefined);
    const title = 'x'.repeat(4000);
    for (let i = 0; feed.listeners.size === 2; i += 1) {
      feed.publish({ type: 'document.upserted', ...change, title });
      if (i % 3 === 0) await sleep(1);
    }
    expect(feed.listeners.size).toBe(1);
    expect(received).toBeGreaterThan(0);

    let text = '';
    socket.setEncoding('utf8').on('data', (part: string) => (text += part));
    socket.resume();
    await once(socket, 'close').catch(() => undefined);
    expect(text).toContain('event: end\ndata: {"reason":"slow-reader"}');
    await feed.app.close();
    await reading;
  });

  it('limits how many streams are open at once', async () => {
    await using feed = await openFeed({ streamsMax: 1 });
    const controller = new AbortController();
    await fetch(`${feed.url}/v1/changes/stream`, { signal: controller.signal });
    const second = await fetch(`${feed.url}/v1/changes/stream`);
    expect([second.status, ((await second.json()) as { code: string }).code]).toEqual([429, 'TOO_MANY_STREAMS']);
    expect(second.headers.get('retry-after')).toBe('10');
    controller.abort();
    await until(() => feed.listeners.size === 0);
    const third = await fetch(`${feed.url}/v1/changes/stream`, { signal: AbortSignal.timeout(5000) });
    expect(third.status).toBe(200);
  });

  it('does not keep the server from closing, nor does a connection that never asked anything', async () => {
    const feed = await openFeed({ closeGraceMs: 60_000 });
    const idle = connect(feed.port, '127.0.0.1');
    await once(idle, 'connect');
    const response = await fetch(`${feed.url}/v1/changes/stream`);
    const text = readUntil(response.body!, () => false);
    await feed.app.close();
    expect(await text).toContain('event: end\ndata: {"reason":"shutdown"}');
    expect(feed.listeners.size).toBe(0);
  });
});
