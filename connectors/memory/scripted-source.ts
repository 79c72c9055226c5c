import type { ChangeEvent, Delivery, Position } from '../../src/domain/change.ts';
import { partitionId, type PartitionId } from '../../src/domain/ids.ts';
import type { RevokedListener, Source } from '../../src/ports/source.ts';

export interface ScriptedSource extends Source {
  /** Delivers an event at the partition's next offset (or a given one) and returns its position. */
  push(
    event: ChangeEvent,
    at?: {
      readonly partition?: PartitionId;
      readonly offset?: bigint;
      readonly receivedAt?: number;
      readonly endsPosition?: boolean;
    },
  ): Position;
  /** Ends the stream once everything pushed is read. */
  end(): void;
  /** Makes the stream throw once everything pushed is read. */
  fail(error: Error): void;
  /** Takes partitions away as a rebalance does: drops what was not pulled of them, and resolves once the listeners have drained the rest. */
  revoke(partitions: readonly PartitionId[], how?: 'revoking' | 'lost', deadline?: AbortSignal): Promise<void>;
  /** Last committed offset per partition. */
  readonly committed: ReadonlyMap<PartitionId, bigint>;
  /** How many deliveries were pulled so far: for tests of backpressure. */
  readCount(): number;
}

/** A source that delivers what a test pushes, for unit tests of everything that reads from one. */
export function createScriptedSource(
  options: { readonly name?: string; readonly bytesPerDelivery?: number } = {},
): ScriptedSource {
  const { name = 'scripted', bytesPerDelivery = 100 } = options;
  const waiting: Delivery[] = [];
  const lastOffset = new Map<PartitionId, bigint>();
  const committed = new Map<PartitionId, bigint>();
  const listeners: RevokedListener[] = [];
  let ended = false;
  let failure: Error | undefined;
  let reads = 0;
  let wake = (): void => undefined;

  return {
    name,
    committed,
    readCount: () => reads,

    push(event, at = {}) {
      const partition = at.partition ?? partitionId('0');
      const offset = at.offset ?? (lastOffset.get(partition) ?? 0n) + 1n;
      lastOffset.set(partition, offset);
      waiting.push({
        position: { partition, offset },
        event,
        receivedAt: at.receivedAt ?? 0,
        endsPosition: at.endsPosition ?? true,
        bytes: bytesPerDelivery,
      });
      wake();
      return { partition, offset };
    },
    end() {
      ended = true;
      wake();
    },
    fail(error) {
      failure = error;
      wake();
    },
    async revoke(partitions, how = 'revoking', deadline = new AbortController().signal) {
      const kept = waiting.filter(({ position }) => !partitions.includes(position.partition));
      waiting.splice(0, waiting.length, ...kept);
      for (const listener of listeners) await listener(partitions, how, deadline);
    },

    async *read(signal) {
      signal.addEventListener('abort', () => wake(), { once: true });
      while (!signal.aborted) {
        const next = waiting.shift();
        if (next !== undefined) {
          reads++;
          yield next;
          continue;
        }
        if (failure !== undefined) throw failure;
        if (ended) return;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    commit(positions) {
      for (const { partition, offset } of positions) {
        if (offset > (committed.get(partition) ?? -1n)) committed.set(partition, offset);
      }
      return Promise.resolve();
    },
    onRevoked(listener) {
      listeners.push(listener);
    },
    freshness: () =>
      Promise.resolve({
        ...{ source: name, connected: !ended, snapshotFinished: true, snapshots: [], gauges: {} },
        partitions: [...lastOffset.keys()].map((partition) => ({
          ...{ partition, asOf: undefined, lagMs: undefined },
          lagEvents: Number((lastOffset.get(partition) ?? 0n) - (committed.get(partition) ?? 0n)),
        })),
      }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
