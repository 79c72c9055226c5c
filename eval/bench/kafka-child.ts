import { runInstance, type InstanceOptions } from './kafka-instance.ts';
import { measureOutage } from './kafka-outage.ts';
import { measureThroughput } from './kafka-throughput.ts';

/** A measurement that has a process of its own, so that its memory and processor time are its own. */
export type Job =
  | { readonly job: 'throughput'; readonly documents: number; readonly rounds: number; readonly changesText: boolean }
  | { readonly job: 'outage'; readonly downMs: number }
  | ({ readonly job: 'instance' } & InstanceOptions);

const send = (message: unknown): void => void process.send?.(message);
const stopped = new Promise<void>((resolve) => {
  process.once('message', () => resolve());
  process.once('disconnect', () => resolve());
});

const job = JSON.parse(process.argv[2] ?? '{}') as Job;
if (job.job === 'throughput') {
  send({ type: 'result', value: await measureThroughput(job.documents, job.rounds, job.changesText) });
} else if (job.job === 'outage') send({ type: 'result', value: await measureOutage(job.downMs) });
else {
  await runInstance(job, send, stopped);
  send({ type: 'result', value: null });
}
process.disconnect?.();
