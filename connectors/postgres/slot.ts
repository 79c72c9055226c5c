import type { Database } from './connection.ts';
import { setupError, stateOf } from './errors.ts';
import { formatLsn, lsn, type Lsn } from './lsn.ts';

export interface SlotFacts {
  readonly confirmed: Lsn;
  readonly activePid: number | undefined;
  /** Its log is gone (max_slot_wal_keep_size, invalidation): it can never be read again. */
  readonly lost: boolean;
}

interface SlotRow {
  readonly plugin: string | null;
  readonly database: string | null;
  readonly confirmed: string | null;
  readonly active_pid: number | null;
  readonly wal_status: string | null;
}

/** Undefined when there is no such slot. */
export async function readSlot(database: Database, slot: string, inDatabase: string): Promise<SlotFacts | undefined> {
  const [row] = await database.query<SlotRow>(
    'reading the replication slot',
    `SELECT plugin, database, confirmed_flush_lsn::text AS confirmed, active_pid, wal_status
       FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`,
    [slot],
  );
  if (row === undefined) return undefined;
  if (row.plugin !== 'pgoutput' || row.database !== inDatabase) {
    throw setupError(
      'SLOT_FOREIGN',
      `Replication slot "${slot}" belongs to something else (plugin ${row.plugin ?? 'none'}, database ${row.database ?? 'none'}). ` +
        'Choose another slot name in the configuration.',
      { slot },
    );
  }
  return {
    confirmed: row.confirmed === null ? 0n : lsn(row.confirmed),
    activePid: row.active_pid ?? undefined,
    lost: row.wal_status === 'lost' || row.confirmed === null,
  };
}

/** Creates the slot; it waits for transactions that are open now. Returns the position its log starts at. */
export async function createSlot(database: Database, slot: string): Promise<Lsn> {
  if (!/^[a-z0-9_]{1,63}$/.test(slot)) {
    throw setupError(
      'SLOT_NAME_INVALID',
      `"${slot}" is no slot name: lower-case letters, digits and underscores, at most 63.`,
      { slot },
    );
  }
  try {
    const [row] = await database.query<{ lsn: string }>(
      'creating the replication slot',
      "SELECT lsn::text FROM pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')",
      [slot],
    );
    return lsn(row?.lsn);
  } catch (error) {
    const state = stateOf(error);
    if (state === '42501') {
      throw setupError(
        'REPLICATION_NOT_ALLOWED',
        'The role may not create a replication slot. Mend: ALTER ROLE <role> REPLICATION (on Amazon RDS: GRANT rds_replication TO <role>).',
      );
    }
    if (state === '53400') {
      throw setupError(
        'SLOTS_EXHAUSTED',
        'All replication slots of the server are taken. Drop one that nobody uses (pg_drop_replication_slot), or raise max_replication_slots and restart.',
      );
    }
    throw error;
  }
}

export async function dropSlot(database: Database, slot: string): Promise<void> {
  await database.query('dropping the replication slot', 'SELECT pg_catalog.pg_drop_replication_slot($1)', [slot]);
}

/** Leaves everything before `target` behind, for an epoch that starts with a whole new copy. Returns where the slot stands then. */
export async function advanceSlot(database: Database, slot: string, target: Lsn): Promise<Lsn> {
  const [row] = await database.query<{ lsn: string }>(
    'advancing the replication slot',
    'SELECT end_lsn::text AS lsn FROM pg_catalog.pg_replication_slot_advance($1, $2::pg_lsn)',
    [slot, formatLsn(target)],
  );
  return lsn(row?.lsn);
}
