import type { ChangeEvent, Delivery, Position, RowChange } from '../../src/domain/change.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import { partitionId, type PartitionId, type TableId } from '../../src/domain/ids.ts';
import { sourcePosition } from '../../src/domain/source-position.ts';
import { makeVersion } from '../../src/domain/version.ts';
import type { Source } from '../../src/ports/source.ts';
import { Group } from './group.ts';
import { GroupMember, type GroupLog } from './group-member.ts';
import { versionAfter, type History, type Key, type Operation, type RowVersion } from './history.ts';
import type { Random } from './random.ts';
import { toRow } from './rows.ts';
import { START_OF_TIME, type Scheduler } from './scheduler.ts';
import { simSource } from './sim-source.ts';
import { Violation, type ProcessHandle, type SimLog, type Span } from './world.ts';

/** What Connect writes: changes, re-sends of changes, reads, and records that say nothing. */
interface Entry {
  readonly key: Key | undefined;
  readonly table: TableId | undefined;
  readonly span: Span;
  /** Of the transaction the database had reached when this was written. */
  readonly transaction: number;
  /** @param isMended what is garbled can be decoded */
  readonly event: (version: ReturnType<typeof makeVersion>, isMended?: boolean) => ChangeEvent;
}

export interface KafkaOptions {
  readonly partitions: number;
  readonly resends: boolean;
  readonly reads: boolean;
  /** Its partitions are shared out among the processes by a coordinator, instead of given to each for good. */
  readonly group: boolean;
}

/**
 * Debezium through Kafka: versions are offsets in the row's partition; a truncate lands on one partition only; after a crash Connect sends
 * old records again under higher offsets; incremental snapshots read rows without a source position.
 */
export class KafkaLog implements SimLog {
  readonly partitions: readonly PartitionId[];
  readonly #history: History;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #observer: LogObserver;
  readonly #entries: readonly Entry[];
  readonly #logs = new Map<PartitionId, Entry[]>();
  readonly #committed = new Map<PartitionId, number>();
  readonly #operations = new Map<string, number>();
  readonly #snapshotEnd: number;
  readonly group: Group | undefined;
  readonly #members = new Map<ProcessHandle, GroupMember>();
  readonly #onFailure: (error: unknown) => void;
  #produced = 0;
  /** The database is as it was after this transaction; a re-send does not take it back. */
  #transaction = -1;
  #arrived: (() => void)[] = [];

