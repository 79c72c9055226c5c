import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { workerModule } from '../../../connectors/transformers/worker-entry.ts';
import { WorkerPool, type Batch } from '../../../connectors/transformers/worker-pool.ts';
import { CRASH, HANG, REFUSE, type FakeWorkerData } from './fake-protocol.ts';

const never = new AbortController().signal;

async function openPool(
  size: number,
  fail: { readonly from: number; readonly to: number } = { from: 0, to: 0 },
): Promise<WorkerPool> {
  const workerData: FakeWorkerData = { starts: new SharedArrayBuffer(4), failFrom: fail.from, failTo: fail.to };
  return WorkerPool.start({
    mend: 'Choose another model.',
    startWorker: workerModule('fake-worker', import.meta.url),
    workerData,
    size,
    restartDelayMs: { first: 50, max: 100 },
  });
}

const batch = (id: number): Batch => ({ ids: Int32Array.of(id), lengths: Int32Array.of(1) });

/** Runs one batch of one text; the fake's answer is the id it was given. */
async function run(pool: WorkerPool, id: number, signal = never, urgent = false): Promise<number | undefined> {
  const [vectors] = await pool.run([batch(id)], { urgent, signal });
  return vectors?.[0]?.[0];
}

describe('the worker pool', () => {
  it('answers each task with its own result', async () => {
    await using pool = await openPool(2);
    const answers = await Promise.all([10, 11, 12, 13, 14].map((id) => run(pool, id)));
    expect(answers).toEqual([10, 11, 12, 13, 14]);
  });

  it('fails the task of a crashed worker as transient and replaces the worker', async () => {
    await using pool = await openPool(1);
    const crashed = run(pool, CRASH);
    const waiting = run(pool, 20);
    await expect(crashed).rejects.toMatchObject({
      code: 'EMBED_WORKER_CRASHED',
      kind: 'transient',
      details: { code: 7 },
    });
    expect(await waiting).toBe(20);
    expect(await run(pool, 21)).toBe(21);
  });

  it('reports a refused batch as poison and keeps the worker', async () => {
    await using pool = await openPool(1);
    await expect(run(pool, REFUSE)).rejects.toMatchObject({ code: 'EMBED_REFUSED', kind: 'poison' });
    expect(await run(pool, 22)).toBe(22);
  });

  it('refuses tasks as transient while no worker can start, and recovers by itself', async () => {
    await using pool = await openPool(1, { from: 1, to: 3 });
    await expect(run(pool, CRASH)).rejects.toMatchObject({ kind: 'transient' });
    await expect(run(pool, 30)).rejects.toMatchObject({ code: 'EMBED_ENGINE_DOWN', kind: 'transient' });
    const deadline = Date.now() + 20_000;
    let answer: number | undefined;
    while (answer === undefined && Date.now() < deadline) {
      await sleep(20);
      answer = await run(pool, 31).catch(() => undefined);
    }
    expect(answer).toBe(31);
  });

  it('does not start with a model that cannot be loaded', async () => {
    await expect(openPool(2, { from: 1, to: 2 })).rejects.toMatchObject({ code: 'MODEL_LOAD_FAILED', kind: 'fatal' });
  });

  it('lets urgent tasks go first, in their order', async () => {
    await using pool = await openPool(1);
    const order: number[] = [];
    const note = async (id: number, urgent: boolean): Promise<void> => {
      order.push((await run(pool, id, never, urgent)) ?? Number.NaN);
    };
    await Promise.all([note(40, false), note(41, false), note(42, true), note(43, true)]);
    expect(order).toEqual([40, 42, 43, 41]);
  });

  it('answers a cancelled task at once, whether it waits or runs', async () => {
    await using pool = await openPool(1);
    const controller = new AbortController();
    const running = run(pool, HANG, controller.signal);
    const waiting = run(pool, 50, controller.signal);
    controller.abort();
    await expect(running).rejects.toMatchObject({ kind: 'aborted' });
    await expect(waiting).rejects.toMatchObject({ kind: 'aborted' });
    await expect(run(pool, 51, controller.signal)).rejects.toMatchObject({ kind: 'aborted' });
  });

  it('spreads the batches of one call and keeps their order', async () => {
    await using pool = await openPool(2);
    const answers = await pool.run([70, 71, 72, 73, 74].map(batch), { urgent: false, signal: never });
    expect(answers.map((vectors) => vectors[0]?.[0])).toEqual([70, 71, 72, 73, 74]);
  });

  it('gives up the rest of a call when one of its batches fails', async () => {
    await using pool = await openPool(1);
    const call = pool.run([batch(REFUSE), batch(HANG)], { urgent: false, signal: never });
    await expect(call).rejects.toMatchObject({ code: 'EMBED_REFUSED' });
    expect(await run(pool, 80)).toBe(80);
  });

  it('leaves no listener behind on a signal that outlives its calls', async () => {
    await using pool = await openPool(1);
    const { signal } = new AbortController();
    for (let id = 100; id < 120; id++) await run(pool, id, signal);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('settles everything when it is disposed', async () => {
    const pool = await openPool(1);
    const running = run(pool, HANG);
    const waiting = run(pool, 60);
    const settled = Promise.allSettled([running, waiting]);
    await pool[Symbol.asyncDispose]();
    for (const outcome of await settled)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'EMBED_DISPOSED' } });
    await expect(run(pool, 61)).rejects.toMatchObject({ kind: 'aborted' });
  });
});
