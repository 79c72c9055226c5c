import type { Head } from './document.ts';
import type { ChunkId } from './ids.ts';
import { EPOCH_START, type SourcePosition, type Truncation } from './source-position.ts';
import { compareStamps, epochOf, type Stamp } from './version.ts';

/** Whether a stored head or chunk is covered by its table's truncation. One without a source position was read, not streamed. */
export function isTruncated(
  record: Stamp & { readonly sourcePosition?: SourcePosition },
  truncation: Truncation | undefined,
): boolean {
  if (truncation === undefined) return false;
  const epoch = epochOf(record.version);
  if (epoch !== truncation.epoch) return epoch < truncation.epoch;
  if (truncation.sourcePosition === EPOCH_START) return false;
  return record.sourcePosition === undefined || record.sourcePosition <= truncation.sourcePosition;
}

export interface VisibleCandidate extends Stamp {
  readonly id: ChunkId;
  readonly deleted: boolean;
  readonly sourcePosition?: SourcePosition;
}

/**
 * What a reader does with a chunk, judged by its document's head:
 * - `show`  it is above the head (a commit under way), or equal and in the head's list
 * - `hide`  it is deleted, has no head, is truncated with its head, or is not in the list of its own version
 * - `retry` it is below its head, so the chunks are older than the head: search once more, judge by the heads already in hand
 */
export type Verdict = 'show' | 'hide' | 'retry';

export function judge(chunk: VisibleCandidate, head: Head | undefined, truncation: Truncation | undefined): Verdict {
  if (chunk.deleted || head === undefined) return 'hide';
  const order = compareStamps(chunk, head);
  const isHeadGone = head.deleted || isTruncated(head, truncation);
  // A truncated chunk under a newer head is an old chunk like any other: after a new epoch began, the row may be there all along.
  if (isTruncated(chunk, truncation)) return order < 0 && !isHeadGone ? 'retry' : 'hide';
  if (order > 0) return 'show';
  if (isHeadGone) return 'hide';
  if (order < 0) return 'retry';
  return head.chunks.some((ref) => ref.id === chunk.id) ? 'show' : 'hide';
}
