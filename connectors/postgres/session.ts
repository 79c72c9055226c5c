import type { Delivery } from '../../src/domain/change.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { FreshetError, throwIfAborted } from '../../src/domain/errors.ts';
import { isDefinitionGone } from './errors.ts';
import type { Observer } from '../../src/observability/events.ts';
import { inspectTable, type PostgresTable } from './catalog.ts';
import { CatalogWatch } from './catalog-watch.ts';
import type { CheckpointStore } from './checkpoint.ts';
import type { Database } from './connection.ts';
import type { Decoders } from './decode.ts';
import type { EpochState } from './epoch-state.ts';
import { readSlotGauges, takeSample, type AsOf } from './freshness.ts';
import type { Lsn } from './lsn.ts';
import { reach, type Watermark } from './marks.ts';
import { olderTransactionsEnded } from './older-transactions.ts';
import type { PostgresLimits } from './options.ts';
import type { Lane } from './outbox.ts';
import type { Receiver } from './receiver.ts';
import { Relations } from './relations.ts';
import type { RowReader } from './rows.ts';
import type { ServerFacts } from './server.ts';
import { copyTables } from './snapshot.ts';
import { readStream } from './stream.ts';
import type { TablePlan } from './table-plan.ts';

export interface SessionDeps {
  readonly name: string;
  readonly slot: string;
  readonly publication: string;
  readonly tables: readonly PostgresTable[];
  readonly limits: PostgresLimits;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly database: Database;
  readonly decoders: Decoders;
  readonly reader: RowReader;
  readonly receiver: Receiver;
  readonly store: CheckpointStore;
  readonly server: ServerFacts;
  readonly plans: readonly TablePlan[];
  readonly epoch: EpochState;
  readonly settled: Watermark;
  readonly asOf: AsOf;
  readonly gauges: Record<string, number>;
  readonly say: (level: 'info' | 'warn' | 'error', code: string, message: string) => void;
  /** Hands over, however long the consumer takes; gives up only when the source ends. */
  readonly deliver: (lane: Lane, delivery: Delivery) => Promise<void>;
  /** Set while the session lives, for tokens. */
  readonly setNudge: (nudge: (lsn: Lsn, attempt: number) => void) => void;
  readonly restart: AbortSignal;
}

const EMIT_EVERY_MS = 250;

/** One connected stretch: runs until the connection fails or the signal fires, and leaves nothing running behind. */
export async function runSession(deps: SessionDeps, outer: AbortSignal): Promise<void> {
  const { receiver, epoch, clock, database, server, say, limits, settled } = deps;
  const ended = new AbortController();
  const signal = AbortSignal.any([outer, ended.signal, deps.restart]);
  const nudge = nudger(deps);
  deps.setNudge(nudge);

  const moved = (): void => {
    epoch.notePosition();
    settled.set(epoch.acknowledger.mark);
  };
  const inspect = (plan: TablePlan): Promise<TablePlan | undefined> => {
    const table = deps.tables.find(({ id }) => id === plan.id);
    return table === undefined ? Promise.resolve(undefined) : inspectTable(database, table);
  };
  const relations = new Relations({
    plans: deps.plans,
    decoders: deps.decoders,
    inspect,
    warn: (code, message) => say('error', code, message),
    inform: (code, message) => say('info', code, message),
  });

  const stream = (): Promise<void> =>
    readStream({
      receiver,
      relations,
      numbering: epoch.numbering,
      acknowledger: epoch.acknowledger,
      progress: epoch.progress,
      spool: { folder: limits.spoolFolder, memoryBytes: limits.spoolMemoryBytes },
      clock,
      deliver: (delivery) => deps.deliver('stream', delivery),
      moved,
    });

  const snapshots = async (): Promise<void> => {
    await copyTables(
      epoch.snapshots,
      {
        reader: deps.reader,
        sample: () => takeSample(database, server.segmentBytes),
        settled: (lsn, inner) => reach(settled, lsn, nudge, inner),
        deliver: async (deliveries) => {
          for (const delivery of deliveries) await deps.deliver('snapshot', delivery);
        },
        olderTransactionsEnded: (inner) =>
          olderTransactionsEnded(
            database,
            clock,
            (count) =>
              say(
                'info',
                'WAITING_FOR_TRANSACTIONS',
                `Waiting for ${count} open transaction(s) to end before the copy can start.`,
              ),
            inner,
          ),
        progress: ({ table, rowsRead }, finished) =>
          deps.observer.emit({
            type: 'snapshot-progress',
            source: deps.name,
            table: table as never,
            rows: rowsRead,
            finished,
          }),
        now: () => clock.now(),
      },
      signal,
    ).catch((error: unknown) => {
      if (!isDefinitionGone(error)) throw error;
      throw new FreshetError(
        'TABLE_CHANGED',
        'transient',
        'A table was dropped, renamed or altered while it was copied.',
      );
    });
    await forever(signal);
  };

  const tasks = [
    stream,
    snapshots,
    () => keepReplying(deps, signal),
    () => keepSampling(deps, nudge, signal),
    () => watch(deps, inspect, signal),
  ];
  const running = tasks.map((task) => task());
  try {
    moved();
    await Promise.race(running);
    throwIfAborted(signal);
  } finally {
    ended.abort();
    await receiver.close();
    await Promise.allSettled(running);
    deps.setNudge(() => undefined);
  }
}

