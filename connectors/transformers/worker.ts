import { parentPort, workerData } from 'node:worker_threads';
import { openSession, type RunBatch } from './model-session.ts';
import type { EmbedRequest, WorkerAnswer, WorkerSettings } from './worker-protocol.ts';

// Entry of an embedding worker: onnxruntime blocks the thread it runs on, so it runs here and not on the main one.
const port = parentPort;
if (port === null) throw new Error('The embedding worker only runs as a worker thread.');

function answer(message: WorkerAnswer, transfer: readonly ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function serve(run: RunBatch, request: EmbedRequest): Promise<void> {
  const { job } = request;
  try {
    const vectors = await run(request.ids, request.lengths);
    answer(
      { type: 'done', job, vectors },
      vectors.map((vector) => vector.buffer),
    );
  } catch (error) {
    answer({ type: 'refused', job, message: messageOf(error) });
  }
}

try {
  const run = await openSession(workerData as WorkerSettings);
  port.on('message', (request: EmbedRequest) => void serve(run, request));
  answer({ type: 'ready' });
} catch (error) {
  answer({ type: 'failed-to-load', message: messageOf(error) });
}
