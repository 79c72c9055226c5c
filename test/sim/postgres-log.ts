import type { ChangeEvent, Delivery } from '../../src/domain/change.ts';
import { partitionId, type PartitionId, type TableId } from '../../src/domain/ids.ts';
import { sourcePosition } from '../../src/domain/source-position.ts';
import { makeVersion, snapshotVersion } from '../../src/domain/version.ts';
import type { Source } from '../../src/ports/source.ts';
import { versionAfter, type History, type Key, type Operation, type RowVersion, type Transaction } from './history.ts';
import { garbled, type LogObserver } from './kafka-log.ts';
import type { Random } from './random.ts';
import { toRow } from './rows.ts';
import { START_OF_TIME, type Scheduler } from './scheduler.ts';
import { simSource } from './sim-source.ts';
import { Violation, type ProcessHandle, type SimLog } from './world.ts';

const STREAM = partitionId('wal');
const BYTES_BETWEEN_COMMITS = 100;
/** Changes to one window of a folded transaction. */
const WINDOW = 3;
const ROWS_TO_A_CHUNK = 2;

/** A slot's life. A recreated slot starts at a later transaction, and after a restore its numbers may start lower. */
interface Epoch {
  readonly number: number;
  readonly firstTransaction: number;
  readonly lsnShift: number;
}

/** One delivery of a folded transaction. */
interface Change {
  readonly window: number;
  readonly operation: Operation;
  readonly endsWindow: boolean;
}

/** Rows read by SELECT, held back until the stream's mark passed what the server had reached when they were read. */
interface Chunk {
  readonly table: TableId;
  readonly after: bigint;
  /** Virtual time. */
  readonly notBefore: number;
  readonly deliveries: Delivery[];
}

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

/** One process's replication connection and its snapshot reads. */
class Reader {
  readonly #log: PostgresLog;
  readonly #process: ProcessHandle;
  readonly #epoch: Epoch;
  readonly #random: Random;
  /** Deliveries of the transaction being streamed. */
  #streaming: Delivery[] = [];
  #nextTransaction: number;
  /** Some readers are behind on the stream while they read tables, some on the tables. */
  readonly #streamFirst: number;
  readonly #chunks = new Map<TableId, Chunk>();
  readonly #nextRow = new Map<TableId, number>();

  constructor(log: PostgresLog, process: ProcessHandle, epoch: Epoch, random: Random) {
    this.#log = log;
    this.#process = process;
    this.#epoch = epoch;
    this.#random = random;
    this.#streamFirst = random.next() / 2;
    const committed = log.committedOffset(STREAM);
    // The server re-sends whole transactions, and at least everything that was not acknowledged.
    let first = epoch.firstTransaction;
    while (log.transaction(first) !== undefined && lsnOf(first + 1, epoch) <= committed) first++;
    this.#nextTransaction = Math.max(epoch.firstTransaction, first - random.int(2));
    for (const table of log.tables)
      this.#nextRow.set(table, Number(log.committedOffset(snapshotPartition(table)) + 1n));
  }

