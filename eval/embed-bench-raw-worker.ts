import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { EmbedRequest, WorkerAnswer, WorkerSettings } from '../connectors/transformers/worker-protocol.ts';

// The yardstick of embed-bench: onnxruntime-node and nothing else. No tokenizer, no pooling, no transformers.js; answers hold no vectors.
const settings = workerData as WorkerSettings;
const session = await InferenceSession.create(join(settings.folder, 'onnx/model.onnx'), {
  intraOpNumThreads: settings.intraOpThreads,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
});

function answer(message: WorkerAnswer): void {
  parentPort?.postMessage(message);
}

async function run({ job, ids, lengths }: EmbedRequest): Promise<void> {
  const width = lengths.reduce((longest, length) => Math.max(longest, length), 0);
  const input = new BigInt64Array(lengths.length * width);
  const mask = new BigInt64Array(input.length);
  let from = 0;
  lengths.forEach((length, row) => {
    for (let i = 0; i < length; i++) input[row * width + i] = BigInt(ids[from + i] ?? 0);
    mask.fill(1n, row * width, row * width + length);
    from += length;
  });
  const shape = [lengths.length, width];
  await session.run({
    input_ids: new Tensor('int64', input, shape),
    attention_mask: new Tensor('int64', mask, shape),
    token_type_ids: new Tensor('int64', new BigInt64Array(input.length), shape),
  });
  answer({ type: 'done', job, vectors: [] });
}

parentPort?.on('message', (request: EmbedRequest) => void run(request));
answer({ type: 'ready' });
