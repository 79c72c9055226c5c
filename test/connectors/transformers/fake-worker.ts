import { parentPort, workerData } from 'node:worker_threads';
import type { EmbedRequest, WorkerAnswer } from '../../../connectors/transformers/worker-protocol.ts';

import { CRASH, HANG, REFUSE, type FakeWorkerData } from './fake-protocol.ts';

// Speaks the worker protocol without a model.
const { starts, failFrom, failTo } = workerData as FakeWorkerData;
const start = Atomics.add(new Int32Array(starts), 0, 1);
const answer = (message: WorkerAnswer): void => parentPort?.postMessage(message);

parentPort?.on('message', ({ job, ids }: EmbedRequest) => {
  if (ids[0] === CRASH) process.exit(7);
  else if (ids[0] === REFUSE) answer({ type: 'refused', job, message: 'bad shape' });
  else if (ids[0] !== HANG) answer({ type: 'done', job, vectors: [Float32Array.of(ids[0] ?? 0)] });
});
answer(start >= failFrom && start < failTo ? { type: 'failed-to-load', message: 'no such model' } : { type: 'ready' });
