import { rm, truncate, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspectModelFolder } from '../../../connectors/transformers/model-folder.ts';
import { readOnnxGraph, TruncatedGraph } from '../../../connectors/transformers/onnx-graph.ts';
import { TINY_BERT, tinyModelCopy } from './tiny-model.ts';

describe('inspecting a model folder', () => {
  it('describes a whole model', async () => {
    expect(await inspectModelFolder(TINY_BERT)).toMatchObject({
      folder: TINY_BERT,
      name: 'tiny-bert',
      dimensions: 32,
      maxTextTokens: 254,
      externalData: true,
    });
  });

  it('gives the same digest for the same files elsewhere, and another for other weights', async () => {
    await using copy = await tinyModelCopy();
    const { digest } = await inspectModelFolder(TINY_BERT);
    expect((await inspectModelFolder(copy.path)).digest).toBe(digest);
    const weights = join(copy.path, 'onnx/model.onnx_data');
    const bytes = readFileSync(weights);
    bytes[1000] = (bytes[1000] ?? 0) ^ 1;
    await writeFile(weights, bytes);
    expect((await inspectModelFolder(copy.path)).digest).not.toBe(digest);
  });

  it.each(['config.json', 'tokenizer.json', 'onnx/model.onnx', 'onnx/model.onnx_data'])(
    'names %s when it is missing',
    async (file) => {
      await using copy = await tinyModelCopy();
      await rm(join(copy.path, file));
      await expect(inspectModelFolder(copy.path)).rejects.toMatchObject({
        code: 'MODEL_INCOMPLETE',
        kind: 'fatal',
        details: { file },
      });
    },
  );

  it.each(['config.json', 'onnx/model.onnx', 'onnx/model.onnx_data'])('names %s when it is cut off', async (file) => {
    await using copy = await tinyModelCopy();
    const path = join(copy.path, file);
    await truncate(path, Math.floor(readFileSync(path).length * 0.6));
    await expect(inspectModelFolder(copy.path)).rejects.toMatchObject({ code: 'MODEL_INCOMPLETE', details: { file } });
    await expect(inspectModelFolder(copy.path)).rejects.toThrow(/Fetch the folder again/);
  });

  it.each(['config.json', 'tokenizer.json', 'onnx/model.onnx', 'onnx/model.onnx_data'])(
    'refuses an empty %s',
    async (file) => {
      await using copy = await tinyModelCopy();
      await truncate(join(copy.path, file), 0);
      await expect(inspectModelFolder(copy.path)).rejects.toMatchObject({ code: 'MODEL_INCOMPLETE' });
    },
  );

  it('says when the folder does not exist, or is a file', async () => {
    await expect(inspectModelFolder(join(TINY_BERT, 'nowhere'))).rejects.toThrow(/does not exist/);
    await expect(inspectModelFolder(join(TINY_BERT, 'config.json'))).rejects.toThrow(/is not a folder/);
  });

  it('refuses a model that is not like BERT', async () => {
    await using copy = await tinyModelCopy();
    await writeFile(join(copy.path, 'config.json'), '{"model_type":"llama"}');
    await expect(inspectModelFolder(copy.path)).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
  });
});

describe('reading an ONNX graph', () => {
  const bytes = readFileSync(join(TINY_BERT, 'onnx/model.onnx'));

  it('finds the external data and how much of it is needed', () => {
    const weights = readFileSync(join(TINY_BERT, 'onnx/model.onnx_data')).length;
    expect([...readOnnxGraph(bytes).externalBytes]).toEqual([['model.onnx_data', weights]]);
  });

  it('notices wherever the file is cut off', () => {
    for (let length = 0; length < bytes.length - 64; length += 97) {
      expect(() => readOnnxGraph(bytes.subarray(0, length)), `cut at ${length}`).toThrow(TruncatedGraph);
    }
  });

  it('refuses what is no ONNX file', () => {
    expect(() => readOnnxGraph(Buffer.from('<html>not found</html>'))).toThrow(TruncatedGraph);
  });
});