  constructor(
    history: History,
    deps: { scheduler: Scheduler; random: Random; observer: LogObserver; onFailure: (error: unknown) => void },
    options: KafkaOptions,
  ) {
    this.#history = history;
    this.#scheduler = deps.scheduler;
    this.#random = deps.random;
    this.#observer = deps.observer;
    this.partitions = Array.from({ length: options.partitions }, (_, n) => partitionId(`topic-${n}`));
    for (const partition of this.partitions) {
      this.#logs.set(partition, []);
      this.#committed.set(partition, -1);
    }
    this.#onFailure = deps.onFailure;
    this.group = options.group ? new Group(this.#scheduler, this.#random.fork(), this.partitions) : undefined;
    this.#entries = this.#write(options);
    this.#snapshotEnd = this.#entries.findLastIndex((entry) => entry.span.lo === 0 && entry.key !== undefined);
  }

  /** The whole log, in the order it is produced. */
  #write(options: KafkaOptions): readonly Entry[] {
    const random = this.#random.fork();
    const entries: Entry[] = [];
    const changes: Entry[] = [];
    const unread = this.#history.keys.filter((key) => versionAfter(this.#history, key.number, -1).row !== undefined);
    const readRow = (key: Key, transaction: number, isSnapshot: boolean): void => {
      const version = versionAfter(this.#history, key.number, transaction);
      if (version.row !== undefined) entries.push(readEntry(key, version, transaction, isSnapshot));
    };
    let lsn = 100;
    let lastCommit = 100;
    for (const transaction of this.#history.transactions) {
      const { index } = transaction;
      if (options.resends && changes.length > 0 && random.chance(0.12)) entries.push(...resent(changes, random));
      if (options.reads && random.chance(0.12)) {
        const key = random.pick(this.#history.keys);
        if (!unread.includes(key)) readRow(key, index - 1, false);
      }
      if (unread.length > 0 && random.chance(0.4)) readRow(unread.shift() as Key, index - 1, true);
      for (const operation of transaction.operations) {
        lsn += 10;
        const position = sourcePosition(BigInt(lastCommit), BigInt(lsn));
        this.#operations.set(position, operation.number);
        const entry = changeEntry(operation, position, START_OF_TIME + transaction.committedAt, index);
        changes.push(entry);
        entries.push(entry);
        if (operation.kind === 'row' && operation.version.row === undefined)
          entries.push(tombstone(operation.key, index));
      }
      lastCommit = lsn += 10;
    }
    for (const key of unread) readRow(key, this.#history.transactions.length - 1, true);
    return entries;
  }

  produce(): boolean {
    const entry = this.#entries[this.#produced];
    if (entry === undefined) return false;
    this.#produced++;
    this.#transaction = Math.max(this.#transaction, entry.transaction);
    const partition = this.#partitionOf(entry);
    const log = this.#logs.get(partition) as Entry[];
    log.push(entry);
    const what = entry.event(makeVersion(0, 0)).kind;
    this.#scheduler.log(
      `LOG ${partition}@${log.length - 1} ${what} row ${entry.key?.number ?? '-'} seq ${entry.span.lo}…${entry.span.hi}`,
    );
    const arrived = this.#arrived;
    this.#arrived = [];
    for (const wake of arrived) wake();
    return true;
  }

  #partitionOf({ key }: Entry): PartitionId {
    return this.partitions[(key?.number ?? 0) % this.partitions.length] as PartitionId;
  }

  open(process: ProcessHandle, partitions: readonly PartitionId[]): Source {
    if (this.group !== undefined) return this.#join(process, this.group);
    const random = this.#random.fork();
    const next = new Map(partitions.map((partition) => [partition, (this.#committed.get(partition) ?? -1) + 1]));
    const poll = (): Delivery | undefined => {
      const ready = partitions.filter(
        (partition) => (next.get(partition) ?? 0) < (this.#logs.get(partition)?.length ?? 0),
      );
      if (ready.length === 0) return undefined;
      const partition = random.pick(ready);
      const offset = next.get(partition) ?? 0;
      next.set(partition, offset + 1);
      return this.#deliver(partition, offset);
    };
    return simSource({
      process,
      scheduler: this.#scheduler,
      poll: () => Promise.resolve(poll()),
      arrival: () => new Promise((resolve) => this.#arrived.push(resolve)),
      committed: (partition, offset) => this.#commit(partition, Number(offset)),
    });
  }

  #join(process: ProcessHandle, group: Group): Source {
    const log: GroupLog = {
      end: (partition) => this.#logs.get(partition)?.length ?? 0,
      committed: (partition) => this.#committed.get(partition) ?? -1,
      deliver: (partition, offset) => this.#deliver(partition, offset),
      commit: (partition, offset) => this.#store(partition, offset),
      arrival: () => new Promise((resolve) => this.#arrived.push(resolve)),
    };
    const shared = { scheduler: this.#scheduler, random: this.#random.fork(), onFailure: this.#onFailure };
    const member = new GroupMember({ process, group, log, ...shared });
    this.#members.set(process, member);
    return member.source;
  }

  /** The coordinator hears no more of it. */
  expire(process: ProcessHandle): void {
    const member = this.#members.get(process);
    if (member !== undefined) this.group?.remove(member);
  }

  /** It is gone for good. */
  leave(process: ProcessHandle): void {
    this.expire(process);
    this.#members.delete(process);
  }

  isCommitted({ partition, offset }: Position): boolean {
    return (this.#committed.get(partition) ?? -1) >= Number(offset);
  }

  record({ partition, offset }: Position, isMended: boolean): Delivery | undefined {
    const entry = this.#logs.get(partition)?.[Number(offset)];
    return entry && this.#delivery(partition, Number(offset), isMended);
  }

  #deliver(partition: PartitionId, offset: number): Delivery {
    const entry = this.#logs.get(partition)?.[offset] as Entry;
    const delivery = this.#delivery(partition, offset, false);
    const version = makeVersion(0, offset);
    if (entry.key !== undefined) this.#observer.delivers(entry.key, version, delivery.position, entry.span);
    return delivery;
  }

  #delivery(partition: PartitionId, offset: number, isMended: boolean): Delivery {
    const entry = this.#logs.get(partition)?.[offset] as Entry;
    const event = entry.event(makeVersion(0, offset), isMended);
    const position = { partition, offset: BigInt(offset) };
    return { position, endsPosition: true, event, receivedAt: START_OF_TIME + this.#scheduler.now, bytes: 100 };
  }

  #commit(partition: PartitionId, offset: number): void {
    if (offset > (this.#committed.get(partition) ?? -1)) this.#store(partition, offset);
  }

  #store(partition: PartitionId, offset: number): void {
    this.#committed.set(partition, offset);
    this.#scheduler.log(`COMMIT ${partition}@${offset}`);
    for (const [at, entry] of (this.#logs.get(partition) ?? []).slice(0, offset + 1).entries()) {
      const event = entry.event(makeVersion(0, at));
      if (event.kind === 'table-truncated') this.#observer.mustBeTruncated(event, `${partition}@${at}`);
      else if (entry.key !== undefined) this.#observer.mustBeDurable(entry.key, entry.span.lo, `${partition}@${at}`);
    }
  }

  get drained(): boolean {
    return (
      this.#produced === this.#entries.length &&
      this.partitions.every(
        (partition) => (this.#committed.get(partition) ?? -1) + 1 === this.#logs.get(partition)?.length,
      )
    );
  }

  get snapshotsFinished(): boolean {
    if (this.#snapshotEnd < 0) return true;
    if (this.#produced <= this.#snapshotEnd) return false;
    return this.partitions.every((partition) => {
      const last =
        this.#logs.get(partition)?.findLastIndex((entry) => entry.key !== undefined && entry.span.lo === 0) ?? -1;
      return (this.#committed.get(partition) ?? -1) >= last;
    });
  }

  rewind(partitions: readonly PartitionId[]): void {
    for (const partition of partitions) this.#committed.set(partition, -1);
  }

  current(key: number): RowVersion {
    return versionAfter(this.#history, key, this.#transaction);
  }

  operationOf({ sourcePosition: position }: { sourcePosition: string }): number {
    const operation = this.#operations.get(position);
    if (operation === undefined) throw new Violation('2', `the index holds a position no change had: ${position}`);
    return operation;
  }
}

/** Told what happens in the log, to keep and check the truth. */
export interface LogObserver {
  delivers(key: Key, version: ReturnType<typeof makeVersion>, position: Delivery['position'], span: Span): void;
  mustBeDurable(key: Key, seq: number, where: string): void;
  mustBeTruncated(event: ChangeEvent & { readonly kind: 'table-truncated' }, where: string): void;
}

function readEntry(key: Key, { seq, row }: RowVersion, transaction: number, isSnapshot: boolean): Entry {
  const committedAt = START_OF_TIME + 1_000 + transaction * 5;
  const poison = row?.poison === 'decode';
  return {
    ...{ key, table: key.table, transaction },
    span: { lo: isSnapshot ? 0 : seq, hi: seq },
    event: (version, isMended) => {
      const head = { table: key.table, key: key.rowKey, version, committedAt };
      if (row === undefined || (poison && isMended !== true)) return garbled(head);
      return { kind: 'row-upserted', ...head, row: toRow(row, key.number, false), snapshot: isSnapshot };
    },
  };
}

/** A record of which only the coordinates can be read. */
export function garbled(
  head: Pick<RowChange, 'table' | 'key' | 'version' | 'sourcePosition' | 'committedAt'>,
): ChangeEvent {
  const error = new FreshetError('SIM_GARBLED', 'poison', 'The record cannot be decoded, as the row asked for.');
  return { kind: 'undecodable', ...head, error };
}

function changeEntry(
  operation: Operation,
  position: ReturnType<typeof sourcePosition>,
  committedAt: number,
  transaction: number,
): Entry {
  if (operation.kind === 'truncate') {
    const { table } = operation;
    const event = { kind: 'table-truncated', table, epoch: 0, sourcePosition: position, committedAt } as const;
    return { key: undefined, table, transaction, span: { lo: 0, hi: 0 }, event: () => event };
  }
  const {
    key,
    version: { row, seq },
    withoutText,
  } = operation;
  const head = { table: key.table, key: key.rowKey, sourcePosition: position, committedAt };
  return {
    ...{ key, table: key.table, transaction, span: { lo: seq, hi: seq } },
    event: (version, isMended) => {
      if (row === undefined) return { kind: 'row-deleted', ...head, version };
      if (row.poison === 'decode' && isMended !== true) return garbled({ ...head, version });
      return { kind: 'row-upserted', ...head, version, row: toRow(row, key.number, withoutText), snapshot: false };
    },
  };
}

/** A run of old changes again, from some point to the end or to somewhere before it. */
function resent(changes: readonly Entry[], random: Random): readonly Entry[] {
  const from = random.chance(0.5) ? random.int(changes.length) : Math.max(0, changes.length - 1 - random.int(5));
  if (random.chance(0.7)) return changes.slice(from);
  return [...changes.slice(from, from + 1 + random.int(changes.length - from)), ...changes.slice(from)];
}

function tombstone(key: Key, transaction: number): Entry {
  const event: ChangeEvent = { kind: 'nothing', reason: 'tombstone' };
  return { key: undefined, table: key.table, transaction, span: { lo: 0, hi: 0 }, event: () => event };
}
