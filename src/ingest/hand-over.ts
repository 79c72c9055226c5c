import type { PartitionId } from '../domain/ids.ts';
import type { RevokedListener } from '../ports/source.ts';
import type { Committer } from './commit.ts';
import type { HeadLedger } from './head-ledger.ts';

/**
 * Partitions go to another process: what was delivered of them is finished and committed while they are still ours, and then they are
 * forgotten, with the heads their next owner may change. What goes on after that is as harmless as a zombie's work: its writes are guarded.
 */
export async function handOver(
  partitions: readonly PartitionId[],
  how: Parameters<RevokedListener>[1],
  deadline: AbortSignal,
  { committer, ledger }: { readonly committer: Committer; readonly ledger: HeadLedger },
): Promise<void> {
  await deliveredByNow();
  if (how === 'revoking') await committer.drained(partitions, deadline);
  committer.forget(partitions);
  ledger.forgetAll();
}

/** What the source has yielded is dispatched within this turn of the event loop; of revoked partitions it yields nothing more. */
const deliveredByNow = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
