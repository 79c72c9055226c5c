import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type AgentOptions } from 'node:https';

export interface RegistryTls {
  /** PEM. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
  readonly servername?: string;
  /** False trusts any certificate. */
  readonly rejectUnauthorized?: boolean;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** An answer longer than this is no schema. */
const BODY_BYTES_MAX = 8 * 1024 * 1024;

export interface Get extends AsyncDisposable {
  /** Rejects with the socket's error, or a TimeoutError / AbortError by name. */
  (url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer>;
}

/** `node:https` instead of `fetch`: TLS options per client without another dependency, and nothing follows a redirect by itself. */
export function createGet(tls: RegistryTls | undefined, timeoutMs: number): Get {
  const plain = new HttpAgent({ keepAlive: true, maxSockets: 4 });
  const secure = new HttpsAgent({ keepAlive: true, maxSockets: 4, ...(tls as AgentOptions | undefined) });
  const get = async (url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer> => {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { headers, signal: deadline };
      const request =
        url.protocol === 'https:'
          ? httpsRequest(url, { ...options, agent: secure }, resolve)
          : httpRequest(url, { ...options, agent: plain }, resolve);
      request.on('error', (error) => reject(deadline.aborted ? (deadline.reason as Error) : error));
      request.end();
    });
    const parts: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const part of response as AsyncIterable<Buffer>) {
        bytes += part.length;
        if (bytes > BODY_BYTES_MAX) throw new Error('the answer is longer than any schema');
        parts.push(part);
      }
    } catch (error) {
      throw deadline.aborted ? (deadline.reason as Error) : error;
    } finally {
      response.destroy();
    }
    return { status: response.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') };
  };
  return Object.assign(get, {
    [Symbol.asyncDispose]: async (): Promise<void> => {
      plain.destroy();
      secure.destroy();
    },
  });
}
