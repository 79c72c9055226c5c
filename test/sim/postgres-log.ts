import type { PartitionId, TableId } from '../../src/domain/ids.ts';
import type { Source } from '../../src/ports/source.ts';
import { versionAfter, type History, type Key, type RowVersion, type Transaction } from './history.ts';
import type { LogObserver } from './kafka-log.ts';
import { Reader } from './postgres-reader.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import { simSource } from './sim-source.ts';
import { BYTES_BETWEEN_COMMITS, fold, lsnOf, snapshotPartition, STREAM, truncated, type Epoch } from './wal.ts';
import { Violation, type ProcessHandle, type SimLog } from './world.ts';

/**
 * Direct logical replication: one stream whose versions are commit LSN + window, and per table one snapshot partition whose rows carry the
 * lowest version of the epoch. A recreated slot is a new epoch with a new snapshot; what happened while there was no slot is in no log.
 */
export class PostgresLog implements SimLog {
  readonly partitions: readonly PartitionId[];
  readonly #history: History;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #observer: LogObserver;
  readonly #tables: readonly TableId[];
  readonly #snapshotsWait: boolean;
  /** Milliseconds for which a chunk of a snapshot is held up. */
  readonly stall: () => number;
  readonly #committed = new Map<PartitionId, bigint>();
  /** Transactions that happened. */
  #produced = 0;
  #epoch: Epoch = { number: 0, firstTransaction: 0, lsnShift: 0 };
  readonly #epochs: Epoch[] = [this.#epoch];
  #arrived: (() => void)[] = [];

  constructor(
    history: History,
    deps: { scheduler: Scheduler; random: Random; observer: LogObserver },
    options: { readonly snapshotsWait: boolean; readonly stall: () => number },
  ) {
    this.stall = options.stall;
    this.#snapshotsWait = options.snapshotsWait;
    this.#history = history;
    this.#scheduler = deps.scheduler;
    this.#random = deps.random;
    this.#observer = deps.observer;
    this.#tables = [...new Set(history.keys.map((key) => key.table))];
    this.partitions = [STREAM, ...this.#tables.map(snapshotPartition)];
  }

  produce(): boolean {
    const transaction = this.#history.transactions[this.#produced];
    if (transaction === undefined) return false;
    this.#produced++;
    const what = transaction.operations.map((operation) =>
      operation.kind === 'row'
        ? `row ${operation.key.number} seq ${operation.version.seq}`
        : `truncate ${operation.table}`,
    );
    this.#scheduler.log(`WAL transaction ${transaction.index}: ${what.join(', ')}`);
    this.#wake();
    return true;
  }

  wakeIn(ms: number): void {
    void this.#scheduler.sleep({ name: 'snapshot' }, ms + 1).then(() => this.#wake());
  }

  #wake(): void {
    const arrived = this.#arrived;
    this.#arrived = [];
    for (const wake of arrived) wake();
  }

  /** The slot is lost and made again: whatever happens before the next call of {@link open} is in no log. */
  newEpoch(lost: number): void {
    for (let n = 0; n < lost; n++) this.produce();
    const number = this.#epoch.number + 1;
    // A restored server starts its log again at a lower place.
    const room = this.#produced * BYTES_BETWEEN_COMMITS - this.#epoch.lsnShift;
    const lsnShift = this.#epoch.lsnShift + (this.#random.chance(0.3) ? this.#random.int(room + 1) : 0);
    this.#epoch = { number, firstTransaction: this.#produced, lsnShift };
    this.#epochs.push(this.#epoch);
    this.#committed.clear();
    this.#scheduler.log(`EPOCH ${number} from transaction ${this.#produced}`);
  }

