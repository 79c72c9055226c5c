import { setMaxListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { Redacted } from '../../src/domain/document.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import { createEmbedQueue } from '../../src/ingest/embed-queue.ts';
import type { Embedder } from '../../src/ports/embedder.ts';
import { createManualClock, settled } from '../support/manual-clock.ts';
import { createRecordingObserver } from '../support/recording-observer.ts';

interface Call {
  readonly texts: readonly string[];
  readonly finish: () => void;
}

/** An engine that answers when told to, or at once; every vector tells its text's length. */
function setUp(
  options: {
    readonly manual?: boolean;
    readonly maxBatchTokens?: number;
    readonly fail?: (texts: readonly string[]) => Error | undefined;
  } = {},
) {
  const calls: Call[] = [];
  const embedder: Embedder = {
    fingerprint: 'fake',
    dimensions: 1,
    maxTextTokens: 1_000,
    maxBatchTokens: options.maxBatchTokens ?? 100,
    concurrency: 1,
    async embed(texts) {
      await new Promise<void>((resolve) => {
        calls.push({ texts, finish: resolve });
        if (options.manual !== true) resolve();
      });
      const error = options.fail?.(texts);
      if (error !== undefined) throw error;
      return texts.map((text) => Float32Array.of(text.length));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const clock = createManualClock();
  const observer = createRecordingObserver();
  const life = new AbortController();
  setMaxListeners(0, life.signal);
  const queue = createEmbedQueue({ embedder, clock, observer, random: () => 0.5, signal: life.signal });
  const submit = (texts: readonly string[], kind: 'live' | 'backfill' = 'live', tokens = 10) =>
    queue.embedDocument(
      texts.map((text) => ({ text: text as Redacted<string>, tokens })),
      kind,
      life.signal,
    );
  return { calls, clock, observer, life, queue, submit };
}

const poison = new FreshetError('EMBED_TEXT_REFUSED', 'poison', 'refused');
const away = new FreshetError('ENGINE_AWAY', 'transient', 'away');

describe('the embed queue', () => {
  it('gives vectors in the order of the texts', async () => {
    const { submit } = setUp();
    const vectors = await submit(['a', 'bbb', 'cc']);
    expect(vectors.map((vector) => vector[0])).toEqual([1, 3, 2]);
  });

  it('runs at once when idle, and makes what arrives meanwhile the next batch', async () => {
    const { calls, submit } = setUp({ manual: true });
    const all = [submit(['a']), submit(['b']), submit(['c'])];
    await settled();
    expect(calls.map((call) => call.texts)).toEqual([['a']]);
    calls[0]?.finish();
    await settled();
    expect(calls[1]?.texts.toSorted()).toEqual(['b', 'c']);
    calls[1]?.finish();
    await Promise.all(all);
  });

  it('cuts batches by padded tokens', async () => {
    const { calls, submit } = setUp({ maxBatchTokens: 30 });
    await submit(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    expect(calls.every((call) => call.texts.length <= 3)).toBe(true);
    expect(calls).toHaveLength(3);
  });

  it('embeds live edits before backfill, and lets backfill go on under a flood', async () => {
    const { calls, submit } = setUp({ manual: true, maxBatchTokens: 10 });
    const first = submit(['first']);
    const backfill = submit(['old'], 'backfill');
    const live = Array.from({ length: 20 }, (_, n) => submit([`live${n}`]));
    const order: string[] = [];
    for (let n = 0; n < 22; n += 1) {
      await settled();
      order.push(...(calls[n]?.texts ?? []));
      calls[n]?.finish();
    }
    await Promise.all([first, backfill, ...live]);
    expect(order[1]).toBe('live0');
    expect(order.indexOf('old')).toBeLessThan(12);
  });

  it('lets documents take turns, so that a huge one delays no other', async () => {
    const { calls, submit } = setUp({ manual: true, maxBatchTokens: 10 });
    const huge = submit(Array.from({ length: 50 }, (_, n) => `huge${n}`));
    const small = submit(['small']);
    const order: string[] = [];
    for (let n = 0; n < 51; n += 1) {
      await settled();
      order.push(...(calls[n]?.texts ?? []));
      calls[n]?.finish();
    }
    await Promise.all([huge, small]);
    expect(order.indexOf('small')).toBeLessThan(10);
  });

  it('finds the poison text among many and fails only its document', async () => {
    const { submit } = setUp({ maxBatchTokens: 1_000, fail: (texts) => (texts.includes('bad') ? poison : undefined) });
    const good = ['a', 'bb', 'ccc', 'dddd'].map((text) => submit([text, `${text}!`]));
    const bad = submit(['fine', 'bad']);
    await expect(bad).rejects.toBe(poison);
    const vectors = await Promise.all(good);
    expect(vectors.map((pair) => pair.map((vector) => vector[0]))).toEqual([
      [1, 2],
      [2, 3],
      [3, 4],
      [4, 5],
    ]);
  });

  it('takes a refusal for an outage when the engine refuses everything, and dead-letters nothing', async () => {
    let broken = true;
    const { submit, clock, queue, observer } = setUp({ fail: () => (broken ? poison : undefined) });
    const waiting = submit(['text']);
    await clock.advance(5_000);
    expect(queue.down).toBe(true);
    broken = false;
    await clock.advance(600);
    await expect(waiting).resolves.toHaveLength(1);
    expect(queue.down).toBe(false);
    expect(observer.of('outage-ended')).toHaveLength(1);
  });

  it('keeps everything through an outage and finds the recovery with one shared probe', async () => {
    let up = false;
    const { submit, clock, calls } = setUp({ fail: () => (up ? undefined : away) });
    const all = Array.from({ length: 100 }, (_, n) => submit([`text ${n}`]));
    await clock.advance(60_000);
    // A minute at no more than half a second between probes.
    expect(calls.length).toBeLessThan(300);
    up = true;
    await clock.advance(1_000);
    await expect(Promise.all(all)).resolves.toHaveLength(100);
  });

  it('refuses a query at once while the engine is down, so that search can answer from the words', async () => {
    const { submit, clock, queue, life } = setUp({ fail: () => away });
    submit(['text']).catch(() => undefined);
    await clock.advance(1_000);
    await expect(queue.embedQuery('q' as Redacted<string>, life.signal)).rejects.toMatchObject({
      code: 'EMBEDDER_DOWN',
    });
  });

  it('rejects what waits when it is stopped', async () => {
    const { submit, clock, life } = setUp({ fail: () => away });
    const waiting = submit(['text']);
    await clock.advance(1_000);
    life.abort();
    await expect(waiting).rejects.toMatchObject({ kind: 'aborted' });
  });
});
