import { basename, dirname } from 'node:path';
import { AutoModel, env, Tensor } from '@huggingface/transformers';
import { meanPool } from './pooling.ts';
import type { WorkerSettings } from './worker-protocol.ts';

/** Runs one batch: ids of all texts one after the other, and how many each has. Blocks its thread while onnxruntime computes. */
export type RunBatch = (ids: Int32Array, lengths: Int32Array) => Promise<readonly Float32Array<ArrayBuffer>[]>;

/**
 * Loads the model in this thread through transformers.js, never touching the network.
 *
 * One intra-op thread per session and no spinning: parallelism comes from workers, and a spinning thread would take a core from the
 * rest of the process while it waits.
 */
export async function openSession(settings: WorkerSettings): Promise<RunBatch> {
  env.allowRemoteModels = false;
  env.localModelPath = `${dirname(settings.folder)}/`;
  const model = await AutoModel.from_pretrained(basename(settings.folder), {
    dtype: 'fp32',
    device: settings.device,
    local_files_only: true,
    use_external_data_format: settings.externalData,
    session_options: {
      intraOpNumThreads: settings.intraOpThreads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
    },
  });
  const { paddingId, dimensions } = settings;

  return async (ids, lengths) => {
    const { width, ...inputs } = padded(ids, lengths, paddingId);
    const shape = [lengths.length, width];
    const output = (await model({
      input_ids: new Tensor('int64', inputs.ids, shape),
      attention_mask: new Tensor('int64', inputs.mask, shape),
      token_type_ids: new Tensor('int64', new BigInt64Array(inputs.ids.length), shape),
    })) as { readonly last_hidden_state: Tensor };
    const hidden = output.last_hidden_state;
    try {
      return meanPool(hidden.data as Float32Array, lengths, width, dimensions);
    } finally {
      hidden.dispose();
    }
  };
}

/** Pads to the longest text of the batch and no further. */
function padded(
  ids: Int32Array,
  lengths: Int32Array,
  paddingId: number,
): { readonly width: number; readonly ids: BigInt64Array; readonly mask: BigInt64Array } {
  const width = lengths.reduce((longest, length) => Math.max(longest, length), 0);
  const rows = new BigInt64Array(lengths.length * width).fill(BigInt(paddingId));
  const mask = new BigInt64Array(rows.length);
  let from = 0;
  lengths.forEach((length, row) => {
    const start = row * width;
    for (let i = 0; i < length; i++) rows[start + i] = BigInt(ids[from + i] as number);
    mask.fill(1n, start, start + length);
    from += length;
  });
  return { width, ids: rows, mask };
}
