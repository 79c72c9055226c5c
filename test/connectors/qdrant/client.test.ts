import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { QdrantCalls } from '../../../connectors/qdrant/client.ts';
import type { QdrantConnection } from '../../../connectors/qdrant/options.ts';
import { retryAfterMs } from '../../../connectors/qdrant/retry-after.ts';
import { checkServer } from '../../../connectors/qdrant/version.ts';
import { throwIfAborted, type FreshetError } from '../../../src/domain/errors.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { json, startFakeServer, type Heard } from '../../support/qdrant/fake-server.ts';

const never = new AbortController().signal;
const SECRET = 'the text of a document';

/** Sleeps are noted and over at once. */
function noSleep(): { clock: Clock; slept: number[] } {
  const slept: number[] = [];
  const clock: Clock = {
    now: () => Date.UTC(2026, 10, 20),
    monotonic: () => 0,
    sleep(ms, signal) {
      throwIfAborted(signal);
      slept.push(ms);
      return Promise.resolve();
    },
  };
  return { clock, slept };
}

async function withServer(
  answer: (heard: Heard, response: ServerResponse, count: number) => void,
  run: (context: { calls: QdrantCalls; heard: readonly Heard[]; slept: readonly number[] }) => Promise<void>,
  options: Partial<QdrantConnection> = {},
): Promise<void> {
  let count = 0;
  await using server = await startFakeServer((heard, response) => answer(heard, response, ++count));
  const { clock, slept } = noSleep();
  await using calls = new QdrantCalls({ url: server.url, clock, random: () => 0, ...options });
  await run({ calls, heard: server.heard, slept });
}

const retrieve = (calls: QdrantCalls, signal = never): Promise<unknown> =>
  calls.call(
    { name: 'getPoints', collection: 'kb' },
    (api, init) => api.getPoints({ collection_name: 'kb', ids: [SECRET] }, init),
    signal,
  );

const failure = (promise: Promise<unknown>): Promise<FreshetError> =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error as FreshetError,
  );

