import type { z } from 'zod';
import { abortedError, FreshetError } from '../domain/errors.ts';

export interface HttpClient {
  get<Schema extends z.ZodType>(path: string, schema: Schema, signal: AbortSignal): Promise<z.output<Schema>>;
  /** Undefined on 404. */
  find<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    signal: AbortSignal,
  ): Promise<z.output<Schema> | undefined>;
  post<Schema extends z.ZodType>(
    path: string,
    body: unknown,
    schema: Schema,
    signal: AbortSignal,
  ): Promise<z.output<Schema>>;
  /** Lines of JSON as they come. */
  lines(path: string, body: unknown, signal: AbortSignal): AsyncIterable<unknown>;
}

interface ProblemBody {
  readonly code?: unknown;
  readonly detail?: unknown;
  readonly status?: unknown;
}

/** An RFC 9457 problem as the error it was on the other side. */
export function problemError(body: ProblemBody, status: number): FreshetError {
  const code = typeof body.code === 'string' ? body.code : 'INSTANCE_ERROR';
  const detail = typeof body.detail === 'string' ? body.detail : `The instance answered with status ${status}.`;
  return new FreshetError(code, status === 429 || status >= 502 ? 'transient' : 'poison', detail, {
    details: { status },
  });
}

export function httpClient(api: string, token: string | undefined, fetch: typeof globalThis.fetch): HttpClient {
  const request = async (
    method: 'GET' | 'POST',
    path: string,
    body: unknown,
    signal: AbortSignal,
  ): Promise<Response> => {
    const headers: Record<string, string> = {
      accept: 'application/json, application/x-ndjson, application/problem+json',
    };
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    try {
      const init = { method, headers, signal, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
      return await fetch(new URL(path, api), init);
    } catch (error) {
      throw lost(error, api, signal);
    }
  };
  const read = async <Schema extends z.ZodType>(
    answer: Response,
    path: string,
    schema: Schema,
    signal: AbortSignal,
  ): Promise<z.output<Schema>> => {
    const body = await readJson(answer, api, signal);
    if (!answer.ok) throw problemError((body ?? {}) as ProblemBody, answer.status);
    const parsed = schema.safeParse(body);
    if (parsed.success) return parsed.data;
    throw new FreshetError(
      'INSTANCE_INCOMPATIBLE',
      'fatal',
      `The instance at ${api} answered ${path} in a shape this version does not know. Use the command of the version that is running.`,
    );
  };
  return {
    get: async (path, schema, signal) => read(await request('GET', path, undefined, signal), path, schema, signal),
    find: async (path, schema, signal) => {
      const answer = await request('GET', path, undefined, signal);
      if (answer.status !== 404) return read(answer, path, schema, signal);
      await answer.body?.cancel();
      return undefined;
    },
    post: async (path, body, schema, signal) => read(await request('POST', path, body, signal), path, schema, signal),
    lines: async function* (path, body, signal) {
      const answer = await request('POST', path, body, signal);
      if (!answer.ok) throw problemError(((await readJson(answer, api, signal)) ?? {}) as ProblemBody, answer.status);
      yield* jsonLines(answer, api, signal);
    },
  };
}

async function readJson(answer: Response, api: string, signal: AbortSignal): Promise<unknown> {
  let text: string;
  try {
    text = await answer.text();
  } catch (error) {
    throw lost(error, api, signal);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

async function* jsonLines(answer: Response, api: string, signal: AbortSignal): AsyncIterable<unknown> {
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for await (const bytes of answer.body ?? []) {
      const lines = (rest + decoder.decode(bytes as Uint8Array, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as unknown;
    }
  } catch (error) {
    throw lost(error, api, signal);
  }
  if (rest.trim() !== '') yield JSON.parse(rest) as unknown;
}

function lost(error: unknown, api: string, signal: AbortSignal): FreshetError {
  if (signal.aborted) return abortedError(signal);
  return new FreshetError(
    'INSTANCE_UNREACHABLE',
    'transient',
    `The connection to the instance at ${api} was lost. If it stopped, run the command again: it will open the data folder itself.`,
    { cause: error },
  );
}
