import { until } from './process.ts';

export interface Change {
  readonly event: string;
  readonly data: Record<string, unknown>;
}

export interface Watching extends AsyncDisposable {
  readonly seen: readonly Change[];
  /** The first change that matches, seen already or to come. */
  until(matches: (change: Change) => boolean): Promise<Change>;
}

/** Reads a stream of server-sent events; returns once the server said that it is connected. */
export async function watchChanges(url: string): Promise<Watching> {
  const abort = new AbortController();
  const response = await fetch(url, { signal: abort.signal });
  if (!response.ok || response.body === null) throw new Error(`${url} answered ${response.status}`);
  const seen: Change[] = [];
  let connected = false;
  const reading = (async () => {
    let rest = '';
    const decoder = new TextDecoder();
    for await (const bytes of response.body as AsyncIterable<Uint8Array>) {
      const messages = (rest + decoder.decode(bytes, { stream: true })).split('\n\n');
      rest = messages.pop() ?? '';
      for (const message of messages) {
        connected = true;
        const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, 'm').exec(message)?.[1];
        const event = field('event');
        const data = field('data');
        if (event !== undefined && data !== undefined) seen.push({ event, data: JSON.parse(data) as Change['data'] });
      }
    }
  })().catch(() => undefined);
  await until(() => connected, 'the stream’s first line');
  return {
    seen,
    until: (matches) => until(() => seen.find(matches), 'a change on the stream'),
    async [Symbol.asyncDispose]() {
      abort.abort();
      await reading;
    },
  };
}