/** Something to be awaited that happens elsewhere. */
function event(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

const ok = (response: ServerResponse): void => json(response, 200, { result: [], status: 'ok', time: 0 });

describe('A call of the Qdrant client', () => {
  it('asks for answers that are not compressed, with the key and no warning of the library', async () => {
    await withServer(
      (_heard, response) => ok(response),
      async ({ calls, heard }) => {
        await retrieve(calls);
        expect(heard[0]?.headers).toMatchObject({ 'accept-encoding': 'identity', 'api-key': 'k' });
      },
      { apiKey: 'k' },
    );
  });

  it('keeps the path in front of the server', async () => {
    await using server = await startFakeServer((_heard, response) => ok(response));
    await using calls = new QdrantCalls({ url: `${server.url}/behind/this/`, clock: noSleep().clock });
    await retrieve(calls);
    expect(server.heard[0]?.path).toBe('/behind/this/collections/kb/points');
  });

  it.each([429, 500, 502, 503, 504, 408])('is sent again after a status %i', async (status) => {
    await withServer(
      (_heard, response, count) => (count < 3 ? json(response, status, { status: { error: SECRET } }) : ok(response)),
      async ({ calls, heard, slept }) => {
        await retrieve(calls);
        expect(heard).toHaveLength(3);
        expect(slept).toEqual([25, 50]);
      },
    );
  });

  it('waits as long as Retry-After says, all digits of it', async () => {
    await withServer(
      (_heard, response, count) => (count === 1 ? json(response, 429, {}, { 'retry-after': '15' }) : ok(response)),
      async ({ calls, slept }) => {
        await retrieve(calls);
        expect(slept).toEqual([15_000]);
      },
    );
  });

  it('leaves a longer wait than half a minute to the caller', async () => {
    await withServer(
      (_heard, response) => json(response, 429, {}, { 'retry-after': '3600' }),
      async ({ calls, heard, slept }) => {
        expect(await failure(retrieve(calls))).toMatchObject({ kind: 'transient', code: 'INDEX_OVERLOADED' });
        expect([heard.length, slept]).toEqual([1, []]);
      },
    );
  });

  it('gives up after its retries, and says what and where, but never what was sent or answered', async () => {
    await withServer(
      (heard, response) => json(response, 500, { status: { error: heard.body + SECRET } }),
      async ({ calls, heard }) => {
        const error = await failure(retrieve(calls));
        expect(error).toMatchObject({ kind: 'transient', code: 'INDEX_UNAVAILABLE' });
        expect(error.details).toEqual({ operation: 'getPoints', collection: 'kb', status: 500 });
        expect(heard).toHaveLength(3);
      },
      { retries: 2 },
    );
  });

  it.each([
    [400, 'poison', 'INDEX_REJECTED'],
    [413, 'poison', 'INDEX_REJECTED'],
    [422, 'poison', 'INDEX_REJECTED'],
    [401, 'fatal', 'INDEX_UNAUTHORIZED'],
    [403, 'fatal', 'INDEX_UNAUTHORIZED'],
    [404, 'fatal', 'INDEX_COLLECTION_MISSING'],
    [500, 'transient', 'INDEX_UNAVAILABLE'],
    [202, 'transient', 'INDEX_UNAVAILABLE'],
  ])('takes a status %i for %s', async (status, kind, code) => {
    await withServer(
      (heard, response) => json(response, status, { status: { error: heard.body }, result: SECRET }),
      async ({ calls }) => {
        const error = await failure(retrieve(calls));
        expect(error).toMatchObject({ kind, code });
        expect(inspected(error)).not.toContain(SECRET);
      },
      { retries: 0 },
    );
  });

  it.each([
    ['a page of HTML', '<html>' + SECRET],
    ['half an answer', `{"result": ["${SECRET}`],
    ['nothing', ''],
    ['JSON without a result', '{"status":"ok"}'],
  ])('takes %s in place of an answer for a passing fault', async (_what, body) => {
    await withServer(
      (_heard, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(body),
      async ({ calls }) => {
        const error = await failure(retrieve(calls));
        expect(error).toMatchObject({ kind: 'transient', code: 'INDEX_ANSWER_UNREADABLE' });
        expect(inspected(error)).not.toContain(SECRET);
      },
      { retries: 0 },
    );
  });

  it('takes a connection that breaks, before an answer and within one, for a passing fault', async () => {
    await withServer(
      (_heard, response, count) => {
        if (count === 1) return void response.destroy();
        if (count > 2) return ok(response);
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
        response.write('{"result":');
        setImmediate(() => response.destroy());
      },
      async ({ calls, heard }) => {
        await retrieve(calls);
        expect(heard).toHaveLength(3);
      },
    );
  });

  it('takes a server that is not there for a passing fault, and names the fault', async () => {
    const gone = await startFakeServer(() => undefined);
    await gone[Symbol.asyncDispose]();
    await using calls = new QdrantCalls({ url: gone.url, clock: noSleep().clock, retries: 1 });
    const error = await failure(retrieve(calls));
    expect(error).toMatchObject({ kind: 'transient', code: 'INDEX_UNREACHABLE', details: { network: 'ECONNREFUSED' } });
  });

  it('gives up on a server that does not answer in time', async () => {
    await withServer(
      () => undefined,
      async ({ calls, heard }) => {
        expect(await failure(retrieve(calls))).toMatchObject({ kind: 'transient', code: 'INDEX_TIMEOUT' });
        expect(heard).toHaveLength(2);
      },
      { timeoutMs: 50, retries: 1 },
    );
  });

  it('ends with its signal: before it is sent, in the queue, and under way', async () => {
    const arrived = event();
    await withServer(
      () => arrived.resolve(),
      async ({ calls, heard }) => {
        expect(await failure(retrieve(calls, AbortSignal.abort()))).toMatchObject({ kind: 'aborted' });
        const leaving = new AbortController();
        const underWay = failure(retrieve(calls, leaving.signal));
        const queued = failure(retrieve(calls, leaving.signal));
        await arrived.promise;
        leaving.abort();
        expect((await underWay).kind).toBe('aborted');
        expect((await queued).kind).toBe('aborted');
        expect(heard).toHaveLength(1);
      },
      { concurrency: 1 },
    );
  });

  it('ends with the client', async () => {
    const arrived = event();
    await withServer(
      () => arrived.resolve(),
      async ({ calls }) => {
        const underWay = failure(retrieve(calls));
        await arrived.promise;
        await calls[Symbol.asyncDispose]();
        expect(await underWay).toMatchObject({ kind: 'aborted', code: 'INDEX_CLOSED' });
        expect(await failure(retrieve(calls))).toMatchObject({ kind: 'aborted', code: 'INDEX_CLOSED' });
      },
    );
  });

  it('sends no more at a time than it may, and reads before writes', async () => {
    const order: string[] = [];
    const answers: (() => void)[] = [];
    const next = async (): Promise<void> => {
      while (answers.length === 0) await new Promise((resolve) => setImmediate(resolve));
      answers.shift()!();
    };
    await withServer(
      (heard, response) => {
        order.push(new URL(heard.path, 'http://x').pathname.split('/').at(-1)!);
        answers.push(() => ok(response));
      },
      async ({ calls }) => {
        const write = (): Promise<unknown> =>
          calls.call(
            { name: 'batchUpdate' },
            (api, init) => api.batchUpdate({ collection_name: 'kb', operations: [] }, init),
            never,
            'write',
          );
        const all = [write(), write(), retrieve(calls)];
        for (const _ of all) await next();
        await Promise.all(all);
        expect(order).toEqual(['batch', 'points', 'batch']);
      },
      { concurrency: 1 },
    );
  });
});

/** Everything of an error that a log could show. */
function inspected(error: FreshetError): string {
  return `${error.message} ${error.stack} ${JSON.stringify(error.details)} ${String(error.cause)}`;
}

describe('Many requests at once with one signal', () => {
  it('are no leak: Node warns of none', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): number => warnings.push(warning);
    process.on('warning', note);
    try {
      await withServer(
        (_heard, response) => json(response, 200, { result: [] }),
        async ({ calls }) => {
          const { signal } = new AbortController();
          await Promise.all(Array.from({ length: 40 }, () => retrieve(calls, signal)));
        },
      );
    } finally {
      process.off('warning', note);
    }
    expect(warnings).toEqual([]);
  });
});

