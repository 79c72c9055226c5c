import type { Delivery, Position } from '../domain/change.ts';
import type { PartitionId } from '../domain/ids.ts';
import type { Instant } from '../domain/time.ts';

/** How far behind one partition is, and what is known to be covered. */
export interface PartitionFreshness {
  readonly partition: PartitionId;
  /**
   * Everything committed at the source up to this instant is settled downstream. Never newer than the truth, absent while unknown:
   * silence proves nothing (invariant 9).
   */
  readonly asOf: Instant | undefined;
  readonly lagEvents: number | undefined;
  readonly lagMs: number | undefined;
}

export interface SnapshotProgress {
  readonly table: string;
  readonly rowsRead: number;
  /** The server's estimate; undefined where it has none. */
  readonly rowsTotal: number | undefined;
  readonly finished: boolean;
}

export interface SourceFreshness {
  readonly source: string;
  readonly connected: boolean;
  readonly partitions: readonly PartitionFreshness[];
  /** Another instance reads it into the same index: nothing is known of its age here, and nothing is claimed of it. */
  readonly isElsewhere?: boolean;
  /** Whether the first whole copy of every table is in (readiness). */
  readonly snapshotFinished: boolean;
  readonly snapshots: readonly SnapshotProgress[];
  /** Gauges of the source's own, e.g. retained WAL bytes. Names are snake_case with their unit last. */
  readonly gauges: Readonly<Record<string, number>>;
}

/**
 * - `revoking`  still ours until the listener resolves: what was delivered is drained and committed, unless `deadline` fires first
 * - `lost`      already another's (session expired, a frozen process that came back): nothing can be committed any more
 *
 * Either way, once it resolved nothing is committed for these partitions until they are delivered from again, from the committed offset on.
 */
export type RevokedListener = (
  partitions: readonly PartitionId[],
  how: 'revoking' | 'lost',
  deadline: AbortSignal,
) => Promise<void>;

/**
 * A stream of change events.
 *
 * - Ordering: deliveries of one partition come in offset order; the same change always carries the same version, also when re-sent.
 * - Reading ahead is allowed, acknowledging ahead is not: only `commit` may move the point a restart resumes from.
 * - Backpressure: the source reads no further than its own bounded buffer while the consumer does not pull.
 * - `read` is called once per source. It ends when the signal aborts, and throws `fatal` when it must not carry on silently
 *   (invariant: a gap in the log is never skipped). It reconnects by itself after transient failures.
 */
export interface Source extends AsyncDisposable {
  readonly name: string;
  read(signal: AbortSignal): AsyncIterable<Delivery>;
  /**
   * Everything at or before these positions (one per partition) is durable downstream. Monotonic; an older position is ignored.
   * Resolves once it is stored durably and may be acknowledged upstream.
   */
  commit(positions: readonly Position[]): Promise<void>;
  /** Called when partitions are taken from this consumer. Sources without rebalances never call it. */
  onRevoked(listener: RevokedListener): void;
  freshness(): Promise<SourceFreshness>;
}

/**
 * Read-your-writes. A token names a point in the source's log; `reached` resolves once everything up to it is settled downstream.
 */
export interface TokenSource {
  /** A token for what is settled downstream now, without asking the source. Undefined while nothing is known. */
  coveredToken(): string | undefined;
  /** A token that covers every write committed before the call. For Postgres a plain LSN (`0/16B3748`) read after COMMIT. */
  currentToken(signal: AbortSignal): Promise<string>;
  /** Resolves true once covered, false after `waitMs`. Rejects with `poison` BAD_TOKEN on a token that is not of this source. */
  reached(token: string, waitMs: number, signal: AbortSignal): Promise<boolean>;
}
