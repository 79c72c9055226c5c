import kafkajs, { type Admin, type Kafka, type Producer } from 'kafkajs';
import { FreshetError } from '../../../src/domain/errors.ts';
import type { LogReader } from '../client/client.ts';
import { asFreshetError, nameOf } from '../client/errors.ts';
import type { KafkaRecord } from '../record.ts';
import type { LetterLog, LetterOffsets, StoredLetterRecord } from './letter-log.ts';

const ALL_IN_SYNC = -1;
const { ConfigResourceTypes } = kafkajs;

export interface TopicLogOptions {
  readonly kafka: Kafka;
  readonly reader: Pick<LogReader, 'offsets' | 'fetch'>;
  readonly topic: string;
  /** Of a topic that is made; one that is there stays as it is. */
  readonly partitions: number;
  /** Undefined: the cluster's own default. */
  readonly replicas?: number;
}

/** Makes the topic where it is missing, and refuses one that would forget letters by age. */
export async function openTopicLog(options: TopicLogOptions): Promise<LetterLog> {
  const { kafka, reader, topic } = options;
  const admin = kafka.admin();
  try {
    await admin.connect();
    await makeTopic(admin, options);
    await checkPolicy(admin, topic);
  } catch (error) {
    throw asFreshetError(error, `prepare the topic of dead letters, ${topic}`);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
  // Connects when the first letter is written, which on most days is never.
  const producer = kafka.producer({
    allowAutoTopicCreation: false,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  });
  let connecting: Promise<void> | undefined;
  const connected = async (): Promise<Producer> => {
    connecting ??= producer.connect().catch((error: unknown) => {
      connecting = undefined;
      throw error;
    });
    await connecting;
    return producer;
  };

  const ends = async (): Promise<LetterOffsets> => byPartition(await reader.offsets([topic], 'end'));

  return {
    async append(records) {
      const messages = records.map(({ key, value, headers }) => ({
        key,
        value: value ?? null,
        headers: { ...headers },
      }));
      try {
        await (await connected()).send({ topic, acks: ALL_IN_SYNC, messages });
      } catch (error) {
        throw asFreshetError(error, `take dead letters into topic ${topic}`);
      }
      return ends();
    },
    starts: async () => byPartition(await reader.offsets([topic], 'earliest')),
    ends,
    async read(partition, offset) {
      const { records, next } = await reader.fetch({ topic, partition, offset });
      return { records: records.map(toLetterRecord), next };
    },
    [Symbol.asyncDispose]: () => producer.disconnect().catch(() => undefined),
  };
}

async function makeTopic(admin: Admin, { topic, partitions, replicas }: TopicLogOptions): Promise<void> {
  if ((await admin.listTopics()).includes(topic)) return;
  try {
    await admin.createTopics({
      topics: [
        {
          topic,
          numPartitions: partitions,
          replicationFactor: replicas ?? -1,
          configEntries: [{ name: 'cleanup.policy', value: 'compact' }],
        },
      ],
    });
  } catch (error) {
    if (!/AUTHORIZATION_FAILED$/.test(nameOf(error))) throw error;
    throw new FreshetError(
      'DEAD_LETTERS_TOPIC',
      'fatal',
      `The topic of dead letters, ${topic}, is not there and this user may not make it. Make it with cleanup.policy=compact.`,
      { details: { topic } },
    );
  }
}

/** A topic with a retention time would lose letters. Not everybody may read configurations: then it is taken at its word. */
async function checkPolicy(admin: Admin, topic: string): Promise<void> {
  let policy: string | undefined;
  try {
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['cleanup.policy'] };
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] });
    policy = resources[0]?.configEntries[0]?.configValue;
  } catch (error) {
    if (!/AUTHORIZATION_FAILED$/.test(nameOf(error))) throw error;
  }
  if (policy === undefined || policy === 'compact') return;
  throw new FreshetError(
    'DEAD_LETTERS_TOPIC',
    'fatal',
    `Topic ${topic} forgets records by age (cleanup.policy is "${policy}"), and a dead letter must stay until it is resolved. Set cleanup.policy=compact on it.`,
    { details: { topic } },
  );
}

/** Of `topic/partition`, as the reader names them. */
function byPartition(offsets: ReadonlyMap<string, bigint>): LetterOffsets {
  return new Map([...offsets].map(([key, offset]) => [Number(key.slice(key.lastIndexOf('/') + 1)), offset]));
}

const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');

function toLetterRecord({ partition, offset, key, value, headers }: KafkaRecord): StoredLetterRecord {
  return {
    partition,
    offset,
    key: key === null ? '' : textOf(key),
    value: value === null ? undefined : textOf(value),
    headers: Object.fromEntries(
      Object.entries(headers).flatMap(([name, header]) => {
        const last = Array.isArray(header) ? header.at(-1) : header;
        if (last === undefined) return [];
        return [[name, typeof last === 'string' ? last : textOf(last as Uint8Array)]];
      }),
    ),
  };
}
