import type { Delivery, Position } from '../domain/change.ts';

/** Reads one record again by its coordinates, to retry a dead letter from the original that stayed in its log. */
export interface RecordFetch {
  /** Undefined when the log no longer holds it (retention, compaction). The delivery carries the same version as the first time. */
  record(position: Position, signal: AbortSignal): Promise<Delivery | undefined>;
  /**
   * Everything up to and with this position is settled, whoever reads its partition now. Until then a record that is fetched again could
   * overtake an older change of its row that is still on its way, and that change would be dropped as old.
   */
  isCommitted(position: Position, signal: AbortSignal): Promise<boolean>;
}