const forever = (signal: AbortSignal): Promise<void> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });

/** Asks the server where it is; and makes it flush and send when it is not far enough. */
function nudger({ receiver, database, clock }: SessionDeps): (lsn: Lsn, attempt: number) => void {
  let emittedAt = -Infinity;
  let emitting = false;
  return (lsn, attempt) => {
    receiver.sendStatus(true);
    const now = clock.monotonic();
    if (attempt < 2 || emitting || receiver.received >= lsn || now - emittedAt < EMIT_EVERY_MS) return;
    emittedAt = now;
    emitting = true;
    void database
      .query('writing a logical message', "SELECT pg_catalog.pg_logical_emit_message(true, 'freshet', '')")
      // A failing server fails the session's own queries too, and they are waited for.
      .catch(() => undefined)
      .finally(() => (emitting = false));
  };
}

/** Well within wal_sender_timeout, whatever else is going on. */
async function keepReplying({ receiver, clock, server }: SessionDeps, signal: AbortSignal): Promise<void> {
  const everyMs = server.senderTimeoutMs === 0 ? 10_000 : Math.min(10_000, Math.max(100, server.senderTimeoutMs / 4));
  for (;;) {
    receiver.sendStatus(false);
    receiver.checkAlive();
    await clock.sleep(everyMs, signal);
  }
}

/** Each second: what time is covered, what of a quiet log may be saved and acknowledged, how much log the server keeps for us. */
async function keepSampling(
  deps: SessionDeps,
  nudge: (lsn: Lsn, attempt: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const { database, server, limits, clock, asOf, settled, store, receiver } = deps;
  let warned = false;
  for (let tick = 0; ; tick += 1) {
    const before = asOf.latest;
    if (before !== undefined && !settled.has(before.lsn)) nudge(before.lsn, 2);
    else receiver.sendStatus(true);
    asOf.add(await takeSample(database, server.segmentBytes));
    const mark = settled.value;
    if (mark !== undefined && store.durable !== undefined && mark > store.durable) {
      await store.save();
      receiver.sendStatus(false);
    }
    if (tick % 5 === 0) warned = await gaugeSlot(deps, warned);
    await clock.sleep(limits.sampleMs, signal);
  }
}

async function gaugeSlot({ database, slot, gauges, limits, say }: SessionDeps, warned: boolean): Promise<boolean> {
  const found = await readSlotGauges(database, slot);
  if (found === undefined) return warned;
  const { atRisk, ...values } = found;
  Object.assign(gauges, values);
  const isHigh = atRisk || found.retained_wal_bytes > limits.retainedWalWarnBytes;
  if (isHigh && !warned) {
    const mebibytes = Math.round(found.retained_wal_bytes / 1024 / 1024);
    say(
      'warn',
      'WAL_RETAINED',
      `The server keeps ${mebibytes} MiB of log for replication slot "${slot}"${atRisk ? ' and is about to remove it' : ''}: ` +
        'the index does not keep up with the changes, or an old transaction is open.',
    );
  }
  return isHigh;
}

async function watch(
  deps: SessionDeps,
  inspect: (plan: TablePlan) => Promise<TablePlan | undefined>,
  signal: AbortSignal,
): Promise<void> {
  const { database, publication, plans, say, clock, limits } = deps;
  const catalog = new CatalogWatch({ database, publication, plans, inspect, store: deps.store, say });
  for (;;) {
    await catalog.look();
    await clock.sleep(limits.catalogMs, signal);
  }
}