  open(process: ProcessHandle): Source {
    const reader = new Reader(this, process, this.#epoch, this.#random.fork());
    return simSource({
      process,
      scheduler: this.#scheduler,
      poll: () => reader.poll(),
      arrival: () => new Promise((resolve) => this.#arrived.push(resolve)),
      committed: (partition, offset) => this.#commit(partition, offset),
    });
  }

  get epoch(): number {
    return this.#epoch.number;
  }

  // What a reader needs of the server.
  get scheduler(): Scheduler {
    return this.#scheduler;
  }
  get history(): History {
    return this.#history;
  }
  get tables(): readonly TableId[] {
    return this.#tables;
  }
  get observer(): LogObserver {
    return this.#observer;
  }
  committedOffset(partition: PartitionId): bigint {
    return this.#committed.get(partition) ?? -1n;
  }
  transaction(index: number): Transaction | undefined {
    return index < this.#produced ? this.#history.transactions[index] : undefined;
  }
  /** Where the server's log ends now. */
  insertLsn(epoch: Epoch): bigint {
    return this.#produced === epoch.firstTransaction
      ? -1n
      : lsnOf(this.#produced - 1, epoch) + BigInt(BYTES_BETWEEN_COMMITS - 1);
  }
  /** Whether a snapshot chunk may be delivered: everything in the log before its SELECT is settled. */
  isPassed(lsn: bigint): boolean {
    const last = this.#lastOffsetAtOrBelow(lsn);
    return !this.#snapshotsWait || last === undefined || this.committedOffset(STREAM) >= last;
  }

  #lastOffsetAtOrBelow(lsn: bigint): bigint | undefined {
    let last: bigint | undefined;
    for (let at = this.#epoch.firstTransaction; at < this.#produced; at++) {
      const transaction = this.#history.transactions[at] as Transaction;
      const offset = lsnOf(at, this.#epoch) + BigInt(fold(transaction).at(-1)?.window ?? 0);
      if (offset <= lsn) last = offset;
    }
    return last;
  }

  #commit(partition: PartitionId, offset: bigint): void {
    if (offset <= this.committedOffset(partition)) return;
    this.#committed.set(partition, offset);
    this.#scheduler.log(`COMMIT ${partition}@${offset}`);
    this.#wake();
    if (partition !== STREAM) return;
    for (let at = this.#epoch.firstTransaction; at < this.#produced; at++) {
      for (const { operation, window } of fold(this.#history.transactions[at] as Transaction)) {
        const position = lsnOf(at, this.#epoch) + BigInt(window);
        if (position > offset) return;
        const where = `${partition}@${position}`;
        if (operation.kind === 'row') this.#observer.mustBeDurable(operation.key, operation.version.seq, where);
        else this.#observer.mustBeTruncated(truncated(operation, position, this.#epoch, 0), where);
      }
    }
  }

  isCommitted(): boolean {
    return false;
  }

  /** A replication slot reads nothing twice. */
  record(): undefined {
    return undefined;
  }

  get drained(): boolean {
    const end = this.#lastOffsetAtOrBelow(this.insertLsn(this.#epoch));
    const streamed = end === undefined || this.committedOffset(STREAM) >= end;
    return this.#produced === this.#history.transactions.length && streamed && this.snapshotsFinished;
  }

  get snapshotsFinished(): boolean {
    return this.#tables.every(
      (table) => this.committedOffset(snapshotPartition(table)) >= BigInt(this.keysOf(table).length),
    );
  }

  keysOf(table: TableId): readonly Key[] {
    return this.#history.keys.filter((key) => key.table === table);
  }

  rewind(): void {
    this.#committed.delete(STREAM);
  }

  current(key: number): RowVersion {
    return versionAfter(this.#history, key, this.#produced - 1);
  }

  operationOf({ epoch, sourcePosition: position }: { epoch: number; sourcePosition: string }): number {
    const lsn = BigInt(`0x${position.slice(0, 16)}`);
    const found = this.#epochs[epoch];
    for (let at = found?.firstTransaction ?? 0; at < this.#produced; at++) {
      if (found === undefined) break;
      for (const { operation, window } of fold(this.#history.transactions[at] as Transaction)) {
        if (lsnOf(at, found) + BigInt(window) === lsn) return operation.number;
      }
    }
    throw new Violation('2', `the index holds a position no change had: ${epoch} ${position}`);
  }
}
