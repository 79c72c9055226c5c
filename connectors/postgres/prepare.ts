import type { TableId } from '../../src/domain/ids.ts';
import { EPOCH_MAX } from '../../src/domain/version.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { inspectTable, tableMissing, type PostgresTable } from './catalog.ts';
import { freshTable, type Checkpoint, type CheckpointStore } from './checkpoint.ts';
import type { Database } from './connection.ts';
import { logReason, tableReason } from './epoch.ts';
import { setupError } from './errors.ts';
import { lsn, maxLsn, type Lsn } from './lsn.ts';
import { olderTransactionsEnded } from './older-transactions.ts';
import { ensurePublication } from './publication.ts';
import type { Receiver } from './receiver.ts';
import { readServer, switchLsn, type Identity, type ServerFacts } from './server.ts';
import { advanceSlot, createSlot, dropSlot, readSlot, type SlotFacts } from './slot.ts';
import type { TablePlan } from './table-plan.ts';

export interface PrepareDeps {
  readonly name: string;
  readonly database: Database;
  readonly receiver: Receiver;
  readonly store: CheckpointStore;
  readonly tables: readonly PostgresTable[];
  readonly slot: string;
  readonly publication: string;
  readonly clock: Clock;
  readonly say: (level: 'info' | 'warn' | 'error', code: string, message: string) => void;
  /** Before any epoch change of a running source: what was handed over is settled. */
  readonly drained: (signal: AbortSignal) => Promise<void>;
}

export interface Situation {
  /** A table that disappears under a running source is an event; at the start it is an error. */
  readonly isFirst: boolean;
  /** The furthest position handed over by this process. */
  readonly furthest: Lsn;
  /** Asked for from outside (replay), or found in the stream. */
  readonly epochReason: string | undefined;
}

export interface Prepared {
  readonly server: ServerFacts;
  readonly plans: readonly TablePlan[];
  readonly checkpoint: Checkpoint;
  readonly isNewEpoch: boolean;
}

/** Connects, checks everything that must hold before the stream may start, and mends or begins a new epoch where it does not. */
export async function prepare(deps: PrepareDeps, situation: Situation, signal: AbortSignal): Promise<Prepared> {
  const { database, receiver, store, slot: slotName, publication, say } = deps;
  if (deps.tables.length === 0)
    throw setupError('NO_TABLES', `Source "${deps.name}" has no tables. Name at least one in the configuration.`);
  const identity = await receiver.connect();
  const server = await readServer(database, identity);
  // Until the first connection somebody else may still be reading, and moving the stored position.
  const stored = situation.isFirst ? await store.load() : store.current;
  const plans = await inspectAll(deps, situation);
  const published = await ensurePublication(database, publication, plans, server.versionNumber);
  const slot = await readSlot(database, slotName, server.database);

  let reason: string | undefined;
  if (stored !== undefined) {
    const switchedAt =
      stored.timeline === identity.timeline
        ? undefined
        : switchLsn(await receiver.timelineHistory(identity.timeline), stored.timeline);
    const furthest = maxLsn(situation.furthest, stored.position);
    const gap = published.added.find((id) => stored.tables[id]?.removed === false);
    reason =
      situation.epochReason ??
      logReason({ checkpoint: stored, server, slot, slotName, publication, switchedAt, furthest }) ??
      tableReason(stored, deps.tables, plans) ??
      (gap === undefined ? undefined : `table ${gap} was not in the publication for a while`) ??
      (published.routingChanged ? 'partitions are now published as their table' : undefined);
  }
  if (stored !== undefined && reason === undefined) {
    const checkpoint = await carryOn(deps, stored, identity, plans);
    return { server, plans, checkpoint, isNewEpoch: false };
  }
  const checkpoint = await newEpoch(deps, { stored, reason, server, slot, plans }, signal);
  return { server, plans, checkpoint, isNewEpoch: true };

  async function inspectAll({ tables }: PrepareDeps, { isFirst }: Situation): Promise<TablePlan[]> {
    const found: TablePlan[] = [];
    for (const table of tables) {
      const plan = await inspectTable(database, table);
      if (plan !== undefined) found.push(plan);
      else if (isFirst) throw tableMissing(table.id);
      else
        say(
          'error',
          'TABLE_DROPPED',
          `Table ${table.id} no longer exists. What is indexed of it stays until it is taken out of the configuration.`,
        );
    }
    return found;
  }
}

