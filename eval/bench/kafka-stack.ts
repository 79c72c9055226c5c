import kafkajs from 'kafkajs';
import pg from 'pg';
import { startConnect, startKafka, startPostgres } from '../../scripts/stack/index.ts';
import { resultOf, type Compiled } from './compiled.ts';
import type { InstanceOptions, InstanceSays } from './kafka-instance.ts';
import { makeRecord, noteText } from './kafka-records.ts';
import { NOTES, SOURCE_NAME } from './kafka-pipeline.ts';
import { rowDocumentId, rowKey } from '../../src/domain/ids.ts';
import { monotonicMs, sleep } from './statistics.ts';

const { Kafka, logLevel } = kafkajs;
const PARTITIONS = 8;
const QUIET_MS = 60_000;

export interface Broker extends AsyncDisposable {
  readonly brokers: readonly string[];
  readonly client: InstanceType<typeof Kafka>;
}

export async function startBroker(): Promise<Broker> {
  const kafka = await startKafka();
  const client = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING });
  return { brokers: kafka.brokers, client, [Symbol.asyncDispose]: () => kafka[Symbol.asyncDispose]() };
}

/** A process of the group, and what it has said so far. */
interface Instance {
  readonly partitions: () => number;
  readonly stop: () => Promise<void>;
}

function startInstance(
  compiled: Compiled,
  options: {
    readonly brokers: readonly string[];
    readonly topic: string;
    readonly groupId: string;
    readonly engines: InstanceOptions['engines'];
  },
  onVisible: (document: string, at: number) => void,
): Instance {
  const child = compiled.fork([JSON.stringify({ job: 'instance', ...options })]);
  let partitions = 0;
  const over = resultOf<null>(child, (message) => {
    const said = message as InstanceSays;
    if (said.type === 'assigned') partitions = said.partitions;
    else onVisible(said.document, said.at);
  });
  over.catch(() => undefined);
  return {
    partitions: () => partitions,
    async stop() {
      if (child.connected) child.send('stop');
      await over;
    },
  };
}

async function until(holds: () => boolean, what: string): Promise<void> {
  for (const deadline = monotonicMs() + QUIET_MS; !holds(); await sleep(5)) {
    if (monotonicMs() > deadline) throw new Error(`Waited ${QUIET_MS / 1000} s for ${what}.`);
  }
}

/** How long so many instances take for so many documents, from the first record written to the last one visible. */
export async function measureInstances(
  { brokers, client }: Broker,
  compiled: Compiled,
  instances: number,
  documents: number,
): Promise<number> {
  const topic = `bench-${instances}-${Date.now()}.public.notes`;
  const admin = client.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }], waitForLeaders: true });
  await admin.disconnect();
  const seen = new Set<string>();
  let lastAt = 0;
  const options = { brokers, topic, groupId: `group-of-${topic}`, engines: { kind: 'slow' } as const };
  const onVisible = (document: string, at: number): void => {
    seen.add(document);
    lastAt = at;
  };
  const running = Array.from({ length: instances }, () => startInstance(compiled, options, onVisible));
  try {
    const share = PARTITIONS / instances;
    await until(() => running.every((instance) => instance.partitions() === share), 'the group to settle');
    const producer = client.producer();
    await producer.connect();
    const startedAt = monotonicMs();
    const messages = Array.from({ length: documents }, (_, at) => {
      const record = makeRecord({ document: at + 1, revision: 0, changesText: true }, 0n, 0, at + 1);
      return { key: record.key as Buffer, value: record.value as Buffer, partition: at % PARTITIONS };
    });
    for (let at = 0; at < messages.length; at += 500) {
      await producer.send({ topic, messages: messages.slice(at, at + 500) });
    }
    await until(() => seen.size === documents, `${documents} documents`);
    await producer.disconnect();
    return lastAt - startedAt;
  } finally {
    await Promise.all(running.map((instance) => instance.stop()));
  }
}

export interface PathLatencies {
  /** Commit acknowledged at the client → record in the hands of a bare consumer of the same topic. */
  readonly toConsumer: readonly number[];
  readonly toVisible: readonly number[];
}

