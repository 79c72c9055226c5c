import { FreshetError } from '../../src/domain/errors.ts';
import type { Database } from './connection.ts';
import { endOfWritten, lsn, parseLsn, type Lsn } from './lsn.ts';

interface PositionRow {
  readonly lsn: string;
  readonly segment: string;
}

const SEGMENT = "pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))::text AS segment";

/** Covers every transaction whose COMMIT has returned: their records lie before the insert position. */
export async function readToken(database: Database): Promise<Lsn> {
  const [row] = await database.query<PositionRow>(
    'reading the log position',
    `SELECT pg_catalog.pg_current_wal_insert_lsn()::text AS lsn, ${SEGMENT}`,
  );
  return endOfWritten(lsn(row?.lsn), BigInt(row?.segment ?? 0));
}

/** A token may come from `SELECT pg_current_wal_insert_lsn()` of the caller's own, uncorrected. */
export async function tokenTarget(database: Database, token: string): Promise<Lsn> {
  const position = parseLsn(token);
  if (position === undefined) {
    throw new FreshetError(
      'BAD_TOKEN',
      'poison',
      'This is no token of a PostgreSQL source. A token is an LSN such as 0/16B3748, read after COMMIT with pg_current_wal_insert_lsn().',
    );
  }
  if (position % 8192n !== 24n && position % 8192n !== 40n) return position;
  const [row] = await database.query<{ segment: string }>('reading the segment size', `SELECT ${SEGMENT}`);
  return endOfWritten(position, BigInt(row?.segment ?? 0));
}