/** Same epoch: new tables get their copy, tables that left are remembered as gone. */
async function carryOn(
  { store, tables, say }: PrepareDeps,
  stored: Checkpoint,
  identity: Identity,
  plans: readonly TablePlan[],
): Promise<Checkpoint> {
  stored.timeline = identity.timeline;
  const configured = new Map(tables.map((table) => [table.id, table]));
  for (const plan of plans) {
    if (stored.tables[plan.id] !== undefined) continue;
    stored.tables[plan.id] = freshTable(configured.get(plan.id)?.fingerprint ?? '', plan.oid, plan.key);
    say('info', 'TABLE_ADDED', `Table ${plan.id} is new: it is copied while the others go on.`);
  }
  for (const [id, table] of Object.entries(stored.tables)) if (!configured.has(id as TableId)) table.removed = true;
  await store.save();
  return stored;
}

async function newEpoch(
  deps: PrepareDeps,
  found: {
    readonly stored: Checkpoint | undefined;
    readonly reason: string | undefined;
    readonly server: ServerFacts;
    readonly slot: SlotFacts | undefined;
    readonly plans: readonly TablePlan[];
  },
  signal: AbortSignal,
): Promise<Checkpoint> {
  const { database, store, tables, slot: slotName, publication, say, clock } = deps;
  const { stored, reason, server, plans } = found;
  const epoch = stored === undefined ? 0 : stored.epoch + 1;
  if (epoch > EPOCH_MAX) {
    throw setupError(
      'EPOCH_EXHAUSTED',
      `Source "${deps.name}" has started over ${EPOCH_MAX} times, and a version holds no higher epoch. Stop Freshet, move index.sqlite out of the ` +
        'data folder and start again: everything is indexed anew from epoch 0.',
    );
  }
  if (stored !== undefined) {
    say('warn', 'NEW_EPOCH', `Source "${deps.name}" starts over with a whole new copy of its tables: ${reason ?? ''}.`);
    await deps.drained(signal);
  }
  const onLongWait = (count: number): void =>
    say(
      'info',
      'WAITING_FOR_TRANSACTIONS',
      `Waiting for ${count} open transaction(s) to end before the copy can start.`,
    );
  // A transaction that began before the publication existed would make the server fail to decode it.
  await olderTransactionsEnded(database, clock, onLongWait, signal);
  const start = await slotAtNow(database, slotName, found.slot);
  const fingerprints = new Map(tables.map(({ id, fingerprint }) => [id, fingerprint]));
  const checkpoint: Checkpoint = {
    format: 1,
    systemId: server.systemId,
    timeline: server.timeline,
    database: server.database,
    slot: slotName,
    publication,
    epoch,
    base: start,
    position: start,
    tables: Object.fromEntries(
      plans.map((plan) => [plan.id, freshTable(fingerprints.get(plan.id) ?? '', plan.oid, plan.key)]),
    ),
  };
  await store.replace(checkpoint);
  return checkpoint;
}

/** A slot that keeps everything from now on. What came before is covered by the copy. */
async function slotAtNow(database: Database, name: string, slot: SlotFacts | undefined): Promise<Lsn> {
  if (slot?.lost === true) await dropSlot(database, name);
  if (slot === undefined || slot.lost) return createSlot(database, name);
  const [row] = await database.query<{ flushed: string }>(
    'reading the log position',
    'SELECT pg_catalog.pg_current_wal_flush_lsn()::text AS flushed',
  );
  const target = lsn(row?.flushed);
  return target > slot.confirmed ? advanceSlot(database, name, target) : slot.confirmed;
}
