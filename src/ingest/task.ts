import type { ChangeEvent, Position, RowChange } from '../domain/change.ts';
import type { Instant } from '../domain/time.ts';
import type { Tracked } from './commit.ts';
import type { Rules } from './rules.ts';

/** What is not about one row. */
export type OtherEvent = Exclude<ChangeEvent, RowChange>;

/** One delivery a task answers for: it settles with the task, never before. */
export interface Share {
  readonly tracked: Tracked;
  readonly bytes: number;
}

export type Outcome = 'indexed' | 'deleted' | 'nothing-to-do' | 'dead-lettered';

/** A row change in its lane, with every delivery that was merged into it. */
export interface Task {
  readonly change: RowChange;
  readonly position: Position;
  readonly receivedAt: Instant;
  readonly shares: readonly Share[];
  /** Deliveries merged away by coalescing. */
  readonly superseded: number;
  /** Set on a retried dead letter, which belongs to no delivery: told what became of it. */
  readonly onOutcome?: (outcome: Outcome) => void;
}

/** Merges an incoming task into the waiting one where the rule allows; undefined keeps both. */
export function mergeTasks(waiting: Task, incoming: Task, rules: Pick<Rules, 'coalesce'>): Task | undefined {
  if (waiting.onOutcome !== undefined || incoming.onOutcome !== undefined) return undefined;
  const action = rules.coalesce(waiting.change, incoming.change);
  if (action === 'append') return undefined;
  const survivor = action === 'replace' ? incoming : waiting;
  return {
    ...survivor,
    shares: [...waiting.shares, ...incoming.shares],
    superseded: waiting.superseded + incoming.superseded + 1,
  };
}
