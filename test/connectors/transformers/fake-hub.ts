import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KnownModel } from '../../../connectors/transformers/known-model.ts';
import { TINY_BERT } from './tiny-model.ts';

export interface FakeHub extends AsyncDisposable {
  readonly url: string;
  /** Paths asked for, in order. */
  readonly requests: readonly string[];
}

export type Behaviour = (response: ServerResponse, bytes: Buffer, source: string) => void;

export const serve: Behaviour = (response, bytes) =>
  void response.writeHead(200, { 'content-length': bytes.length }).end(bytes);

/** A hub on this machine that carries the tiny model, and misbehaves as told. */
export async function openFakeHub(known: KnownModel, behaviour: Behaviour = serve): Promise<FakeHub> {
  const requests: string[] = [];
  const prefix = `/${known.hub.repository}/resolve/${known.hub.revision}/`;
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    requests.push(path);
    const piece = known.pieces.find(({ source }) => path === prefix + source);
    if (piece === undefined) {
      response.writeHead(404).end('not found');
      return;
    }
    void readFile(join(TINY_BERT, piece.target)).then((bytes) => behaviour(response, bytes, piece.source));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
