import { Agent, request } from 'node:http';
import { revisionIn } from './corpus.ts';
import { monotonicMs } from './statistics.ts';

const agent = new Agent({ keepAlive: true, maxSockets: 8 });
const GIVE_UP_MS = 60_000;

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One request on a kept connection: an outside client without the weight of `fetch`. */
export function ask(url: string, body?: unknown): Promise<Answer> {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        agent,
        method: payload === undefined ? 'GET' : 'POST',
        headers:
          payload === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) },
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') }),
        );
        response.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(payload);
  });
}

export const readDocument = (api: string, document: string): Promise<Answer> => ask(`${api}/v1/documents/${document}`);

/** Asks for the document again and again; the time at which an answer showed the revision. */
export async function untilShown(api: string, document: string, revision: number): Promise<number> {
  const until = monotonicMs() + GIVE_UP_MS;
  while (monotonicMs() < until) {
    const { body } = await readDocument(api, document);
    if (revisionIn(body) >= revision) return monotonicMs();
  }
  return Number.POSITIVE_INFINITY;
}
