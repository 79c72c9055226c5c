import type { Clock } from '../../src/ports/clock.ts';
import type { Database } from './connection.ts';

async function openTransactions(database: Database): Promise<ReadonlySet<string>> {
  const [row] = await database.query<{ snapshot: string }>(
    'reading open transactions',
    'SELECT pg_catalog.pg_current_snapshot()::text AS snapshot',
  );
  // xmin:xmax:xip,xip,…
  const open = (row?.snapshot ?? '').split(':')[2] ?? '';
  return new Set(open === '' ? [] : open.split(','));
}

/**
 * Waits for the transactions that are open now. One of them may have changed a table before it was published, or have written its commit
 * record before the slot's start and not be visible yet: neither the stream nor a SELECT begun too early would show its rows.
 */
export async function olderTransactionsEnded(
  database: Database,
  clock: Clock,
  onLongWait: (count: number) => void,
  signal: AbortSignal,
): Promise<void> {
  let open = await openTransactions(database);
  for (let waited = 0, said = false; open.size > 0; ) {
    const pause = Math.min(500, 10 + waited / 4);
    await clock.sleep(pause, signal);
    waited += pause;
    const now = await openTransactions(database);
    open = new Set([...open].filter((xid) => now.has(xid)));
    if (waited > 2_000 && !said && open.size > 0) {
      said = true;
      onLongWait(open.size);
    }
  }
}
