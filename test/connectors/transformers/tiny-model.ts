import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { KnownModel, ModelPiece } from '../../../connectors/transformers/known-model.ts';
import { createTransformersEmbedder } from '../../../connectors/transformers/embedder.ts';
import { inspectModelFolder } from '../../../connectors/transformers/model-folder.ts';
import type { Redacted } from '../../../src/domain/document.ts';

/** A real BERT of random weights, made by `scripts/make_tiny_bert.py`: everything but its size is as in the real model. */
export const TINY_BERT = fileURLToPath(new URL('./tiny-bert', import.meta.url));

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

export async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), 'freshet-model-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export async function tinyModelCopy(): Promise<TemporaryFolder> {
  const folder = await temporaryFolder();
  await cp(TINY_BERT, folder.path, { recursive: true });
  return folder;
}

/** The tiny model as if it were the published one: pieces named as on the hub, checksums and recorded vectors of its own. */
export async function knownTinyModel(): Promise<KnownModel> {
  const model = await inspectModelFolder(TINY_BERT);
  const pieces = await Promise.all([
    piece('config.json'),
    piece('tokenizer_config.json'),
    piece('tokenizer.json'),
    piece('model.safetensors', 'onnx/model.onnx_data'),
  ]);
  const texts = ['return the invoice', 'the invoice was returned', 'an article'] as const;
  await using embedder = await createTransformersEmbedder({ model, workers: 1 });
  const vectors = await embedder.embed(
    texts as readonly string[] as Redacted<string>[],
    'document',
    new AbortController().signal,
  );
  const [first] = vectors;
  if (first === undefined) throw new Error('the tiny model gave no vectors');
  return {
    name: 'tiny-bert',
    licence: 'Apache-2.0',
    digest: model.digest,
    hub: { repository: 'freshet/tiny-bert', revision: 'abc123' },
    pypi: { requirement: 'tiny-bert==1.0.0', wheelBytes: 1000, modelFolder: 'tiny_bert/model' },
    graph: { file: join(TINY_BERT, 'onnx/model.onnx'), target: 'onnx/model.onnx', sha256: '' },
    pieces,
    references: {
      texts,
      firstComponents: [...first.slice(0, 4)],
      cosines: vectors.map((vector) => vector.reduce((sum, value, i) => sum + value * (first[i] ?? Number.NaN), 0)),
    },
  };
}

async function piece(source: string, target: string = source): Promise<ModelPiece> {
  const bytes = await readFile(join(TINY_BERT, target));
  return { source, target, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}
