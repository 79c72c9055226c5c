import kafkajs, {
  type Broker,
  type BrokerMetadata,
  type Cluster,
  type Consumer,
  type PartitionAssigner,
} from 'kafkajs';
import type { LogReader, Offsets, TopicOffset } from './client.ts';
import { partitionKey } from './client.ts';
import type { KafkaConnection } from './connection.ts';
import { asFreshetError, nameOf } from './errors.ts';
import { createKafka } from './kafka.ts';
import type { ClientLog } from './log.ts';
import { committedOnly, toRecord, type AbortedTransaction, type RawMessage } from './records.ts';

const FETCH_BYTES = 1024 * 1024;
const READ_COMMITTED = 1;
/** New partitions and moved leaders are known after at most this long. */
const METADATA_MS = 2_000;
const { ConfigResourceTypes } = kafkajs;

type Metadata = BrokerMetadata & { readonly clusterId: string };

interface Handle {
  readonly consumer: Consumer;
  readonly cluster: Cluster;
}

interface FetchedPartition {
  readonly messages: readonly RawMessage[];
  readonly abortedTransactions: readonly AbortedTransaction[] | null;
}

/**
 * kafkajs reads records only as a member of a group, but hands its cluster to every partition assigner it is given, a public part of its
 * interface: a consumer that never joins, and whose assigner only takes that, can list offsets and fetch.
 * After any failure the connection is made anew: metadata of a topic that was deleted meanwhile would fail every later call.
 */
export class KafkaLogReader implements LogReader {
  readonly #connection: KafkaConnection;
  readonly #onLog: (entry: ClientLog) => void;
  #handle: Promise<Handle> | undefined;

  constructor(connection: KafkaConnection, onLog: (entry: ClientLog) => void) {
    this.#connection = connection;
    this.#onLog = onLog;
  }

