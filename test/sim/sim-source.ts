import type { Delivery } from '../../src/domain/change.ts';
import type { PartitionId } from '../../src/domain/ids.ts';
import type { Source } from '../../src/ports/source.ts';
import { SOURCE_NAME } from './history.ts';
import type { Scheduler } from './scheduler.ts';
import type { ProcessHandle } from './world.ts';

/** The part of a source that is the same for every log: gates, waiting, and refusing what a replaced process commits. */
export function simSource(deps: {
  readonly process: ProcessHandle;
  readonly scheduler: Scheduler;
  /** The next delivery, or undefined when there is none at the moment. */
  readonly poll: () => Promise<Delivery | undefined>;
  /** Resolves when something new may be there. */
  readonly arrival: () => Promise<void>;
  readonly committed: (partition: PartitionId, offset: bigint) => void;
}): Source {
  const { process, scheduler, poll, arrival, committed } = deps;
  return {
    name: SOURCE_NAME,
    async *read(signal) {
      const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      while (!signal.aborted) {
        await scheduler.gate(process, 'poll');
        const delivery = await poll();
        if (delivery === undefined) await Promise.race([arrival(), aborted]);
        else yield delivery;
      }
    },
    async commit(positions) {
      await scheduler.gate(process, 'commit');
      if (!process.fenced) for (const { partition, offset } of positions) committed(partition, offset);
      await scheduler.gate(process, 'commit answered');
    },
    onRevoked: () => undefined,
    freshness: () =>
      Promise.resolve({
        source: SOURCE_NAME,
        connected: true,
        partitions: [],
        snapshotFinished: true,
        snapshots: [],
        gauges: {},
      }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
