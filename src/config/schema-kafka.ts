import { z } from 'zod';
import {
  bytes,
  commaListOf,
  duration,
  flag,
  httpUrl,
  integer,
  listOf,
  path,
  pem,
  postgresUrl,
  secret,
  section,
  text,
} from './fields.ts';
import { kafkaTables } from './schema-table-list.ts';

/** How to trust and be trusted over TLS; shared by everything that is reached over the network. */
export const tls = section('TLS beyond the defaults.', {
  ca: pem('Certificates of the authorities to trust, instead of the system’s.').exactOptional(),
  cert: pem('Our certificate, for servers that ask for one (mTLS).').exactOptional(),
  key: path('Private key of `cert`. A path, or the PEM text itself.').meta({ writeOnly: true }).exactOptional(),
  passphrase: secret('Passphrase of `key`.').exactOptional(),
  servername: text('Name the server’s certificate must bear. Default: the host that was connected to.').exactOptional(),
}).superRefine(({ cert, key }, context) => {
  if ((cert === undefined) === (key === undefined)) return;
  const [missing, given] = cert === undefined ? ['cert', 'key'] : ['key', 'cert'];
  context.addIssue({ code: 'custom', path: [missing], message: `is required beside "${given}".` });
});

const login = {
  username: text('Name to log in with.'),
  password: secret('Its password, best as `${KAFKA_PASSWORD}`.'),
} as const;

const sasl = z
  .discriminatedUnion('mechanism', [
    section('User name and password; over TLS only, for it sends the password as it is.', {
      mechanism: z.literal('plain'),
      ...login,
    }),
    section('Salted challenge and response (RFC 5802).', { mechanism: z.literal('scram-sha-256'), ...login }),
    section('The same with SHA-512.', { mechanism: z.literal('scram-sha-512'), ...login }),
    section('A token of an OAuth 2 server, by client credentials; fetched anew before it expires.', {
      mechanism: z.literal('oauthbearer'),
      tokenUrl: httpUrl('Token endpoint of the OAuth 2 server.'),
      clientId: text('Client to ask as.'),
      clientSecret: secret('Its secret.'),
      scope: text('Scope to ask for.').exactOptional(),
    }),
  ])
  .meta({ description: 'How to log in. Without it, no login.' });

const BROKER = /^(\[[0-9a-fA-F:.]+\]|[^\s:/,[\]]+):\d{1,5}$/;
const brokers = commaListOf(
  'Addresses to find the cluster by, `host:port`; also one text with commas, for `${KAFKA_BROKERS}`.',
  z.string().regex(BROKER, 'must be an address such as kafka-1:9092, without "://".'),
);

/** How a cluster is reached. */
export const kafkaConnection = {
  brokers,
  clientId: text('How this client is called in the brokers’ logs and quotas.').default('freshet'),
  ssl: z
    .union([flag('TLS with the defaults.'), tls])
    .default(false)
    .meta({ description: '`true` for TLS trusted by the system’s authorities, or a section for more.' }),
  sasl: sasl.exactOptional(),
  connectionTimeout: duration('How long a broker may take to accept a connection.', { min: 100 }).default(5_000),
  requestTimeout: duration('How long a broker may take to answer.', { min: 1_000 }).default(30_000),
} as const;

const registry = section('A schema registry (Confluent’s API; Apicurio serves it below `/apis/ccompat/v7`).', {
  url: httpUrl('Its address.'),
  username: text('User name, for basic authentication.').exactOptional(),
  password: secret('Its password.').exactOptional(),
  token: secret('A bearer token, instead of user name and password.').exactOptional(),
  ssl: tls.meta({ description: 'TLS beyond the defaults, for `https`.' }).exactOptional(),
  timeout: duration('How long it may take to answer.', { min: 100 }).default(10_000),
}).superRefine(({ username, password, token }, context) => {
  const wants = (missing: string, message: string): void =>
    context.addIssue({ code: 'custom', path: [missing], message });
  if (username !== undefined && password === undefined) wants('password', 'is required beside "username".');
  if (username === undefined && password !== undefined) wants('username', 'is required beside "password".');
  if (token !== undefined && username !== undefined) wants('token', 'excludes "username": keep one of them.');
});

const OFFSET = /^\d+$/;
const offsetsOf = z.record(
  z.string().regex(OFFSET, 'must be the number of a partition.'),
  z.union([z.int().min(0), z.string().regex(OFFSET, 'must be an offset.')]),
);

const start = z
  .union([
    z.enum(['earliest', 'latest']),
    section('The first record at or after a time.', {
      timestamp: z.union([z.int().min(0), z.iso.datetime({ offset: true })]).meta({
        description: 'RFC 3339 text, e.g. `2026-11-20T06:00:00Z`, or milliseconds since 1970.',
      }),
    }),
    section('An offset for each partition.', {
      offsets: z.record(z.string().min(1), offsetsOf).meta({
        description: '`topic: { partition: offset }`. Partitions that are not named start at `earliest`.',
      }),
    }),
  ])
  .default('earliest')
  .meta({
    description:
      'Where a source begins that was never started before: `earliest`, `latest`, `{ timestamp: … }` or `{ offsets: … }`. Topics that appear later begin at `earliest`. Only `earliest`, on topics that hold a whole snapshot, gives a whole index.',
  });

