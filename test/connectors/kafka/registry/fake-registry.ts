import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeRegistry extends AsyncDisposable {
  readonly url: string;
  /** Paths asked for, in order. */
  readonly asked: string[];
  readonly headers: IncomingMessage['headers'][];
  /** What the next answers are; after them, `answer` decides. */
  readonly schemas: Map<string, object>;
  /** Runs before an answer: may answer itself (true), or hold it back. */
  before: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;
}

/** A schema registry on loopback that knows what it was told. */
export async function startFakeRegistry(): Promise<FakeRegistry> {
  const asked: string[] = [];
  const headers: IncomingMessage['headers'][] = [];
  const schemas = new Map<string, object>();
  const server = createServer((request, response) => {
    void (async (): Promise<void> => {
      const path = request.url ?? '';
      asked.push(path);
      headers.push(request.headers);
      if (await fake.before(request, response)) return;
      const found = schemas.get(path);
      response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/vnd.schemaregistry.v1+json' });
      response.end(JSON.stringify(found ?? { error_code: 40_403, message: 'Schema not found' }));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const fake: FakeRegistry = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/apis/ccompat/v7`,
    asked,
    headers,
    schemas,
    before: () => false,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}

/** As the API answers it: the schema is JSON in a text. */
export const registered = (schema: unknown, references: readonly object[] = []): object => ({
  schema: JSON.stringify(schema),
  ...(references.length === 0 ? {} : { references }),
});
