import { crc32 } from 'node:zlib';
import { partitionId, type PartitionId } from '../../src/domain/ids.ts';
import type { Instant } from '../../src/domain/time.ts';
import { partitionKey, type TopicPartition } from './client/client.ts';
import type { KafkaRecord } from './record.ts';
import type { PartitionState, Witness } from './state.ts';

interface Open {
  readonly offset: bigint;
  /** When it was committed at the source, as far as is known. */
  readonly time: Instant;
  /** Whether everything committed before it lies below it in the partition. */
  readonly isExact: boolean;
  readonly witness: Witness | undefined;
}

/** Every so many records one is remembered, beside those a batch ends with. */
const WITNESS_EVERY = 1_000n;

/** One assigned partition, from its assignment until it is given up. All offsets are of the next record, but for `delivered`. */
export class PartitionProgress implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  readonly key: string;
  readonly id: PartitionId;
  /** Read under settings that others replaced: how far is not saved with the index, see `take-up.ts`. */
  readonly isBorrowed: boolean;
  /** What the buffer holds of it. */
  bufferedBytes = 0;
  /** Taken from the buffer and not delivered yet: it is being decoded. */
  inHand = 0;
  /** The next offset to be fetched. */
  fetched: bigint;
  /** The broker's end offset, as last seen. */
  end: bigint;
  /** What the group committed for it. */
  committed: bigint;
  /** What was settled and is to be saved with the index. */
  settled: bigint;
  isDirty = false;
  /** Commit time of the last settled event that came with one. */
  settledTime: Instant | undefined;
  #delivered: bigint | undefined;
  #open: Open[] = [];
  #first = 0;
  #witness: Witness | undefined;
  readonly #state: PartitionState;

  constructor(
    source: string,
    where: TopicPartition,
    state: PartitionState,
    at: bigint,
    committed: bigint | undefined,
    isBorrowed = false,
  ) {
    this.isBorrowed = isBorrowed;
    this.topic = where.topic;
    this.partition = where.partition;
    this.key = partitionKey(where);
    this.id = partitionId(`${source}/${this.key}`);
    this.fetched = at;
    this.committed = committed ?? -1n;
    this.settled = at;
    this.end = state.end;
    this.#witness = state.witness;
    this.#state = state;
  }

  /**
   * A record is handed to the consumer.
   * @param time a streamed change's commit time: all that was committed before lies below it in this partition
   */
  deliver(record: KafkaRecord, time: Instant | undefined): void {
    const { offset, timestamp } = record;
    this.inHand = 0;
    const remembers = offset % WITNESS_EVERY === 0n || this.#delivered === undefined || offset + 1n === this.fetched;
    this.#delivered = offset;
    this.#open.push({
      offset,
      time: time ?? timestamp,
      isExact: time !== undefined,
      witness: remembers ? witnessOf(record) : undefined,
    });
  }

  /** Everything at or below is durable downstream. False when that was known, or the offset is none that was delivered. */
  settle(offset: bigint): boolean {
    if (this.#delivered === undefined || offset > this.#delivered || offset < this.settled) return false;
    let open = this.#open[this.#first];
    while (open !== undefined && open.offset <= offset) {
      if (open.witness !== undefined) this.#witness = open.witness;
      if (open.isExact) this.settledTime = Math.max(open.time, this.settledTime ?? open.time);
      this.#first += 1;
      open = this.#open[this.#first];
    }
    if (this.#first > 1_024 && this.#first * 2 > this.#open.length) {
      this.#open.splice(0, this.#first);
      this.#first = 0;
    }
    // Everything that was fetched is settled: also the markers and removed records behind the last delivered one.
    this.settled = this.isIdle ? this.fetched : offset + 1n;
    this.isDirty = true;
    return true;
  }

  /** Nothing was delivered and is open, nothing is in between, and nothing waits. */
  get isIdle(): boolean {
    return this.#first === this.#open.length && this.inHand === 0 && this.bufferedBytes === 0;
  }

  /** After a batch without records. */
  skipTo(next: bigint): void {
    if (next > this.fetched) this.fetched = next;
    if (!this.isIdle || this.settled >= this.fetched) return;
    this.settled = this.fetched;
    this.isDirty = true;
  }

  /** Of what was delivered and is not settled. */
  get oldestOpenTime(): Instant | undefined {
    return this.#open[this.#first]?.time;
  }

  get lag(): bigint {
    return this.end > this.settled ? this.end - this.settled : 0n;
  }

  get isFirstCopyIn(): boolean {
    return this.settled >= this.#state.backlog;
  }

  get state(): PartitionState {
    const { cluster, epoch, reading, partitions, backlog } = this.#state;
    const end = this.end > this.fetched ? this.end : this.fetched;
    const witness = this.#witness === undefined ? {} : { witness: this.#witness };
    return { cluster, epoch, reading, partitions, next: this.settled, end, backlog, ...witness };
  }
}

export function witnessOf({ offset, timestamp, key, value }: KafkaRecord): Witness {
  const crc = crc32(value ?? '', crc32(key ?? ''));
  return { offset, timestamp, crc };
}
