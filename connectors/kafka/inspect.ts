import { createKafka } from './client/kafka.ts';
import { partitionKey } from './client/client.ts';
import type { KafkaConnection } from './client/connection.ts';
import { asFreshetError } from './client/errors.ts';
import { KafkaLogReader } from './client/log-reader.ts';
import { incompleteTopics } from './identify.ts';
import { matchingTopics } from './topics.ts';

/** What a cluster says of a source, for `freshet doctor`. */
export interface KafkaFindings {
  /** Topics that are read, with their partitions. */
  readonly topics: ReadonlyMap<string, number>;
  /** Names that no topic has. */
  readonly missing: readonly string[];
  /** Topics whose first records were removed by age or size. */
  readonly cut: readonly string[];
  /** Records that the group has not committed; undefined before it committed any. */
  readonly lag: bigint | undefined;
  readonly members: number;
  /** Time of the newest record of those heartbeat topics that tell how far the database is read; undefined where there is none. */
  readonly heartbeatAt: number | undefined;
}

/** Only looks. @throws transient KAFKA_UNAVAILABLE, fatal KAFKA_ACCESS_DENIED */
export async function inspectKafka(
  connection: KafkaConnection,
  wanted: {
    readonly topics: readonly (string | RegExp)[];
    readonly heartbeatTopics: readonly string[];
    readonly groupId: string;
  },
): Promise<KafkaFindings> {
  const log = new KafkaLogReader(connection, () => undefined);
  try {
    const { topics: there } = await log.cluster();
    const names = matchingTopics(wanted.topics, there.keys());
    const [cut, ends, committed, members] = await Promise.all([
      incompleteTopics(log, names, wanted.heartbeatTopics),
      log.offsets(names, 'end'),
      log.committed(wanted.groupId, names),
      membersOf(connection, wanted.groupId),
    ]);
    const lags = [...committed].map(([key, next]) => (ends.get(key) ?? next) - next);
    return {
      topics: new Map(names.map((name) => [name, there.get(name) ?? 0])),
      missing: wanted.topics.filter((topic) => typeof topic === 'string' && !there.has(topic)).map(String),
      cut: [...cut.keys()],
      lag: lags.length === 0 ? undefined : lags.reduce((sum, lag) => sum + lag, 0n),
      members,
      heartbeatAt: await newestRecordAt(
        log,
        wanted.heartbeatTopics.filter((topic) => there.has(topic) && provesTime(topic)),
      ),
    };
  } finally {
    await log.close();
  }
}

/** Debezium's own heartbeats bear the connector's clock: they say that it lives, not how far behind it is. */
const provesTime = (topic: string): boolean => !topic.startsWith('__debezium-heartbeat');

async function newestRecordAt(log: KafkaLogReader, topics: readonly string[]): Promise<number | undefined> {
  const times: number[] = [];
  for (const [key, end] of await log.offsets(topics, 'end')) {
    const slash = key.lastIndexOf('/');
    const where = { topic: key.slice(0, slash), partition: Number(key.slice(slash + 1)) };
    if (end === 0n || partitionKey(where) !== key) continue;
    const { records } = await log.fetch({ ...where, offset: end - 1n });
    times.push(...records.map(({ timestamp }) => timestamp));
  }
  return times.length === 0 ? undefined : Math.max(...times);
}

async function membersOf(connection: KafkaConnection, groupId: string): Promise<number> {
  const admin = createKafka(connection, () => undefined, 'lookup').admin();
  try {
    await admin.connect();
    const { groups } = await admin.describeGroups([groupId]);
    return groups[0]?.members.length ?? 0;
  } catch (error) {
    throw asFreshetError(error, `describe the consumer group ${groupId}`);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
