import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { toSearchAnswer } from '../../src/api/search-mapping.ts';
import { deadLetterView, freshnessView } from '../../src/api/views.ts';
import { answer, clean, letter, NOW, report, run, temporaryFolder } from './fakes.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

type Reply = {
  readonly status?: number;
  readonly json?: unknown;
  readonly lines?: readonly unknown[];
  readonly cutAfterLines?: boolean;
};

/** An instance as the API answers, with its file in a data folder. */
async function fakeInstance(replies: Record<string, Reply>, env: Record<string, string> = {}) {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const url = request.url ?? '';
      if (url === '/livez') return void response.setHeader('content-type', 'application/json').end('{"live":true}');
      seen.push({
        method: request.method ?? '',
        url,
        authorization: request.headers.authorization,
        body: await bodyOf(request),
      });
      const reply = replies[`${request.method} ${url.split('?')[0]}`] ?? {
        status: 404,
        json: { code: 'NOT_FOUND', detail: 'No such thing.' },
      };
      response.statusCode = reply.status ?? 200;
      if (reply.lines === undefined) return void response.end(JSON.stringify(reply.json));
      for (const line of reply.lines) {
        const text = `${JSON.stringify(line)}\n`;
        response.write(text.slice(0, 5)); // lines arrive in pieces
        await new Promise((resolve) => setImmediate(resolve));
        response.write(text.slice(5));
      }
      if (reply.cutAfterLines === true) response.destroy();
      else response.end();
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const folder = temporaryFolder();
  folder.write('instance.json', JSON.stringify({ api, pid: 1, adminToken: 'secret-token', startedAt: 'now' }));
  return {
    api,
    seen,
    folder,
    run: (argv: readonly string[], tty = false) =>
      run([...argv, '--data-dir', folder.path], { cwd: folder.path, env, tty }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      folder[Symbol.dispose]();
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const part of request) text += String(part);
  return text === '' ? undefined : JSON.parse(text);
}

describe('Beside a running instance, commands go through its API', () => {
  it('search asks it, with the admin token of the data folder', async () => {
    await using instance = await fakeInstance({ 'POST /v1/search': { json: toSearchAnswer(answer, undefined) } });
    const { stdout, exitCode, closed, stderr } = await instance.run([
      'search',
      'return items',
      '-w',
      'lang=en',
      '-w',
      'n>1',
      '-n',
      '2',
    ]);
    expect(exitCode, stderr).toBe(0);
    expect(closed).toBe(0);
    expect(stdout).toContain(' 1  Returns and refunds  kb://returns/7  12 s ago');
    expect(stdout).toContain('Returns › How');
    expect(instance.seen).toEqual([
      {
        method: 'POST',
        url: '/v1/search',
        authorization: 'Bearer secret-token',
        body: {
          query: 'return items',
          limit: 2,
          tenant: 'default',
          mode: 'hybrid',
          filters: {
            type: 'and',
            filters: [
              { type: 'eq', key: 'lang', value: 'en' },
              { type: 'gt', key: 'n', value: 1 },
            ],
          },
        },
      },
    ]);
  });

  it('--json is the same through the API as on an opened data folder', async () => {
    await using instance = await fakeInstance({
      'POST /v1/search': { json: toSearchAnswer(answer, undefined) },
      'GET /v1/freshness': { json: freshnessView(report) },
      'GET /v1/admin/dead-letters/42': { json: deadLetterView(letter) },
      'GET /v1/admin/dead-letters': { json: { data: [deadLetterView(letter)], has_more: false, after: null } },
      'POST /v1/admin/verify': { lines: [{ result: clean }] },
    });
    for (const argv of [['search', 'x'], ['status'], ['dlq', 'show', '42'], ['dlq', 'list'], ['verify']]) {
      const remote = await instance.run([...argv, '--json']);
      const local = await run([...argv, '--json'], { cwd: '/nowhere/at/all' });
      expect(JSON.parse(remote.stdout), argv.join(' ')).toEqual(JSON.parse(local.stdout));
    }
  });

  it('status shows where it is', async () => {
    await using instance = await fakeInstance({
      'GET /v1/freshness': { json: freshnessView({ ...report, now: NOW }) },
    });
    const { stdout } = await instance.run(['status']);
    expect(stdout).toContain(`${instance.api}  ready · everything committed up to 300 ms ago`);
  });

  it('verify streams progress and takes the last line as the result', async () => {
    const progress = { progress: { phase: 'comparing', done: 61, total: 61 } };
    await using instance = await fakeInstance({
      'POST /v1/admin/verify': { lines: [progress, { result: { ...clean, ghost: 2 } }] },
    });
    const { stdout, stderr, exitCode } = await instance.run(['verify', '--repair']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('comparing  61 / 61 (100 %)');
    expect(stdout).toMatch(/^ +2 ghost/m);
    expect(instance.seen[0]?.body).toEqual({ repair: true, vectorSample: 100 });
  });

  it('a problem in the stream is the error it was', async () => {
    const problem = { code: 'SOURCE_UNREACHABLE', status: 503, detail: 'The database does not answer.' };
    await using instance = await fakeInstance({ 'POST /v1/admin/rebuild': { lines: [{ problem }] } });
    const { exitCode, stderr } = await instance.run(['rebuild']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('error The database does not answer.');
    expect(stderr).toContain('code SOURCE_UNREACHABLE');
  });

  it('a stream that ends early is no result', async () => {
    const lines = [{ progress: { phase: 'x', done: 1, total: null } }];
    await using cut = await fakeInstance({
      'POST /v1/admin/verify': { lines, cutAfterLines: true },
      'POST /v1/admin/rebuild': { lines },
    });
    expect(await cut.run(['verify'])).toMatchObject({ exitCode: 3 });
    const ended = await cut.run(['rebuild']);
    expect(ended).toMatchObject({ exitCode: 3 });
    expect(ended.stderr).toContain('code INSTANCE_UNREACHABLE');
  });

  it('replay and dlq retry are posted', async () => {
    await using instance = await fakeInstance({
      'POST /v1/admin/replay': { status: 202, json: { message: 'Replaying.' } },
      'POST /v1/admin/dead-letters/all/retry': { json: { retried: 4, failed: 1 } },
    });
    expect((await instance.run(['replay', 'app'])).stdout).toBe('Replaying.\n');
    expect(await instance.run(['dlq', 'retry', 'all'])).toMatchObject({
      exitCode: 1,
      stdout: '4 dead letters retried, 1 failed again.\n',
    });
    expect(instance.seen[0]?.body).toEqual({ source: 'app', from: 'snapshot' });
  });

  it('a dead letter that is gone is named', async () => {
    await using instance = await fakeInstance({});
    expect((await instance.run(['dlq', 'show', '43'])).stderr).toContain('There is no dead letter "43"');
  });

  it('a refusal says what the API said', async () => {
    const problem = { code: 'FORBIDDEN', status: 403, detail: 'This needs a key with the scope "admin".' };
    await using instance = await fakeInstance({ 'POST /v1/admin/replay': { status: 403, json: problem } });
    expect(await instance.run(['replay', 'app'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining(problem.detail) as string,
    });
  });

  it('an answer of another version is not guessed at', async () => {
    await using instance = await fakeInstance({ 'GET /v1/freshness': { json: { hello: 'world' } } });
    expect(await instance.run(['status'])).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('INSTANCE_INCOMPATIBLE') as string,
    });
  });
});

describe('A file left behind by a killed instance', () => {
  it.each([
    ['nobody listens there', JSON.stringify({ api: 'http://127.0.0.1:1', pid: 1 })],
    ['it is half written', '{"api":"http://127.0'],
    ['it is of something else', '{}'],
  ])('is ignored: %s', async (_name, content) => {
    using folder = temporaryFolder();
    folder.write('instance.json', content);
    const { exitCode, closed, stderr } = await run(['status', '--data-dir', folder.path], { cwd: folder.path });
    expect(exitCode).toBe(0);
    expect(closed).toBe(1);
    expect(stderr).toContain('No instance is running');
  });

  it('is ignored when another program has taken its port', async () => {
    const server = createServer((_request, response) => response.end('hello'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    using folder = temporaryFolder();
    folder.write(
      'instance.json',
      JSON.stringify({ api: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, pid: 1 }),
    );
    const { closed } = await run(['status', '--data-dir', folder.path], { cwd: folder.path });
    server.closeAllConnections();
    server.close();
    expect(closed).toBe(1);
  });
});
