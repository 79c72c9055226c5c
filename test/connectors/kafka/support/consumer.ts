import type { Delivery } from '../../../../src/domain/change.ts';
import { kindOf } from '../../../../src/domain/errors.ts';
import type { PartitionId } from '../../../../src/domain/ids.ts';
import type { Source } from '../../../../src/ports/source.ts';

export interface Consumer {
  readonly source: Source;
  readonly deliveries: readonly Delivery[];
  /** How partitions were taken away, in order. */
  readonly revoked: readonly { readonly partitions: readonly PartitionId[]; readonly how: 'revoking' | 'lost' }[];
  /** Deliveries that came below what was tracked of their partition: must stay empty. */
  readonly outOfOrder: readonly Delivery[];
  /** The error reading ended with; undefined after an orderly end. */
  readonly done: Promise<unknown>;
  texts(): string[];
  until(condition: () => boolean | Promise<boolean>, what?: string): Promise<void>;
  /** As a pipeline shuts down: stops reading, commits what it has, lets go. */
  stop(): Promise<unknown>;
}

/**
 * What a pipeline does, less the work: tracks every delivery, commits after `handle`, drains and commits when partitions are revoked, and
 * forgets them.
 */
export function consume(
  source: Source,
  handle: (delivery: Delivery) => Promise<void> | void = () => undefined,
  { commits = true }: { readonly commits?: boolean } = {},
): Consumer {
  const abort = new AbortController();
  const deliveries: Delivery[] = [];
  const outOfOrder: Delivery[] = [];
  const revoked: { partitions: readonly PartitionId[]; how: 'revoking' | 'lost' }[] = [];
  const tracked = new Map<PartitionId, bigint>();
  const open = new Map<PartitionId, Promise<void>>();

  source.onRevoked(async (partitions, how, deadline) => {
    revoked.push({ partitions, how });
    if (how === 'revoking') {
      const over = new Promise<void>((resolve) => deadline.addEventListener('abort', () => resolve(), { once: true }));
      await Promise.race([Promise.all(partitions.map((partition) => open.get(partition))), over]);
    }
    for (const partition of partitions) {
      tracked.delete(partition);
      open.delete(partition);
    }
  });

  const work = async (delivery: Delivery): Promise<void> => {
    await handle(delivery);
    if (!commits) return;
    // A pipeline would try again; what was not committed is delivered again.
    await source.commit([delivery.position]).catch((error: unknown) => {
      if (kindOf(error) !== 'transient') throw error;
    });
  };

  const done = (async () => {
    for await (const delivery of source.read(abort.signal)) {
      const { partition, offset } = delivery.position;
      if ((tracked.get(partition) ?? -1n) >= offset) outOfOrder.push(delivery);
      tracked.set(partition, offset);
      deliveries.push(delivery);
      // One after another in a partition, as the mark of a pipeline moves.
      open.set(
        partition,
        (open.get(partition) ?? Promise.resolve()).then(() => work(delivery)),
      );
    }
  })().catch((error: unknown) => error);

  return {
    source,
    deliveries,
    revoked,
    outOfOrder,
    done,
    texts: () => deliveries.flatMap(({ event }) => (event.kind === 'row-upserted' ? [String(event.row['text'])] : [])),
    async until(condition, what = String(condition)) {
      const deadline = Date.now() + 25_000;
      while (!(await condition())) {
        if (Date.now() > deadline) throw new Error(`waited in vain for ${what}; ${deliveries.length} deliveries`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async stop() {
      abort.abort();
      const error = await done;
      await Promise.all(open.values());
      await source[Symbol.asyncDispose]();
      return error;
    },
  };
}
