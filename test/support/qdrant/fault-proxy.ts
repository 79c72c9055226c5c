import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What becomes of a request on its way to the server and back. */
export type Fault =
  /** Refused before it reaches the server. */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string }
  /** The connection breaks; the server has heard nothing. */
  | { readonly kind: 'drop-before' }
  /** The server has done it; the answer is lost with the connection. */
  | { readonly kind: 'drop-after' }
  /** No answer until `release` of the proxy, or never. The server has done it. */
  | { readonly kind: 'hold' }
  /** The server has done it and says that it has not yet. */
  | { readonly kind: 'wait-timeout' };

export interface Passed {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface FaultProxy extends AsyncDisposable {
  readonly url: string;
  readonly seen: readonly Passed[];
  /** Asked for every request. */
  fault: (passed: Passed) => Fault | undefined;
  /** Answers everything held. */
  release(): void;
}

/** Between the client and a Qdrant server (the real one or the double), to lose, delay and refuse what goes through. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const seen: Passed[] = [];
  let held: (() => void)[] = [];
  const server = createServer((incoming, outgoing) => void handle(incoming, outgoing));

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const passed = await read(incoming);
    seen.push(passed);
    const fault = proxy.fault(passed);
    if (fault?.kind === 'status') {
      outgoing.writeHead(fault.status, {
        'content-type': 'application/json',
        ...(fault.retryAfter === undefined ? {} : { 'retry-after': fault.retryAfter }),
      });
      // As the server does, which quotes what it was sent.
      outgoing.end(JSON.stringify({ status: { error: `refused: ${passed.body}` }, time: 0 }));
      return;
    }
    if (fault?.kind === 'drop-before') return void outgoing.destroy();
    const answer = await forward(target, passed);
    if (fault?.kind === 'drop-after') return void outgoing.destroy();
    if (fault?.kind === 'hold') {
      held.push(() => respond(outgoing, answer));
      return;
    }
    respond(outgoing, fault?.kind === 'wait-timeout' ? unfinished(answer) : answer);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: FaultProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    fault: () => undefined,
    release() {
      const all = held;
      held = [];
      for (const one of all) one();
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return proxy;
}

async function read(incoming: IncomingMessage): Promise<Passed> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part as Buffer);
  const { method = '', url = '', headers } = incoming;
  return { method, path: url, headers, body: Buffer.concat(parts).toString() };
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

function forward(target: string, { method, path, headers, body }: Passed): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(target + path, { method, headers: { ...headers, host: new URL(target).host } }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('end', () =>
        resolve({
          status: answer.statusCode ?? 500,
          type: answer.headers['content-type'] ?? '',
          body: Buffer.concat(parts).toString(),
        }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

function respond(outgoing: ServerResponse, { status, type, body }: Answer): void {
  outgoing.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  outgoing.end(body);
}

/** The answer of a server that gave up waiting for its own queue. */
const unfinished = (answer: Answer): Answer => ({
  ...answer,
  body: answer.body
    .replaceAll('"status": "completed"', '"status": "wait_timeout"')
    .replaceAll('"status":"completed"', '"status":"wait_timeout"'),
});
