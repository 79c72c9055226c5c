import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import { problem } from './problems.ts';

export type StreamKind = 'sse' | 'ndjson';

const CONTENT_TYPES: Record<StreamKind, string> = {
  sse: 'text/event-stream; charset=utf-8',
  ndjson: 'application/x-ndjson; charset=utf-8',
};

/**
 * The open streams of a server. Node's `server.close` waits for every answer to end, and a stream has no end of its own: so the server
 * ends them first.
 */
export class OpenStreams {
  readonly #limit: number;
  readonly #streams = new Set<StreamOut>();
  #closing = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Takes over the reply: from here on, errors must be told inside the stream. */
  open(reply: FastifyReply, kind: StreamKind, bufferBytes: number): StreamOut {
    if (this.#closing) throw problem('SHUTTING_DOWN', 'The instance is shutting down. Try again in a moment.');
    if (this.#streams.size >= this.#limit) {
      throw problem('TOO_MANY_STREAMS', `At most ${this.#limit} streams may be open at once.`, { limit: this.#limit });
    }
    reply.hijack();
    reply.raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': CONTENT_TYPES[kind],
      'cache-control': 'no-store',
      // Proxies that buffer would hold events back.
      'x-accel-buffering': 'no',
    });
    reply.raw.flushHeaders();
    const stream = new StreamOut(reply.raw, kind, bufferBytes);
    this.#streams.add(stream);
    stream.signal.addEventListener('abort', () => this.#streams.delete(stream), { once: true });
    return stream;
  }

  closeAll(farewell: (stream: StreamOut) => void): void {
    this.#closing = true;
    for (const stream of [...this.#streams]) {
      farewell(stream);
      stream.end();
    }
  }
}

/** How long a reader may take to fetch what was written before its stream ended. */
const LINGER_MS = 2000;

/** One long answer. Writing never waits and never piles up: a reader too far behind is the caller's to drop. */
export class StreamOut {
  readonly kind: StreamKind;
  readonly #raw: ServerResponse;
  readonly #bufferBytes: number;
  readonly #ended = new AbortController();

  constructor(raw: ServerResponse, kind: StreamKind, bufferBytes: number) {
    this.#raw = raw;
    this.kind = kind;
    this.#bufferBytes = bufferBytes;
    raw.once('close', () => this.#ended.abort());
    raw.on('error', () => this.#ended.abort());
  }

  /** Fires when the stream is over, from either side. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** More than the buffer allows waits for the reader. */
  get isBehind(): boolean {
    return this.#raw.writableLength > this.#bufferBytes;
  }

  /** Whether everything written so far has left. */
  get isDrained(): boolean {
    return !this.#raw.writableNeedDrain;
  }

  write(text: string): void {
    if (!this.#ended.signal.aborted) this.#raw.write(text);
  }

  end(): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#raw.end();
    const timer = setTimeout(() => this.#raw.destroy(), LINGER_MS);
    timer.unref();
    this.#raw.once('close', () => clearTimeout(timer));
  }
}

/** One server-sent event (WHATWG HTML §9.2). JSON has no raw line breaks, so one `data:` line is enough. */
export function sseMessage(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
