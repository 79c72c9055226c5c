import type { RowKey, TableId } from '../../../src/domain/ids.ts';
import { positionAfter, sourcePosition } from '../../../src/domain/source-position.ts';
import type { LogMemory, Place } from './memory.ts';

/** What a tombstone says: that its row is gone (with or without a place in the source), or nothing new. */
export type TombstoneMeaning = 'nothing' | { readonly deletes: true; readonly place: Place | undefined };

/** Below every streamed change: deletes a row only if none of its changes ever had a place. */
const LOWEST: Place = { sourcePosition: sourcePosition(0n), committedAt: 0 };

/**
 * A tombstone usually follows the delete that said the same. Twice it stands alone:
 *
 * - A transform drops deletes and leaves tombstones (`bare`). It has no position, and a run of re-sends may begin with it: then the inserts
 *   sent again behind it must count too, so on such topics no change has a position (see `events.ts`).
 * - Compaction removed the delete before we came to it. What precedes it in its partition is older than the delete was, and newer than all of
 *   the row that we may have seen before it: right behind that is where it stands. So sent again before the row's newest state, it is told as
 *   old like everything else.
 *
 * Where reading begins with one, its delete was read before, by us or whoever had the partition; only on a bare topic it is news. Rows of
 * a bare topic have no places: that tells. But if it is not the record that reading was to begin with, what lay between was compacted away,
 * its delete with it: then it deletes by its offset alone. Should a run of re-sends have been cut just there, the row would be missing until
 * it changes; otherwise a deleted row would stay.
 */
export function meaningOfTombstone(
  { topic, partition, offset }: { readonly topic: string; readonly partition: number; readonly offset: bigint },
  row: { readonly table: TableId; readonly key: RowKey },
  memory: LogMemory,
  tombstonesDelete: boolean | 'auto',
): TombstoneMeaning {
  const previous = memory.previous(topic, partition, offset);
  if (previous?.deleted === true && previous.table === row.table && previous.key === row.key) return 'nothing';
  if (tombstonesDelete === true || (tombstonesDelete === 'auto' && memory.shape(topic) === 'bare')) {
    return { deletes: true, place: undefined };
  }
  const begun = memory.begun(topic, partition);
  if (previous === undefined && begun !== undefined && begun < offset) return { deletes: true, place: undefined };
  if (previous === undefined) return tombstonesDelete === 'auto' ? { deletes: true, place: LOWEST } : 'nothing';
  const { place } = previous;
  return { deletes: true, place: place && { ...place, sourcePosition: positionAfter(place.sourcePosition) } };
}
