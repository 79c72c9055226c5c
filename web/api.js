// How the page talks to its server: JSON with problems as errors, and the change stream, which comes back by itself.
import { createSseParser } from './lib.js';

const KEY = 'freshet-api-key';

export class ApiError extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || 'The request failed.');
    this.code = problem.code;
    this.status = problem.status;
  }
}

export const rememberKey = (key) => sessionStorage.setItem(KEY, key);

/** The stream cannot use EventSource, which sends no headers. */
function headers() {
  const key = sessionStorage.getItem(KEY);
  return key ? { authorization: `Bearer ${key}` } : {};
}

export async function call(method, path, { body, signal } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      signal,
      headers: { ...headers(), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError({ code: 'OFFLINE', status: 0, detail: 'The server does not answer.' });
  }
  if (response.ok) return response.json();
  throw new ApiError(
    await response.json().catch(() => ({ status: response.status, detail: `The server answered ${response.status}.` })),
  );
}

/** Longer than two heartbeats of the server: the line is dead though nobody said so. */
const SILENCE_MS_MAX = 40_000;
const BACKOFF_MS_MAX = 5000;

/** Follows the change stream for as long as the server lets it. `onState(true)` whenever it is connected anew: read what was missed. */
export async function follow({ onEvent, onState, onUnauthorized }) {
  let failures = 0;
  for (;;) {
    try {
      await connectOnce({
        onEvent,
        onOpen: () => {
          failures = 0;
          onState(true);
        },
      });
    } catch (error) {
      if (error.status === 403) return; // A key that may search but not watch: the page lives without the stream.
      if (error.status === 401) await onUnauthorized();
    }
    onState(false);
    failures += 1;
    const delay = Math.min(BACKOFF_MS_MAX, 250 * 2 ** Math.min(failures, 6)) * (0.75 + Math.random() / 2);
    await new Promise((resolve) => setTimeout(resolve, delay));
  }
}

async function connectOnce({ onEvent, onOpen }) {
  const controller = new AbortController();
  let watchdog;
  const heard = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => controller.abort(), SILENCE_MS_MAX);
  };
  heard();
  try {
    const response = await fetch('/v1/changes/stream', { headers: headers(), signal: controller.signal });
    if (!response.ok) throw new ApiError({ status: response.status });
    onOpen();
    const parse = createSseParser(onEvent);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      parse(value);
    }
  } finally {
    clearTimeout(watchdog);
  }
}
