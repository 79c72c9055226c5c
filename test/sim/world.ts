import type { Delivery, Position } from '../../src/domain/change.ts';
import type { PartitionId } from '../../src/domain/ids.ts';
import type { Source } from '../../src/ports/source.ts';
import type { RowVersion } from './history.ts';
import type { Owner } from './scheduler.ts';

/** One running Freshet. A zombie was replaced and does not know it: it goes on for a while, and its commits are refused. */
export interface ProcessHandle extends Owner {
  fenced: boolean;
  /** It was asked to end: it drains and commits what it can. */
  readonly leaving: boolean;
}

/** A source's side of the world: what was produced, what is committed, and readers for processes. */
export interface SimLog {
  readonly partitions: readonly PartitionId[];
  /** Makes the next change happen; false when the history is over. */
  produce(): boolean;
  /** A source for a process, reading on from what is committed. */
  open(process: ProcessHandle, partitions: readonly PartitionId[]): Source;
  /** The record at a position once more. @param isMended what was garbled the first time can be decoded now */
  record(position: Position, isMended: boolean): Delivery | undefined;
  isCommitted(position: Position): boolean;
  /** Everything produced is committed. */
  readonly drained: boolean;
  /** No snapshot is unfinished: the sweeper may run. */
  readonly snapshotsFinished: boolean;
  /** Forgets what is committed, so that the next process reads everything again. */
  rewind(partitions: readonly PartitionId[]): void;
  /** The row as a look-up in the database finds it now. */
  current(key: number): RowVersion;
  /** Every source position or truncation the index may hold, as the number of the operation it stands for. */
  operationOf(truncation: { readonly epoch: number; readonly sourcePosition: string }): number;
}

/** What a delivery says about its row: the row versions it may have been made from. */
export interface Span {
  /** Once its head is durable no reader may see an older one; 0 claims nothing. */
  readonly lo: number;
  readonly hi: number;
}

/** A check failed: the seed that did it is the whole bug report. */
export class Violation extends Error {
  readonly check: string;

  constructor(check: string, message: string) {
    super(message);
    this.name = 'Violation';
    this.check = check;
  }
}
