import type { Database } from './connection.ts';
import { setupError } from './errors.ts';
import { lsn, type Lsn } from './lsn.ts';

export interface Identity {
  readonly systemId: string;
  readonly timeline: number;
}

/** What identifies the server and how its log is cut. */
export interface ServerFacts extends Identity {
  readonly database: string;
  readonly versionNumber: number;
  readonly segmentBytes: bigint;
  readonly senderTimeoutMs: number;
  /** End of what is flushed; the start of what a new epoch may skip. */
  readonly flushed: Lsn;
}

interface FactsRow {
  readonly wal_level: string;
  readonly version: number;
  readonly segment: string;
  readonly timeout: string;
  readonly recovery: boolean;
  readonly database: string;
}

export async function readServer(database: Database, identity: Identity): Promise<ServerFacts> {
  const [row] = await database.query<FactsRow>(
    'reading the server settings',
    `SELECT pg_catalog.current_setting('wal_level') AS wal_level,
            pg_catalog.current_setting('server_version_num')::int AS version,
            pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))::text AS segment,
            (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout') AS timeout,
            pg_catalog.pg_is_in_recovery() AS recovery,
            pg_catalog.current_database() AS database`,
  );
  if (row === undefined) throw new Error('the server answered without a row');
  if (row.version < 140_000) {
    throw setupError(
      'POSTGRES_TOO_OLD',
      `PostgreSQL ${Math.floor(row.version / 10_000)} is too old: Freshet needs 14 or newer.`,
    );
  }
  if (row.recovery) {
    throw setupError('POSTGRES_STANDBY', 'This server is a standby. Freshet follows the primary: connect to that one.');
  }
  if (row.wal_level !== 'logical') {
    throw setupError(
      'WAL_LEVEL',
      `wal_level is "${row.wal_level}"; logical replication needs "logical". ` +
        'Mend: ALTER SYSTEM SET wal_level = logical, then restart PostgreSQL (managed services have a parameter for it).',
      { walLevel: row.wal_level },
    );
  }
  const [{ flushed } = { flushed: undefined }] = await database.query<{ flushed: string }>(
    'reading the log position',
    'SELECT pg_catalog.pg_current_wal_flush_lsn()::text AS flushed',
  );
  return {
    ...identity,
    database: row.database,
    versionNumber: row.version,
    segmentBytes: BigInt(row.segment),
    senderTimeoutMs: Number(row.timeout),
    flushed: lsn(flushed),
  };
}

/** One line per switch of timeline: parent timeline, LSN of the switch, reason (timeline history file, timeline.c). */
export function switchLsn(history: string, fromTimeline: number): Lsn | undefined {
  for (const line of history.split('\n')) {
    const match = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line);
    if (match !== null && Number(match[1]) === fromTimeline) return lsn(match[2]);
  }
  return undefined;
}
