import type { FreshetError } from '../../../src/domain/errors.ts';
import type { KafkaRecord } from '../record.ts';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface TopicOffset extends TopicPartition {
  readonly offset: bigint;
}

/** `topic/partition`: a topic's name has no slash. */
export const partitionKey = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

/** Offsets by {@link partitionKey}. */
export type Offsets = ReadonlyMap<string, bigint>;

/**
 * The log without a group: looks, and reads single records, without moving anything.
 * Errors: `transient` while brokers are away, `fatal` where access is denied. A topic that is not there is absent from the answer.
 */
export interface LogReader {
  /** The cluster's id, and every topic with its number of partitions. */
  cluster(): Promise<{ readonly id: string; readonly topics: ReadonlyMap<string, number> }>;
  /** `end` is the offset the next record gets (high watermark); with a timestamp, the first record at or after it, else the end. */
  offsets(topics: readonly string[], at: 'earliest' | 'end' | { readonly timestamp: number }): Promise<Offsets>;
  /** What the group committed: the next offset to read. A partition without one is absent. */
  committed(groupId: string, topics: readonly string[]): Promise<Offsets>;
  /**
   * Records from an offset on, as many as one fetch brings, none of an aborted transaction. `next` is where to go on; equal to `offset` at
   * the end.
   * @param how `batch`: no more than the batch of that offset, if it is there
   */
  fetch(at: TopicOffset, how?: 'batch'): Promise<{ readonly records: readonly KafkaRecord[]; readonly next: bigint }>;
  /** Those of the topics that keep the last record of every key for ever. */
  compacted(topics: readonly string[]): Promise<ReadonlySet<string>>;
}

/** What one fetch brought of one partition. */
export interface FetchedBatch extends TopicPartition {
  readonly records: readonly KafkaRecord[];
  /** The offset that was asked for. Another than expected: the client jumped. Undefined where records were filtered and it is not told. */
  readonly askedFor: bigint | undefined;
  /** Where to go on: past the last record, transaction marker or removed record of the batch. */
  readonly next: bigint;
}

/**
 * What happens to a member of the group, in this order: `assigned`, any number of `records`, then `revoking` or `lost`; and again.
 * Everything but `revoking` returns at once.
 */
export interface MemberListener {
  /** Nothing is fetched before {@link GroupMember.start}. */
  assigned(partitions: readonly TopicPartition[]): void;
  records(batch: FetchedBatch): void;
  /** The group rebalances. All partitions are given up once it resolved or the deadline fired, whichever is first; until then commits are taken. */
  revoking(deadline: AbortSignal): Promise<void>;
  /** All partitions are another's already. */
  lost(): void;
  /** Somebody in the group reads topics this member does not know yet. */
  topicsChanged(): void;
  /** The member is of no use any more. `transient`: make a new one. Partitions it had are lost. */
  ended(error: FreshetError): void;
}

export interface GroupMember {
  start(at: readonly TopicOffset[]): void;
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  /** The next offsets to read. `lost` when the group no longer knows this member's generation: nothing was committed. */
  commit(offsets: readonly TopicOffset[]): Promise<'committed' | 'lost'>;
  /** Commits nothing, calls nobody. Bounded in time. */
  leave(): Promise<void>;
}

/** kafkajs 2.2.4 behind what Freshet needs of it; the fast tests run the source on a small log in memory instead. */
export interface KafkaClient extends AsyncDisposable {
  readonly log: LogReader;
  join(groupId: string, topics: readonly string[], listener: MemberListener): Promise<GroupMember>;
}
