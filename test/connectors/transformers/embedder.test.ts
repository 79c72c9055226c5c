import { basename, dirname } from 'node:path';
import { env, pipeline, type Tensor } from '@huggingface/transformers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createTransformersEmbedder,
  defaultWorkers,
  type TransformersEmbedder,
} from '../../../connectors/transformers/embedder.ts';
import { inspectModelFolder } from '../../../connectors/transformers/model-folder.ts';
import type { Redacted } from '../../../src/domain/document.ts';
import { describeEmbedder } from '../../contracts/embedder.contract.ts';
import { TINY_BERT } from './tiny-model.ts';

const open = async (folder: string): Promise<TransformersEmbedder> =>
  createTransformersEmbedder({ model: await inspectModelFolder(folder), workers: 2 });

describeEmbedder('The transformers embedder with a tiny model', () => open(TINY_BERT));
const realModel = process.env['FRESHET_MODEL_PATH'];
if (realModel !== undefined)
  describeEmbedder('The transformers embedder with FRESHET_MODEL_PATH', () => open(realModel));

describe('the transformers embedder on a GPU', () => {
  it('is refused where there is none, with the way to one, and never runs on the CPU instead', async () => {
    const started = createTransformersEmbedder({
      model: await inspectModelFolder(TINY_BERT),
      workers: 1,
      device: 'cuda',
    });
    await expect(started).rejects.toMatchObject({
      code: 'MODEL_LOAD_FAILED',
      kind: 'fatal',
      message: expect.stringMatching(/ONNXRUNTIME_NODE_INSTALL=cuda12.*embedder\.device/) as string,
    });
  });
});

describe('the transformers embedder', () => {
  let embedder: TransformersEmbedder;
  beforeAll(async () => {
    embedder = await open(TINY_BERT);
  });
  afterAll(() => embedder[Symbol.asyncDispose]());
  const embed = (texts: readonly string[]): Promise<readonly Float32Array[]> =>
    embedder.embed(texts as readonly Redacted<string>[], 'document', new AbortController().signal);

  it('computes what transformers.js computes with mean pooling and normalisation', async () => {
    const texts = ['Return the invoice.', '', 'a longer article, with more words in it and a number: 42', '返品'];
    env.allowRemoteModels = false;
    env.localModelPath = `${dirname(TINY_BERT)}/`;
    const extract = await pipeline('feature-extraction', basename(TINY_BERT), {
      dtype: 'fp32',
      local_files_only: true,
      use_external_data_format: true,
    });
    const vectors = await embed(texts);
    for (const [i, text] of texts.entries()) {
      const expected: Tensor = await extract(text, { pooling: 'mean', normalize: true });
      const actual = vectors[i] ?? new Float32Array();
      for (const [d, value] of (expected.data as Float32Array).entries()) expect(actual[d]).toBeCloseTo(value, 5);
    }
  });

  it('names graph, weights, pooling and precision in its fingerprint, and not the folder', async () => {
    const { digest } = await inspectModelFolder(TINY_BERT);
    expect(embedder.fingerprint).toBe(`transformers:${digest}:fp32:mean:l2:32`);
    expect(embedder.fingerprint).not.toContain(TINY_BERT);
  });

  it('takes a text of exactly its limit, and refuses one token more', async () => {
    const longest = 'the '.repeat(embedder.maxTextTokens);
    expect(embedder.tokenizer.count(longest)).toBe(embedder.maxTextTokens);
    expect(await embed([longest])).toHaveLength(1);
    await expect(embed([`${longest} of`])).rejects.toMatchObject({
      code: 'EMBED_TEXT_TOO_LONG',
      details: { index: 0, maxTextTokens: 254 },
    });
  });

  it('lets the event loop turn while it computes', async () => {
    let turns = 0;
    const ticking = setInterval(() => turns++, 1);
    await embed(Array.from({ length: 300 }, (_, i) => `the article number ${i} `.repeat(20)));
    clearInterval(ticking);
    expect(turns).toBeGreaterThan(1);
  });

  it('counts with the tokenizer it embeds with', () => {
    expect(embedder.tokenizer.count('Return the invoice.')).toBe(4);
  });

  it('takes as many workers as there are cores, up to four', () => {
    expect([1, 2, 4, 64].map(defaultWorkers)).toEqual([1, 2, 4, 4]);
  });
});
