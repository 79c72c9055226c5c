import type { Instant } from '../../src/domain/time.ts';
import type { Database } from './connection.ts';
import { endOfWritten, lsn, type Lsn } from './lsn.ts';

export interface Sample {
  /** The server's clock, read before its log position. */
  readonly at: Instant;
  readonly lsn: Lsn;
}

/** Time first, position second, in one statement: whatever had committed by that time lies before that position (invariant 9). */
export async function takeSample(database: Database, segmentBytes: bigint): Promise<Sample> {
  const [row] = await database.query<{ at: number; lsn: string }>(
    'reading the log position',
    `SELECT (EXTRACT(EPOCH FROM pg_catalog.now()) * 1000)::float8 AS at, pg_catalog.pg_current_wal_insert_lsn()::text AS lsn`,
  );
  return { at: row?.at ?? 0, lsn: endOfWritten(lsn(row?.lsn), segmentBytes) };
}

const SAMPLES_MAX = 512;

/** Which moment is covered: the time of the latest sample whose position the settled mark has passed. */
export class AsOf {
  #samples: Sample[] = [];
  #covered: Sample | undefined;
  #latest: Sample | undefined;
  /** A long backlog needs no sample per second: whenever they are too many, every other one goes, and every other one to come. */
  #stride = 1;
  #sinceKept = 0;

  add(sample: Sample): void {
    this.#latest = sample;
    this.#sinceKept += 1;
    if (this.#sinceKept < this.#stride) return;
    this.#sinceKept = 0;
    this.#samples.push(sample);
    if (this.#samples.length <= SAMPLES_MAX) return;
    this.#samples = this.#samples.filter((_, i) => i % 2 === 0);
    this.#stride *= 2;
  }

  get latest(): Sample | undefined {
    return this.#latest;
  }

  /** After a new epoch nothing is known any more. */
  reset(): void {
    this.#samples = [];
    this.#covered = undefined;
    this.#latest = undefined;
  }

  at(mark: Lsn): Instant | undefined {
    let count = 0;
    for (const sample of this.#samples) {
      if (sample.lsn > mark) break;
      this.#covered = sample;
      count += 1;
    }
    this.#samples.splice(0, count);
    if (this.#samples.length === 0) this.#stride = 1;
    return this.#covered?.at;
  }

  /** How far the covered moment lies behind the server's clock; 0 when everything known is covered. */
  lagMs(mark: Lsn): number | undefined {
    const at = this.at(mark);
    if (at === undefined || this.#latest === undefined) return undefined;
    return Math.max(0, this.#latest.at - at);
  }
}

export interface SlotGauges {
  /** Log between the end and what this source has acknowledged. */
  readonly slot_lag_bytes: number;
  /** Log the server keeps for this slot. */
  readonly retained_wal_bytes: number;
}

export async function readSlotGauges(
  database: Database,
  slot: string,
): Promise<(SlotGauges & { readonly atRisk: boolean }) | undefined> {
  const [row] = await database.query<{ lag: number; retained: number; status: string | null }>(
    'reading the slot lag',
    `SELECT (pg_catalog.pg_current_wal_insert_lsn() - confirmed_flush_lsn)::float8 AS lag,
            (pg_catalog.pg_current_wal_insert_lsn() - restart_lsn)::float8 AS retained, wal_status AS status
       FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`,
    [slot],
  );
  if (row === undefined) return undefined;
  return {
    slot_lag_bytes: Math.max(0, row.lag ?? 0),
    retained_wal_bytes: Math.max(0, row.retained ?? 0),
    atRisk: row.status === 'unreserved' || row.status === 'lost',
  };
}
