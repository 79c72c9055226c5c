import { availableParallelism } from 'node:os';
import { FreshetError, throwIfAborted } from '../../src/domain/errors.ts';
import type { Redacted } from '../../src/domain/document.ts';
import type { Embedder } from '../../src/ports/embedder.ts';
import { cutBatches } from './batches.ts';
import type { LocalModel } from './model.ts';
import { createWordPieceTokenizer, type WordPieceTokenizer } from './wordpiece/tokenizer.ts';
import { workerModule } from './worker-entry.ts';
import { WorkerPool, type Batch } from './worker-pool.ts';
import type { Device, WorkerSettings } from './worker-protocol.ts';

export interface TransformersEmbedderOptions {
  readonly model: LocalModel;
  /** `cuda` is refused (MODEL_LOAD_FAILED) where its libraries or a GPU are missing; it never falls back. Default `cpu`. */
  readonly device?: Device;
  /** Worker threads, each with its own session. Default: {@link defaultWorkers}. */
  readonly workers?: number;
  /** Threads inside one session. More than one only pays with fewer workers than cores. Default 1. */
  readonly intraOpThreads?: number;
  /** Padded tokens per batch. Default 512: the caches of a CPU core hold no more. */
  readonly maxBatchTokens?: number;
  /** Shares the caller's tokenizer of the same model, and its memo. */
  readonly tokenizer?: WordPieceTokenizer;
}

export interface TransformersEmbedder extends Embedder {
  /** The model's own tokenizer, for the chunker. */
  readonly tokenizer: WordPieceTokenizer;
}

const MEND: Readonly<Record<Device, string>> = {
  cpu: 'Delete the model folder, so that it is fetched again, or choose another.',
  cuda: 'For the GPU, fetch onnxruntime’s CUDA libraries (ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js) and install CUDA 12 with cuDNN 9; or set embedder.device to cpu.',
};
const MAX_BATCH_TOKENS = 512;
/** Each worker holds the weights (90 MB) once; beyond four, memory costs more than the speed is worth by default. */
const WORKERS_MAX = 4;

export function defaultWorkers(cores: number = availableParallelism()): number {
  return Math.min(WORKERS_MAX, Math.max(1, cores));
}

/**
 * Sentence embeddings by transformers.js in worker threads: tokenised here (fast, memoised), run and pooled there.
 *
 * Limits count tokens as {@link WordPieceTokenizer.count} does, special tokens not included. A call beyond `maxBatchTokens` is cut and
 * spread over the workers. Queries go before waiting documents. Throws MODEL_LOAD_FAILED or MODEL_UNSUPPORTED (fatal).
 */
export async function createTransformersEmbedder(options: TransformersEmbedderOptions): Promise<TransformersEmbedder> {
  const { model } = options;
  const workers = options.workers ?? defaultWorkers();
  const maxBatchTokens = options.maxBatchTokens ?? MAX_BATCH_TOKENS;
  const tokenizer = options.tokenizer ?? createWordPieceTokenizer(model.folder);
  const { start, end, padding } = tokenizer.special;
  const device = options.device ?? 'cpu';
  const workerData: WorkerSettings = {
    device,
    folder: model.folder,
    externalData: model.externalData,
    paddingId: padding,
    dimensions: model.dimensions,
    intraOpThreads: options.intraOpThreads ?? 1,
  };
  const pool = await WorkerPool.start({
    startWorker: workerModule('worker', import.meta.url),
    workerData,
    size: workers,
    mend: MEND[device],
  });

  /** Never longer than the model's positions: transformers.js would cut the text and drop its closing token. */
  function idsOf(text: string, index: number): readonly number[] {
    const ids = tokenizer.encode(text, model.maxTextTokens);
    if (ids.length <= model.maxTextTokens) return ids;
    throw new FreshetError(
      'EMBED_TEXT_TOO_LONG',
      'poison',
      `Text ${index} of the batch has more than ${model.maxTextTokens} tokens, the limit of the embedding model. Cut it into shorter chunks.`,
      { details: { index, maxTextTokens: model.maxTextTokens, length: text.length } },
    );
  }

  function packed(batch: readonly (readonly number[])[]): Batch {
    const lengths = Int32Array.from(batch, (ids) => ids.length + 2);
    const ids = new Int32Array(lengths.reduce((sum, length) => sum + length, 0));
    let at = 0;
    for (const text of batch) {
      ids[at++] = start;
      ids.set(text, at);
      at += text.length;
      ids[at++] = end;
    }
    return { ids, lengths };
  }

  return {
    fingerprint: `transformers:${model.digest}:fp32:mean:l2:${model.dimensions}`,
    dimensions: model.dimensions,
    maxTextTokens: model.maxTextTokens,
    maxBatchTokens,
    concurrency: workers,
    tokenizer,

    async embed(texts: readonly Redacted<string>[], kind, signal): Promise<readonly Float32Array[]> {
      throwIfAborted(signal);
      const ids = texts.map(idsOf);
      const batches = cutBatches(
        ids.map((text) => text.length),
        maxBatchTokens,
      );
      const rows = await pool.run(
        batches.map((batch) => packed(batch.map((index) => ids[index] as readonly number[]))),
        { urgent: kind === 'query', signal },
      );
      const vectors = new Array<Float32Array>(texts.length);
      batches.forEach((batch, at) => batch.forEach((index, row) => (vectors[index] = rows[at]?.[row] as Float32Array)));
      return vectors;
    },

    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };
}