describe('The version of the server', () => {
  const check = (version: string): Promise<FreshetError | undefined> => {
    let found: FreshetError | undefined;
    return withServer(
      (_heard, response) => json(response, 200, { title: 'qdrant', version }),
      async ({ calls }) => {
        found = await checkServer(calls, never).then(
          () => undefined,
          (error: unknown) => error as FreshetError,
        );
      },
    ).then(() => found);
  };

  it.each(['1.19.0', '1.20.3', '2.0.0', '1.19.0-dev', 'dev'])('may be %s', async (version) => {
    expect(await check(version)).toBeUndefined();
  });

  it.each(['1.18.9', '1.7.4', '0.11.0'])('may not be %s', async (version) => {
    expect(await check(version)).toMatchObject({ kind: 'fatal', code: 'INDEX_SERVER_OLD' });
  });
});

describe('Retry-After', () => {
  const now = Date.UTC(2026, 10, 20, 12);
  it.each([
    ['0', 0],
    ['15', 15_000],
    ['Fri, 20 Nov 2026 12:00:05 GMT', 5_000],
    ['Fri, 20 Nov 2026 11:00:00 GMT', 0],
    ['soon', undefined],
    ['-1', undefined],
  ])('reads %s', (header, ms) => {
    expect(retryAfterMs(header, now)).toBe(ms);
  });
});
