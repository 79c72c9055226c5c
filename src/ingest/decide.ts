import type { RowChange } from '../domain/change.ts';
import type { Head } from '../domain/document.ts';
import type { SourcePosition, Truncation } from '../domain/source-position.ts';
import type { Instant } from '../domain/time.ts';
import { epochOf, type Generation } from '../domain/version.ts';
import { isTruncated } from '../domain/visibility.ts';
import type { Floor } from '../ports/index-store.ts';

/** What the index says about a document at the moment a change of it is decided. The floor is read only where no head exists. */
export interface Situation {
  readonly head: Head | undefined;
  readonly floor: Floor | undefined;
  readonly truncation: Truncation | undefined;
}

export type Decision =
  | { readonly action: 'nothing'; readonly reason: 'older' | 'equal' | 'resend' | 'below-floor' | 'truncated' }
  | { readonly action: 'upsert' | 'delete'; readonly lineage: Lineage };

/** Position and commit time the new head carries: those of the last *streamed* change; reads leave them alone. */
export interface Lineage {
  readonly sourcePosition: SourcePosition | undefined;
  readonly committedAt: Instant;
}

/**
 * What a change means to the index (SPEC invariants 2 and 3). The order of the tests is part of the rule: the version first, and only a
 * *higher* version is tested as a re-send. Epochs do not compare by source position: a new epoch's log may start anywhere.
 */
export function decide(change: RowChange, situation: Situation, generation: Generation): Decision {
  const { head, floor, truncation } = situation;
  const streamed = change.sourcePosition !== undefined;
  if (head === undefined) {
    if (floor !== undefined && isBelowFloor(change, floor)) return { action: 'nothing', reason: 'below-floor' };
  } else {
    if (change.version < head.version) return { action: 'nothing', reason: 'older' };
    if (change.version === head.version) {
      if (head.generation >= generation) return { action: 'nothing', reason: 'equal' };
    } else if (streamed && isResend(change, head)) {
      return { action: 'nothing', reason: 'resend' };
    }
  }
  const lineage = inherit(change, head);
  const truncated = isTruncated(withPosition(change, lineage.sourcePosition), truncation);
  // A read is no news of a truncated table: what is in it since was streamed. Were it taken for a delete, its tombstone would stand above
  // a dead-lettered insert and make the retry nothing to do (simulation, profile poison, seed 757).
  if (truncated && !streamed && change.kind === 'row-upserted') return { action: 'nothing', reason: 'truncated' };
  return { action: change.kind === 'row-deleted' || truncated ? 'delete' : 'upsert', lineage };
}

/** Swept documents leave only a floor: at or below its version, or at or below its position *and* its time, a change is long done. */
function isBelowFloor(change: RowChange, floor: Floor): boolean {
  if (change.version <= floor.version) return true;
  if (epochOf(change.version) !== epochOf(floor.version)) return false;
  return (
    change.sourcePosition !== undefined &&
    floor.sourcePosition !== undefined &&
    change.sourcePosition <= floor.sourcePosition &&
    change.committedAt <= floor.committedAt
  );
}

/** An at-least-once source sends old rows again under higher offsets; their position and time tell. */
function isResend(change: RowChange, head: Head): boolean {
  return (
    epochOf(change.version) === epochOf(head.version) &&
    change.sourcePosition !== undefined &&
    head.sourcePosition !== undefined &&
    change.sourcePosition <= head.sourcePosition &&
    change.committedAt <= head.committedAt
  );
}

function inherit(change: RowChange, head: Head | undefined): Lineage {
  const previous = head !== undefined && epochOf(head.version) === epochOf(change.version) ? head : undefined;
  if (change.sourcePosition === undefined) {
    return previous?.sourcePosition === undefined
      ? { sourcePosition: undefined, committedAt: change.committedAt }
      : { sourcePosition: previous.sourcePosition, committedAt: previous.committedAt };
  }
  if (previous?.sourcePosition === undefined)
    return { sourcePosition: change.sourcePosition, committedAt: change.committedAt };
  return {
    sourcePosition: change.sourcePosition > previous.sourcePosition ? change.sourcePosition : previous.sourcePosition,
    committedAt: Math.max(change.committedAt, previous.committedAt),
  };
}

function withPosition(
  change: RowChange,
  position: SourcePosition | undefined,
): { version: RowChange['version']; generation: Generation; sourcePosition?: SourcePosition } {
  return { version: change.version, generation: 0, ...(position === undefined ? {} : { sourcePosition: position }) };
}
