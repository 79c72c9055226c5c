import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Redacted } from '../../src/domain/document.ts';
import type { Embedder } from '../../src/ports/embedder.ts';

/** What every embedder must do, whatever computes its vectors. The factory gives a new embedder each time. */
export function describeEmbedder(name: string, factory: () => Promise<Embedder>): void {
  describe(`${name} keeps the embedder contract`, () => {
    let embedder: Embedder;
    beforeAll(async () => {
      embedder = await factory();
    });
    afterAll(async () => {
      await embedder[Symbol.asyncDispose]();
    });

    const embed = (texts: readonly string[], signal = new AbortController().signal): Promise<readonly Float32Array[]> =>
      embedder.embed(texts as readonly Redacted<string>[], 'document', signal);
    const embedOne = async (text: string): Promise<Float32Array> => only(await embed([text]));

    const TEXTS = [
      'Returns are accepted within 45 days.',
      'short',
      'The invoice was paid twice, so we refunded it.',
      'a b c d e f g h',
    ];

    it('states its limits and a fingerprint', () => {
      expect(embedder.fingerprint).not.toBe('');
      for (const limit of [
        embedder.dimensions,
        embedder.maxTextTokens,
        embedder.maxBatchTokens,
        embedder.concurrency,
      ]) {
        expect(Number.isInteger(limit) && limit > 0).toBe(true);
      }
    });

    it('gives one unit vector of the stated length per text', async () => {
      const vectors = await embed(TEXTS);
      expect(vectors).toHaveLength(TEXTS.length);
      for (const vector of vectors) {
        expect(vector).toHaveLength(embedder.dimensions);
        expect(lengthOf(vector)).toBeCloseTo(1, 5);
      }
    });

    it('gives no vectors for no texts', async () => {
      expect(await embed([])).toEqual([]);
    });

    it('keeps the order of the texts, whatever their lengths', async () => {
      const texts = Array.from({ length: 60 }, (_, i) => `article ${i} ${'more words here '.repeat((i * 7) % 13)}`);
      const vectors = await embed(texts);
      for (const at of [0, 17, 31, 59]) expectSame(vectors[at], await embedOne(texts[at] ?? ''));
    });

    it('gives a text the same vector alone and in a batch', async () => {
      const together = await embed([...TEXTS, 'much longer text '.repeat(12)]);
      for (const [i, text] of TEXTS.entries()) expectSame(together[i], await embedOne(text));
    });

    it('gives different texts different vectors', async () => {
      const [a, b] = await embed(['cheap flights to Lisbon', 'the kernel scheduler preempts threads']);
      expect(dot(a, b)).toBeLessThan(0.999);
    });

    it('gives a text the same vector every time, and duplicates in a batch too', async () => {
      const [first, second] = await embed(['again', 'again']);
      expectSame(first, second);
      expectSame(first, await embedOne('again'));
    });

    it('gives each vector memory of its own', async () => {
      const vectors = await embed(TEXTS);
      for (const vector of vectors) expect(vector.byteLength).toBe(vector.buffer.byteLength);
    });

    it.each([
      ['empty text', ''],
      ['whitespace', ' \n\t '],
      ['a no-break space', '\u00a0\u3000'],
      ['NUL', 'a\u0000b'],
      ['only NUL', '\u0000'],
      ['control and format characters', '\u0007\u200b\u202e\ufeff'],
      ['a lone high surrogate', '\ud83d'],
      ['a lone low surrogate between letters', 'x\udc00y'],
      ['emoji with joiners', '👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽'],
      ['right-to-left text', 'שלום עולם مرحبا بالعالم'],
      ['combining marks', 'Z\u0351\u036b\u0343\u036a\u0302\u036ba\u0327\u0328'],
      ['CJK without spaces', '返品は四十五日以内に受け付けます。退货须在四十五天内。'],
      ['Thai', 'คืนสินค้าได้ภายในสี่สิบห้าวัน'],
      ['astral ideographs', '𠀀𠀁𪛖'],
      ['only punctuation', '?!... --- ***'],
      ['a property name', '__proto__ constructor toString'],
      ['special tokens', '[CLS] hello [SEP] [PAD] <s> </s>'],
    ])('gives a unit vector for %s', async (_, text) => {
      expect(lengthOf(await embedOne(text))).toBeCloseTo(1, 5);
    });

    it('refuses a text beyond its limit as poison, without quoting it', async () => {
      const text = 'zanzibar '.repeat(embedder.maxTextTokens + 1);
      const refused = await embed(['fine', text]).catch((error: unknown) => error);
      expect(refused).toMatchObject({ name: 'FreshetError', kind: 'poison', code: 'EMBED_TEXT_TOO_LONG' });
      expect((refused as Error).message).not.toContain('zanzibar');
    });

    it('answers 10 MB of text soon, with a vector or a refusal', async () => {
      for (const text of [
        'word '.repeat(2_000_000),
        'x'.repeat(10_000_000),
        ' '.repeat(10_000_000),
        '返'.repeat(3_000_000),
      ]) {
        const answer = await embedOne(text).catch((error: unknown) => error);
        if (answer instanceof Float32Array) expect(lengthOf(answer)).toBeCloseTo(1, 5);
        else expect(answer).toMatchObject({ kind: 'poison' });
      }
    });

    it('takes a call far beyond its batch limit', async () => {
      const texts = Array.from({ length: 300 }, (_, i) => `number ${i}`);
      const vectors = await embed(texts);
      expect(vectors).toHaveLength(300);
      expectSame(vectors[299], await embedOne('number 299'));
    });

    it('answers more calls at once than it runs at once', async () => {
      const calls = Array.from({ length: embedder.concurrency * 4 + 1 }, (_, i) => `call ${i}`);
      const together = await Promise.all(calls.map(embedOne));
      for (const [i, call] of calls.entries()) expectSame(together[i], await embedOne(call));
    });

    it('does nothing when cancelled before it begins', async () => {
      await expect(embed(TEXTS, AbortSignal.abort())).rejects.toMatchObject({ kind: 'aborted' });
    });

    it('leaves quietly when cancelled on the way, and works on afterwards', async () => {
      const controller = new AbortController();
      const call = embed(
        Array.from({ length: 400 }, (_, i) => `some text to be given up ${i} `.repeat(5)),
        controller.signal,
      );
      setImmediate(() => controller.abort());
      await expect(call).rejects.toMatchObject({ kind: 'aborted' });
      expect(lengthOf(await embedOne('still there'))).toBeCloseTo(1, 5);
    });

    it('refuses calls once disposed, and can be disposed twice', async () => {
      const other = await factory();
      await other[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
      const call = other.embed(
        ['late'] as readonly string[] as readonly Redacted<string>[],
        'query',
        new AbortController().signal,
      );
      await expect(call).rejects.toMatchObject({ name: 'FreshetError', kind: 'aborted' });
    });
  });
}

function only(vectors: readonly Float32Array[]): Float32Array {
  const [vector] = vectors;
  if (vector === undefined || vectors.length !== 1) throw new Error(`expected one vector, got ${vectors.length}`);
  return vector;
}

function dot(a: Float32Array | undefined, b: Float32Array | undefined): number {
  if (a === undefined || b === undefined) return Number.NaN;
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? Number.NaN), 0);
}

function lengthOf(vector: Float32Array): number {
  return Math.sqrt(dot(vector, vector));
}

function expectSame(actual: Float32Array | undefined, expected: Float32Array | undefined): void {
  expect(actual).toBeDefined();
  expect(expected).toBeDefined();
  const difference = actual?.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - (expected?.[i] ?? Number.NaN))),
    0,
  );
  expect(difference).toBeLessThanOrEqual(1e-5);
}
