import type { ChangeEvent, Delivery } from '../../src/domain/change.ts';
import type { TableId } from '../../src/domain/ids.ts';
import { sourcePosition } from '../../src/domain/source-position.ts';
import { makeVersion, snapshotVersion } from '../../src/domain/version.ts';
import type { Key, RowVersion, Transaction } from './history.ts';
import { garbled } from './kafka-log.ts';
import type { PostgresLog } from './postgres-log.ts';
import type { Random } from './random.ts';
import { toRow } from './rows.ts';
import { START_OF_TIME } from './scheduler.ts';
import { fold, lsnOf, snapshotPartition, STREAM, truncated, type Change, type Epoch } from './wal.ts';
import type { ProcessHandle } from './world.ts';

const ROWS_TO_A_CHUNK = 2;

/** Rows read by SELECT, held back until the stream's mark passed what the server had reached when they were read. */
interface Chunk {
  readonly table: TableId;
  readonly after: bigint;
  /** Virtual time. */
  readonly notBefore: number;
  readonly deliveries: Delivery[];
}

/** One process's replication connection and its snapshot reads. */
export class Reader {
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
