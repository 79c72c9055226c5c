import type { Redacted } from '../domain/document.ts';
import { abortedError } from '../domain/errors.ts';
import type { EmbedClass, EmbedInput } from './embed-queue.ts';

export interface QueuedText {
  readonly text: Redacted<string>;
  readonly tokens: number;
  readonly kind: EmbedClass;
  readonly done: (vector: Float32Array) => void;
  readonly failed: (error: unknown) => void;
  /** False once its document failed or was cancelled: not worth embedding any more. */
  readonly wanted: () => boolean;
}

/** Texts of many documents; documents take turns, so that one huge document delays no other. */
export interface FairQueue {
  readonly size: number;
  submit(inputs: readonly EmbedInput[], kind: EmbedClass, signal: AbortSignal): Promise<readonly Float32Array[]>;
  /** The next text in turn. */
  shift(): QueuedText | undefined;
  putBack(item: QueuedText): void;
  failAll(error: unknown): void;
}

export function createFairQueue(): FairQueue {
  /** One list per document, in turn order; the first is next. Read from the end (lists are reversed) so that taking is O(1). */
  const turns: QueuedText[][] = [];
  let next = 0;
  let size = 0;

  return {
    get size() {
      return size;
    },
    submit: (inputs, kind, signal) =>
      new Promise((resolve, reject) => {
        const vectors: Float32Array[] = new Array<Float32Array>(inputs.length);
        let missing = inputs.length;
        let over = false;
        const finish = (settle: () => void): void => {
          if (over) return;
          over = true;
          signal.removeEventListener('abort', onAbort);
          settle();
        };
        const onAbort = (): void => finish(() => reject(abortedError(signal)));
        signal.addEventListener('abort', onAbort, { once: true });
        const texts = inputs.map(
          ({ text, tokens }, at): QueuedText => ({
            text,
            tokens,
            kind,
            wanted: () => !over,
            failed: (error) => finish(() => reject(error as Error)),
            done: (vector) => {
              vectors[at] = vector;
              missing -= 1;
              if (missing === 0) finish(() => resolve(vectors));
            },
          }),
        );
        turns.push(texts.reverse());
        size += texts.length;
      }),
    shift() {
      while (turns.length > 0) {
        if (next >= turns.length) next = 0;
        const turn = turns[next] as QueuedText[];
        const item = turn.pop();
        if (turn.length === 0) turns.splice(next, 1);
        else next += 1;
        if (item === undefined) continue;
        size -= 1;
        if (item.wanted()) return item;
      }
      return undefined;
    },
    putBack(item) {
      turns.splice(next, 0, [item]);
      size += 1;
    },
    failAll(error) {
      const all = turns.splice(0).flat();
      size = 0;
      for (const item of all) item.failed(error);
    },
  };
}

/** Looks this many batches ahead for texts of like length: padding is work, and sorting a window saves most of it. */
const WINDOW_BATCHES = 4;

/**
 * One batch of at most `maxTokens` padded tokens (count × longest). The text whose turn it is always goes along; the rest of the window
 * is filled with those nearest to it in length, and what does not fit goes back.
 */
export function cutBatch(queue: FairQueue, maxTokens: number): QueuedText[] {
  const first = queue.shift();
  if (first === undefined) return [];
  const window: QueuedText[] = [];
  for (let tokens = first.tokens; tokens < maxTokens * WINDOW_BATCHES; ) {
    const item = queue.shift();
    if (item === undefined) break;
    window.push(item);
    tokens += Math.max(1, item.tokens);
  }
  window.sort((a, b) => Math.abs(a.tokens - first.tokens) - Math.abs(b.tokens - first.tokens));
  const batch = [first];
  let longest = Math.max(1, first.tokens);
  let taken = 0;
  for (const item of window) {
    const padded = Math.max(longest, item.tokens) * (batch.length + 1);
    if (padded > maxTokens) break;
    longest = Math.max(longest, item.tokens);
    batch.push(item);
    taken += 1;
  }
  for (const item of window.slice(taken).reverse()) queue.putBack(item);
  return batch;
}
