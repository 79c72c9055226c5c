import { tmpdir } from 'node:os';
import type { Clock } from '../../src/ports/clock.ts';
import type { Checkpoints } from '../../src/ports/checkpoints.ts';
import type { Observer } from '../../src/observability/events.ts';
import type { PostgresTable } from './catalog.ts';
import type { ConnectionConfig } from './connection.ts';

export interface PostgresLimits {
  /** Received and not processed, before the socket is paused. */
  readonly receiveBytes: number;
  /** Processed and not taken by the consumer, per lane (stream, snapshot). */
  readonly outboxBytes: number;
  readonly outboxItems: number;
  /** Of one window of a transaction; beyond it, it is folded on disk. */
  readonly spoolMemoryBytes: number;
  readonly spoolFolder: string;
  /** Of one chunk of a snapshot. Two are in memory at a time. */
  readonly chunkBytes: number;
  /** Log the server keeps for us, from which on we warn. */
  readonly retainedWalWarnBytes: number;
  /** Between samples of the server's clock and position, and between looks at the catalog. */
  readonly sampleMs: number;
  readonly catalogMs: number;
}

const MiB = 1024 * 1024;

export const DEFAULT_LIMITS: PostgresLimits = {
  receiveBytes: 16 * MiB,
  outboxBytes: 8 * MiB,
  outboxItems: 2_000,
  spoolMemoryBytes: 32 * MiB,
  spoolFolder: tmpdir(),
  chunkBytes: 8 * MiB,
  retainedWalWarnBytes: 1024 * MiB,
  sampleMs: 1_000,
  catalogMs: 15_000,
};

export interface PostgresSourceOptions {
  readonly name: string;
  /** A URL, or what `pg` takes. The role needs REPLICATION and SELECT; to make the publication, ownership of the tables too. */
  readonly connectionString: ConnectionConfig;
  /** Lower-case letters, digits and underscores. One per index. */
  readonly slot: string;
  readonly publication: string;
  readonly tables: readonly PostgresTable[];
  readonly checkpoints: Checkpoints;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly limits?: Partial<PostgresLimits>;
  /** In [0, 1), for jitter. */
  readonly random?: () => number;
}
