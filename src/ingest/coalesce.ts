import type { RowChange } from '../domain/change.ts';
import { epochOf } from '../domain/version.ts';

/**
 * What becomes of two changes of one row that wait in a lane: only a streamed change is merged into a waiting streamed change.
 * - `replace`  the incoming one is newer: the waiting one need not be indexed at all
 * - `drop`     the incoming one is at or below the waiting one: a re-send
 * - `append`   keep both: one of them was read (no position to compare), the epochs differ, or the times say the source went back
 * Both settle with the survivor, never before (invariant 1).
 */
export function coalesce(waiting: RowChange, incoming: RowChange): 'replace' | 'drop' | 'append' {
  if (waiting.sourcePosition === undefined || incoming.sourcePosition === undefined) return 'append';
  if (epochOf(waiting.version) !== epochOf(incoming.version)) return 'append';
  if (incoming.sourcePosition > waiting.sourcePosition) return 'replace';
  return incoming.committedAt <= waiting.committedAt ? 'drop' : 'append';
}