  cluster(): Promise<{ readonly id: string; readonly topics: ReadonlyMap<string, number> }> {
    return this.#with('describe the cluster', async ({ cluster }) => {
      const { clusterId, topicMetadata } = (await cluster.metadata()) as Metadata;
      return {
        id: clusterId,
        topics: new Map(topicMetadata.map(({ topic, partitionMetadata }) => [topic, partitionMetadata.length])),
      };
    });
  }

  offsets(topics: readonly string[], at: 'earliest' | 'end' | { readonly timestamp: number }): Promise<Offsets> {
    return this.#with('list the offsets of its topics', async (handle) => {
      const { cluster } = handle;
      const known = await this.#partitions(cluster, topics);
      const which = typeof at === 'object' ? { fromTimestamp: at.timestamp } : { fromBeginning: at === 'earliest' };
      const ask = [...known].map(([topic, partitions]) => ({ topic, partitions, ...which }));
      const found = new Map<string, bigint>();
      for (const { topic, partitions } of await cluster.fetchTopicsOffset(ask)) {
        for (const { partition, offset } of partitions) found.set(partitionKey({ topic, partition }), BigInt(offset));
      }
      // No record at or after the time: -1, which kafkajs passes on.
      if (![...found.values()].some((offset) => offset < 0n)) return found;
      const ends = await cluster.fetchTopicsOffset(
        ask.map(({ topic, partitions }) => ({ topic, partitions, fromBeginning: false })),
      );
      for (const { topic, partitions } of ends) {
        for (const { partition, offset } of partitions) {
          const key = partitionKey({ topic, partition });
          if ((found.get(key) ?? -1n) < 0n) found.set(key, BigInt(offset));
        }
      }
      return found;
    });
  }

  committed(groupId: string, topics: readonly string[]): Promise<Offsets> {
    return this.#with('tell the offsets of the consumer group', async ({ cluster }) => {
      const known = await this.#partitions(cluster, topics);
      const coordinator = await cluster.findGroupCoordinator({ groupId });
      const asked = [...known].map(([topic, partitions]) => ({
        topic,
        partitions: partitions.map(({ partition }) => ({ partition, offset: '-1' })),
      }));
      const { responses } = await coordinator.offsetFetch({ groupId, topics: asked });
      const found = new Map<string, bigint>();
      for (const { topic, partitions } of responses) {
        for (const { partition, offset } of partitions) {
          if (BigInt(offset) >= 0n) found.set(partitionKey({ topic, partition }), BigInt(offset));
        }
      }
      return found;
    });
  }

  fetch({ topic, partition, offset }: TopicOffset, how?: 'batch'): ReturnType<LogReader['fetch']> {
    // A broker answers with one batch at least, however large it is.
    const maxBytes = how === 'batch' ? 1 : FETCH_BYTES;
    return this.#with('fetch records', async ({ cluster }) => {
      await this.#partitions(cluster, [topic]);
      const leader = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))[0];
      if (leader === undefined) return { records: [], next: offset };
      const broker: Broker = await cluster.findBroker({ nodeId: leader });
      const answer = (await broker.fetch({
        maxWaitTime: 100,
        minBytes: 1,
        maxBytes,
        isolationLevel: READ_COMMITTED,
        topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes }] }],
      })) as { readonly responses: readonly { readonly partitions: readonly FetchedPartition[] }[] };
      const fetched = answer.responses[0]?.partitions[0];
      const messages = fetched?.messages ?? [];
      const last = messages.at(-1);
      return {
        // A batch is fetched whole, from its first record on.
        records: committedOnly(messages, fetched?.abortedTransactions)
          .map((message) => toRecord(topic, partition, message))
          .filter((record) => record.offset >= offset),
        // Compaction may have removed the end of a batch: then what is left of it lies below.
        next: last === undefined ? offset : larger(BigInt(last.offset), offset) + 1n,
      };
    });
  }

  async compacted(topics: readonly string[]): Promise<ReadonlySet<string>> {
    const admin = createKafka(this.#connection, this.#onLog, 'lookup').admin();
    try {
      await admin.connect();
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: topics.map((name) => ({
          type: ConfigResourceTypes.TOPIC,
          name,
          configNames: ['cleanup.policy'],
        })),
      });
      const isCompacted = (value: string): boolean => value === 'compact';
      return new Set(
        resources
          .filter(({ configEntries }) => configEntries.some(({ configValue }) => isCompacted(configValue)))
          .map(({ resourceName }) => resourceName),
      );
    } catch (error) {
      // Not everybody may read configurations. What is not known to be compacted is judged by its first offset.
      if (/AUTHORIZATION_FAILED$/.test(nameOf(error))) return new Set();
      throw asFreshetError(error, 'describe its topics');
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.then(({ consumer }) => consumer.disconnect()).catch(() => undefined);
  }

  /** Those of the topics that exist, with their partitions. */
  async #partitions(
    cluster: Cluster,
    topics: readonly string[],
  ): Promise<ReadonlyMap<string, { readonly partition: number }[]>> {
    await cluster.addMultipleTargetTopics([...topics]);
    await cluster.refreshMetadataIfNecessary();
    return new Map(
      topics.flatMap((topic) => {
        const partitions = cluster.findTopicPartitionMetadata(topic);
        if (partitions.length === 0) return [];
        return [[topic, partitions.map(({ partitionId }) => ({ partition: partitionId }))] as const];
      }),
    );
  }

  async #with<T>(what: string, work: (handle: Handle) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const opening = (this.#handle ??= this.#open());
      try {
        return await work(await opening);
      } catch (error) {
        if (this.#handle === opening) this.#handle = undefined;
        void opening.then(({ consumer }) => consumer.disconnect()).catch(() => undefined);
        const mapped = asFreshetError(error, what);
        // Once more with what a new connection learns: a leader may have moved, a topic be gone.
        if (attempt === 2 || mapped.kind !== 'transient') throw mapped;
      }
    }
  }

  async #open(): Promise<Handle> {
    let cluster: Cluster | undefined;
    const takeCluster: PartitionAssigner = (config) => {
      cluster = config.cluster;
      return kafkajs.PartitionAssigners.roundRobin(config);
    };
    const consumer = createKafka(this.#connection, this.#onLog, 'lookup').consumer({
      groupId: 'freshet-log-reader-never-joins',
      partitionAssigners: [takeCluster],
      allowAutoTopicCreation: false,
      metadataMaxAge: METADATA_MS,
      // End offsets up to the high watermark, open transactions included. Fetches say for themselves what they want.
      readUncommitted: true,
    });
    await consumer.connect();
    if (cluster === undefined) throw new TypeError('kafkajs made a consumer without asking for its assigner');
    return { consumer, cluster };
  }
}

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