/** One edit at a time through PostgreSQL, Debezium and Kafka, watched by Freshet and by a consumer that does nothing. */
export async function measurePath(
  broker: Broker,
  compiled: Compiled,
  edits: number,
  perSecond: number,
  indexFile: string,
): Promise<PathLatencies> {
  await using postgres = await startPostgres();
  await using connect = await startConnect({ brokers: broker.brokers });
  const sql = new pg.Client({ connectionString: postgres.url });
  await sql.connect();
  await sql.query(
    'CREATE TABLE notes (id int PRIMARY KEY, title text, body text, updated_at timestamptz DEFAULT now())',
  );
  const documents = Math.min(50, edits);
  for (let id = 1; id <= documents; id += 1)
    await sql.query('INSERT INTO notes VALUES ($1, $2, $3)', [id, 'Note', 'New.']);
  await connect.putConnector('notes', connectorConfig(new URL(postgres.url)));

  const topic = 'bench.public.notes';
  const pending = { consumer: new Map<string, number>(), visible: new Map<string, number>() };
  const took = { toConsumer: [] as number[], toVisible: [] as number[] };
  const arrived = (which: 'consumer' | 'visible', document: string, at: number): void => {
    const committedAt = pending[which].get(document);
    if (committedAt === undefined) return;
    pending[which].delete(document);
    took[which === 'consumer' ? 'toConsumer' : 'toVisible'].push(at - committedAt);
  };
  const copied = new Set<string>();
  const instance = startInstance(
    compiled,
    { brokers: broker.brokers, topic, groupId: 'freshet', engines: { kind: 'sqlite', file: indexFile } },
    (document, at) => {
      copied.add(document);
      arrived('visible', document, at);
    },
  );
  const consumer = broker.client.consumer({ groupId: 'bare', maxWaitTimeInMs: 100 });
  try {
    await until(() => copied.size === documents, 'the first copy');
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: false });
    const joined = new Promise<void>((resolve) => consumer.on('consumer.group_join', () => resolve()));
    await consumer.run({
      eachMessage: ({ message }) => {
        const { id } = JSON.parse(message.key?.toString() ?? '{}') as { readonly id: number };
        arrived('consumer', documentOf(id), monotonicMs());
        return Promise.resolve();
      },
    });
    await joined;
    await sleep(1_000);
    for (let edit = 1; edit <= edits; edit += 1) {
      const id = 1 + (edit % documents);
      const body = noteText({ document: id, revision: edit, changesText: true });
      const document = documentOf(id);
      // Until the acknowledgement is in, the time is not known: what arrives before it took less than nothing, and counts as 0.
      const committedAt = await committed(sql, body, id);
      for (const which of ['consumer', 'visible'] as const) pending[which].set(document, committedAt);
      await until(() => pending.consumer.size + pending.visible.size === 0, `edit ${edit}`);
      await sleep(Math.max(0, 1_000 / perSecond - (monotonicMs() - committedAt)));
    }
    return took;
  } finally {
    await consumer.disconnect();
    await instance.stop();
    await sql.end();
  }
}

const documentOf = (id: number): string => rowDocumentId(SOURCE_NAME, NOTES, rowKey([id]));

async function committed(sql: pg.Client, body: string, id: number): Promise<number> {
  await sql.query('UPDATE notes SET body = $1, updated_at = now() WHERE id = $2', [body, id]);
  return monotonicMs();
}

function connectorConfig({ hostname, port, username, pathname }: URL): Record<string, string> {
  return {
    ...{ 'connector.class': 'io.debezium.connector.postgresql.PostgresConnector', 'tasks.max': '1' },
    ...{ 'database.hostname': hostname, 'database.port': port, 'database.user': username, 'database.password': '' },
    ...{ 'database.dbname': pathname.slice(1) || 'postgres', 'plugin.name': 'pgoutput', 'topic.prefix': 'bench' },
    ...{ 'table.include.list': 'public.notes', 'slot.name': 'bench', 'publication.autocreate.mode': 'filtered' },
    // As docker/connect/articles.json has it: tuned for freshness.
    ...{ 'poll.interval.ms': '10', 'producer.override.linger.ms': '0' },
    ...{ 'topic.creation.default.partitions': '8', 'topic.creation.default.replication.factor': '-1' },
    ...{ 'key.converter': JSON_CONVERTER, 'key.converter.schemas.enable': 'false' },
    ...{ 'value.converter': JSON_CONVERTER, 'value.converter.schemas.enable': 'false' },
  };
}

const JSON_CONVERTER = 'org.apache.kafka.connect.json.JsonConverter';