  async poll(): Promise<Delivery | undefined> {
    const ways: (() => Delivery | undefined | Promise<Delivery | undefined>)[] = [];
    // A replaced process has lost the slot; what it already read it still delivers.
    const mayStream = !this.#process.fenced && this.#log.transaction(this.#nextTransaction) !== undefined;
    if (this.#streaming.length > 0 || mayStream) ways.push(() => this.#stream());
    for (const table of this.#log.tables) {
      const chunk = this.#chunks.get(table);
      if (chunk === undefined) {
        if ((this.#nextRow.get(table) ?? 0) <= this.#log.keysOf(table).length) ways.push(() => this.#select(table));
      } else if (
        !this.#process.fenced &&
        this.#log.scheduler.now >= chunk.notBefore &&
        this.#log.isPassed(chunk.after)
      ) {
        ways.push(() => this.#fromChunk(chunk));
      }
    }
    const [first] = ways;
    if (mayStream && first !== undefined && this.#random.chance(this.#streamFirst)) return first();
    return ways.length === 0 ? undefined : this.#random.pick(ways)();
  }

  #stream(): Delivery | undefined {
    if (this.#streaming.length === 0) {
      const transaction = this.#log.transaction(this.#nextTransaction);
      if (transaction === undefined) return undefined;
      this.#nextTransaction++;
      this.#streaming = fold(transaction).map((change) => this.#changeOf(transaction, change));
    }
    return this.#streaming.shift();
  }

  #changeOf(transaction: Transaction, { window, operation, endsWindow }: Change): Delivery {
    const offset = lsnOf(transaction.index, this.#epoch) + BigInt(window);
    const base = lsnOf(this.#epoch.firstTransaction, this.#epoch) - 1n;
    const version = makeVersion(this.#epoch.number, offset - base);
    const committedAt = START_OF_TIME + transaction.committedAt;
    const position = { partition: STREAM, offset };
    const deliver = (event: ChangeEvent): Delivery => ({
      ...{ position, endsPosition: endsWindow, event, bytes: 100 },
      receivedAt: START_OF_TIME + this.#log.scheduler.now,
    });
    if (operation.kind === 'truncate') return deliver(truncated(operation, offset, this.#epoch, committedAt));
    const {
      key,
      version: { row, seq },
      withoutText,
    } = operation;
    this.#log.observer.delivers(key, version, position, { lo: seq, hi: seq });
    const head = { table: key.table, key: key.rowKey, version, sourcePosition: sourcePosition(offset), committedAt };
    if (row === undefined) return deliver({ kind: 'row-deleted', ...head });
    if (row.poison === 'decode') return deliver(garbled(head));
    return deliver({ kind: 'row-upserted', ...head, row: toRow(row, key.number, withoutText), snapshot: false });
  }

  /** Reads a chunk of rows; they are delivered once the stream's mark passed the log's end as it was after the SELECT. */
  async #select(table: TableId): Promise<Delivery | undefined> {
    const from = this.#nextRow.get(table) ?? 0;
    const keys = this.#log.keysOf(table);
    const rows = keys.slice(from, from + ROWS_TO_A_CHUNK).map((key) => ({ key, now: this.#log.current(key.number) }));
    await this.#log.scheduler.gate(this.#process, `selected rows of ${table}`);
    const stall = this.#log.stall();
    const notBefore = this.#log.scheduler.now + stall;
    if (stall > 0) this.#log.wakeIn(stall);
    const deliveries = rows.map(({ key, now }, at) => this.#rowOf(key, now, BigInt(from + at)));
    if (from + rows.length >= keys.length) deliveries.push(this.#endOf(table, BigInt(keys.length)));
    this.#nextRow.set(table, from + deliveries.length);
    this.#chunks.set(table, { table, after: this.#log.insertLsn(this.#epoch), notBefore, deliveries });
    return this.poll();
  }

  #rowOf(key: Key, { seq, row }: RowVersion, offset: bigint): Delivery {
    const version = snapshotVersion(this.#epoch.number);
    const position = { partition: snapshotPartition(key.table), offset };
    this.#log.observer.delivers(key, version, position, { lo: seq, hi: seq });
    const receivedAt = START_OF_TIME + this.#log.scheduler.now;
    const rest = { position, endsPosition: true, receivedAt, bytes: 100 };
    if (row === undefined) return { ...rest, event: { kind: 'nothing', reason: 'heartbeat' } };
    const head = { table: key.table, key: key.rowKey, version, committedAt: receivedAt };
    if (row.poison === 'decode') return { ...rest, event: garbled(head) };
    const event: ChangeEvent = { kind: 'row-upserted', ...head, snapshot: true, row: toRow(row, key.number, false) };
    return { ...rest, event };
  }

  #endOf(table: TableId, offset: bigint): Delivery {
    const receivedAt = START_OF_TIME + this.#log.scheduler.now;
    const event: ChangeEvent = { kind: 'snapshot-finished', table, epoch: this.#epoch.number, committedAt: receivedAt };
    return {
      position: { partition: snapshotPartition(table), offset },
      endsPosition: true,
      event,
      receivedAt,
      bytes: 100,
    };
  }

  #fromChunk(chunk: Chunk): Delivery | undefined {
    const delivery = chunk.deliveries.shift();
    if (chunk.deliveries.length === 0) this.#chunks.delete(chunk.table);
    return delivery;
  }
}

const snapshotPartition = (table: TableId): PartitionId => partitionId(`snapshot of ${table}`);

function lsnOf(transaction: number, epoch: Epoch): bigint {
  return BigInt((transaction + 1) * BYTES_BETWEEN_COMMITS - epoch.lsnShift);
}

function truncated(
  { table }: Operation & { readonly kind: 'truncate' },
  offset: bigint,
  epoch: Epoch,
  committedAt: number,
): ChangeEvent & { readonly kind: 'table-truncated' } {
  return { kind: 'table-truncated', table, epoch: epoch.number, sourcePosition: sourcePosition(offset), committedAt };
}

/** The last change per row, in windows of a fixed count; a truncate closes the window and has its own. */
function fold(transaction: Transaction): readonly Change[] {
  const windows: Operation[][] = [];
  let open: Operation[] = [];
  const close = (): void => {
    if (open.length > 0) windows.push(open);
    open = [];
  };
  for (const operation of transaction.operations) {
    if (operation.kind === 'truncate') {
      close();
      windows.push([operation]);
      continue;
    }
    const replaced = open.find((other) => other.kind === 'row' && other.key === operation.key);
    // Folding keeps the text an earlier change of the same window brought along.
    const knowsText = replaced?.kind === 'row' && replaced.version.row !== undefined && !replaced.withoutText;
    open = [
      ...open.filter((other) => other !== replaced),
      knowsText ? { ...operation, withoutText: false } : operation,
    ];
    if (open.length === WINDOW) close();
  }
  close();
  return windows.flatMap((operations, window) =>
    operations.map((operation, at) => ({ window, operation, endsWindow: at === operations.length - 1 })),
  );
}