const pattern = (description: string) =>
  z
    .string()
    .min(1)
    .superRefine((value, context) => {
      try {
        new RegExp(value);
      } catch {
        context.addIssue({ code: 'custom', message: 'is not a regular expression.' });
      }
    })
    .meta({ description });

export const kafkaSource = section('Topics that Debezium writes, read from Kafka.', {
  type: z.literal('kafka'),
  ...kafkaConnection,
  group: text(
    'Consumer group: instances with the same one share the partitions. Default: `freshet-` and the source’s name.',
  ).exactOptional(),
  topicPrefix: text(
    'Debezium’s `topic.prefix`. A table’s topic is then `<prefix>.<schema.table>`, unless it names its own.',
  ).exactOptional(),
  topics: listOf(
    'Topics to read besides those of the tables, e.g. one that many tables were routed to.',
  ).exactOptional(),
  topicPattern: pattern(
    'Regular expression over whole topic names; topics that appear later are found too.',
  ).exactOptional(),
  heartbeatTopics: listOf(
    'Topics without rows, which tell how far the connector is: `<topicPrefix>.message` for heartbeats by `heartbeat.action.query`, or the topic of a heartbeat table. Default: the first and `__debezium-heartbeat.<topicPrefix>`, where a prefix is given.',
  ).exactOptional(),
  format: z.enum(['auto', 'json', 'avro']).default('auto').meta({
    description: '`auto` tells JSON (with or without schema) and Avro by the first bytes of each record.',
  }),
  registry: registry.exactOptional(),
  unwrapped: z.enum(['marked', 'any', 'never']).default('marked').meta({
    description:
      'Rows without an envelope (`ExtractNewRecordState`): where added fields, headers or a schema mark them, `any` object, or `never`.',
  }),
  tombstones: z.enum(['auto', 'delete', 'ignore']).default('auto').meta({
    description:
      'Whether a tombstone deletes its row. `auto`: where it is the only trace of a delete, on topics of rows without an envelope and after compaction.',
  }),
  start,
  epoch: integer(
    'Counts the times the topics were made anew. Raise it by one to take up a recreated topic; see docs/production.md.',
    {
      max: 31,
    },
  ).default(0),
  unavailableValue: text('Debezium’s `unavailable.value.placeholder`.').default('__debezium_unavailable_value'),
  lookup: section('The database behind the topics: for large values a change left out, retries and `verify`.', {
    connection: postgresUrl(
      'Connection URL, best as `${DATABASE_URL}`. The user needs SELECT on the tables and nothing else.',
    ),
  }).exactOptional(),
  sessionTimeout: duration('A consumer that is not heard of for this long loses its partitions.', {
    min: 6_000,
    max: 1_800_000,
  }).default(10_000),
  rebalanceTimeout: duration('How long a consumer may take to finish and commit before it gives partitions up.', {
    min: 6_000,
    max: 1_800_000,
  }).default(60_000),
  metadataInterval: duration('Between two looks for new topics, partitions and a changed cluster.', {
    min: 1_000,
  }).default(10_000),
  fetch: section('What is asked of the brokers at a time.', {
    maxWait: duration('How long a broker may wait for a first record; resuming a paused partition takes as long.', {
      min: 1,
      max: 30_000,
    }).default(100),
    maxBytes: bytes('Bytes of one answer.', { min: 65_536, max: 1e9 }).default(8_388_608),
    maxBytesPerPartition: bytes('Bytes of one partition in it.', { min: 65_536, max: 1e9 }).default(1_048_576),
  }).prefault({}),
  tables: kafkaTables,
}).superRefine((source, context) => {
  const issue = (at: readonly string[], message: string): void =>
    context.addIssue({ code: 'custom', path: [...at], message });
  if (source.format === 'avro' && source.registry === undefined)
    issue(['registry'], 'is required for "format: avro". Add `registry: { url: http://registry:8081 }`.');
  if (source.rebalanceTimeout < source.sessionTimeout)
    issue(['rebalanceTimeout'], 'must not be below "sessionTimeout".');
  const isWide = source.topicPrefix !== undefined || source.topics !== undefined || source.topicPattern !== undefined;
  for (const [name, table] of Object.entries(source.tables)) {
    if (isWide || table.topic !== undefined) continue;
    issue(
      ['tables', name, 'topic'],
      'is required, because neither "topicPrefix", "topics" nor "topicPattern" says where the table is.',
    );
  }
});

export type KafkaSourceConfig = z.output<typeof kafkaSource>;
export type KafkaConnectionConfig = Pick<KafkaSourceConfig, keyof typeof kafkaConnection>;
export type TlsConfig = z.output<typeof tls>;
