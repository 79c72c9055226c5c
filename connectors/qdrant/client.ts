import { setMaxListeners } from 'node:events';
import PQueue from 'p-queue';
import { QdrantClient } from '@qdrant/js-client-rest';
import { Agent } from 'undici';
import { abortedError, FreshetError, throwIfAborted } from '../../src/domain/errors.ts';
import { backoffMs, type BackoffLimits } from '../../src/runtime/backoff.ts';
import { failureOf, toFreshetError, type Operation } from './errors.ts';
import type { QdrantConnection } from './options.ts';
import { noting, type RetryAfter } from './retry-after.ts';

const DEFAULT_PORT = 6333;
const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_CONCURRENCY = 16;
const DEFAULT_RETRIES = 3;
const BACKOFF: BackoffLimits = { firstMs: 50, maxMs: 2_000 };
/** A server that wants more is waited for by the caller, who knows what else there is to do. */
const RETRY_AFTER_MAX_MS = 30_000;

export type Api = ReturnType<QdrantClient['api']>;
/** The second argument of every call: its signal, and the agent that serves it. */
export type Init = Pick<RequestInit, 'signal'>;
export type Send<T> = (api: Api, init: Init) => Promise<{ readonly data: { readonly result?: T } }>;

/** Searches and heads go before writes in the queue: a reader waits for them, a lane can. */
export type Urgency = 'read' | 'write';

/**
 * One client per process: connections, the limit on requests under way, retries with back-off and `Retry-After`, a time limit and the
 * caller's signal for every request. What it throws is a FreshetError with status code, operation and collection, never what the library
 * said, for that quotes payloads.
 *
 * It sends no `accept-encoding` but `identity`: the server compresses and chunks otherwise, and every larger answer waits for a delayed
 * acknowledgement (measured: 42 ms instead of 1).
 */
export class QdrantCalls implements AsyncDisposable {
  readonly timeoutMs: number;
  readonly #api: Api;
  readonly #agent: Agent;
  readonly #queue: PQueue;
  readonly #connection: QdrantConnection;
  readonly #closed = new AbortController();

  constructor(connection: QdrantConnection) {
    // Every request in flight listens: no leak, so Node need not warn of one.
    setMaxListeners(0, this.#closed.signal);
    const { url, apiKey, ca, concurrency = DEFAULT_CONCURRENCY } = connection;
    this.#connection = connection;
    this.timeoutMs = connection.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#agent = new Agent({
      // Our own limits apply, with the caller's signal.
      ...{ bodyTimeout: 0, headersTimeout: 0, connections: concurrency },
      ...(ca === undefined ? {} : { connect: { ca } }),
    });
    this.#queue = new PQueue({ concurrency });
    this.#api = new QdrantClient({
      ...addressOf(url),
      // No time limit of the library: it would put its own signal in place of ours.
      timeout: Infinity,
      checkCompatibility: false,
      // As a header and not as `apiKey`: the library prints a warning for that on plain HTTP.
      headers: { 'accept-encoding': 'identity', ...(apiKey === undefined ? {} : { 'api-key': apiKey }) },
    }).api();
  }

  /**
   * Sends until it is answered, retries are used up, or the signal fires. Only what may be sent twice goes this way: reads, and writes
   * that are guarded or idempotent.
   */
  async call<T>(operation: Operation, send: Send<T>, signal: AbortSignal, urgency: Urgency = 'read'): Promise<T> {
    const { clock, retries = DEFAULT_RETRIES, random = Math.random } = this.#connection;
    for (let attempt = 1; ; attempt += 1) {
      const retryAfter: RetryAfter = { ms: undefined };
      try {
        return await this.#queued(() => this.#once(operation, send, signal, retryAfter), signal, urgency);
      } catch (error) {
        if (!(error instanceof FreshetError) || error.kind !== 'transient' || attempt > retries) throw error;
        if ((retryAfter.ms ?? 0) > RETRY_AFTER_MAX_MS) throw error;
        await clock.sleep(Math.max(retryAfter.ms ?? 0, backoffMs(attempt, BACKOFF, random())), signal);
      }
    }
  }

  async #queued<T>(task: () => Promise<T>, signal: AbortSignal, urgency: Urgency): Promise<T> {
    throwIfAborted(signal);
    // So does every one that waits here, and callers ask for many things at once with one signal.
    setMaxListeners(0, signal);
    try {
      return await this.#queue.add(task, { signal, priority: urgency === 'read' ? 1 : 0 });
    } catch (error) {
      if (signal.aborted) throw abortedError(signal);
      throw error;
    }
  }

  async #once<T>(operation: Operation, send: Send<T>, signal: AbortSignal, retryAfter: RetryAfter): Promise<T> {
    throwIfAborted(signal);
    if (this.#closed.signal.aborted) throw closedError(operation);
    const request = new AbortController();
    const leave = (): void => request.abort();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      request.abort();
    }, this.timeoutMs);
    signal.addEventListener('abort', leave, { once: true });
    this.#closed.signal.addEventListener('abort', leave, { once: true });
    try {
      const init = { signal: request.signal, dispatcher: noting(this.#agent, this.#connection.clock, retryAfter) };
      const { data } = await send(this.#api, init);
      if (data?.result === undefined) throw toFreshetError({ what: 'unreadable' }, operation);
      return data.result;
    } catch (error) {
      if (error instanceof FreshetError) throw error;
      if (signal.aborted) throw abortedError(signal);
      if (this.#closed.signal.aborted) throw closedError(operation);
      if (isLate) throw toFreshetError({ what: 'timeout', ms: this.timeoutMs }, operation);
      throw toFreshetError(failureOf(error), operation);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', leave);
      this.#closed.signal.removeEventListener('abort', leave);
    }
  }

  /** The server's version, which it tells outside the usual envelope. */
  version(signal: AbortSignal): Promise<string> {
    return this.call(
      { name: 'GET /' },
      async (api, init) => {
        const { data } = await api.root({}, init);
        return { data: { result: data.version } };
      },
      signal,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#agent.destroy();
  }
}

function closedError({ name, collection }: Operation): FreshetError {
  return new FreshetError('INDEX_CLOSED', 'aborted', `The connection to Qdrant is closed; ${name} came too late.`, {
    details: { operation: name, collection },
  });
}

/** The library takes a URL's default port for "none given" and forgets its path: both are said apart. */
function addressOf(text: string): { url: string; port: number; prefix?: string } {
  const url = new URL(text);
  const said = /^https?:\/\/(?:[^/@]*@)?(?:\[[^\]]*\]|[^/:]*):(\d+)/.exec(text)?.[1];
  const prefix = url.pathname.replace(/\/+$/, '');
  return {
    url: `${url.protocol}//${url.hostname}`,
    port: said === undefined ? DEFAULT_PORT : Number(said),
    ...(prefix === '' ? {} : { prefix }),
  };
}
