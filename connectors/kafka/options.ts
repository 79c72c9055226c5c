import type { TableId } from '../../src/domain/ids.ts';
import type { Observer } from '../../src/observability/events.ts';
import type { Checkpoints } from '../../src/ports/checkpoints.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { KafkaConnection } from './client/connection.ts';
import type { RecordDecoder } from './record.ts';

/**
 * Where a source begins that was never started before. Topics that appear later always begin at `earliest`: nobody could have read them.
 * - `timestamp` in milliseconds: the first record at or after it
 * - `offsets` by `topic/partition`; a partition that is not named begins at `earliest`
 */
export type KafkaStart =
  | 'earliest'
  | 'latest'
  | { readonly timestamp: number }
  | { readonly offsets: Readonly<Record<string, number>> };

export interface KafkaTable {
  readonly id: TableId;
  /** Of everything that shapes its documents (mapping, redaction, chunker, embedder). When it changes, the log is read again from its beginning. */
  readonly fingerprint: string;
}

export interface KafkaLimits {
  /** Read and not taken by the consumer, of all partitions together and of one. Reading pauses above, and goes on below half of it. */
  readonly bufferBytes: number;
  readonly partitionBufferBytes: number;
  /** Of one fetch, per partition and in all; a larger single record is still read. */
  readonly fetchPartitionBytes: number;
  readonly fetchBytes: number;
  /** How long a fetch may wait at the broker for a first record: also what resuming a paused partition costs at most. */
  readonly fetchWaitMs: number;
  /** Without a heartbeat for this long, the group takes a member's partitions away. */
  readonly sessionTimeoutMs: number;
  readonly heartbeatMs: number;
  /** From the start of a rebalance until whoever has not joined again is out. Half of it is for draining what is in flight. */
  readonly rebalanceTimeoutMs: number;
  /** Between looks at end offsets (lag, tokens), and between saves of a partition's mark. */
  readonly sampleMs: number;
  readonly saveMs: number;
  /** Between looks for new topics, partitions and a changed cluster. */
  readonly topicsMs: number;
  /** Leaving the group and closing connections takes no longer than this, whatever the brokers do. */
  readonly closeMs: number;
}

const MiB = 1024 * 1024;

export const DEFAULT_KAFKA_LIMITS: KafkaLimits = {
  bufferBytes: 16 * MiB,
  partitionBufferBytes: 4 * MiB,
  fetchPartitionBytes: 1 * MiB,
  fetchBytes: 8 * MiB,
  fetchWaitMs: 100,
  sessionTimeoutMs: 10_000,
  heartbeatMs: 1_000,
  rebalanceTimeoutMs: 60_000,
  sampleMs: 1_000,
  saveMs: 1_000,
  topicsMs: 10_000,
  closeMs: 5_000,
};

export interface KafkaSourceOptions {
  readonly name: string;
  readonly connection: KafkaConnection;
  /** One consumer group per index: all instances that feed it share it. */
  readonly groupId: string;
  /** Names and patterns; a pattern is tested against the whole name of a topic. */
  readonly topics: readonly (string | RegExp)[];
  /** Those of the topics that hold no row (heartbeats, messages): nothing is lost with their old records, or with them. */
  readonly rowless?: readonly string[];
  readonly tables: readonly KafkaTable[];
  readonly decoder: RecordDecoder;
  /** Default `earliest`. */
  readonly start?: KafkaStart;
  /**
   * Raised by hand (0, 1, 2, …) once a topic was recreated, got more partitions, or lost records that were not read: reading starts anew, and
   * what the new snapshot does not bring again is hidden. Default 0.
   */
  readonly epoch?: number;
  /** Of the index this source feeds; instances that feed one index share it. */
  readonly checkpoints: Checkpoints;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly limits?: Partial<KafkaLimits>;
  /** In [0, 1), for jitter. */
  readonly random?: () => number;
}
