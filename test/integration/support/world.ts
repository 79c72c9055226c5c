import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import {
  startConnect,
  startKafka,
  startPostgres,
  startRegistry,
  type Connect,
  type ConnectorConfig,
  type Kafka,
  type Postgres,
  type Registry,
} from '../../../scripts/stack/index.ts';
import { debianPostgresBin } from '../../../scripts/stack/tools.ts';
import { makePlace, type Place } from '../../e2e/support/instance.ts';
import { ROOT } from '../../e2e/support/build.ts';
import { Sql } from './sql.ts';

const DOCKER = join(ROOT, 'docker');
/** As in docker/: database, connector and source are called what they are called there. */
const DATABASE = 'app';
export const CONNECTOR = 'articles';
const PASSWORD = 'on-loopback-only';

/** A killed member keeps its partitions this long: as short as the configuration allows, for tests must wait for it. */
export const SHORT_SESSIONS = { sessionTimeout: '6s', rebalanceTimeout: '10s' };

/** A start waits for servers that are away. */
const OPENS_MS = 120_000;

export interface WorldOptions {
  /** Records in Avro, with a schema registry. */
  readonly avro?: boolean;
  /** Over docker/connect/articles.json. */
  readonly connector?: ConnectorConfig;
  /** SQL that is run before the connector starts: what its first snapshot finds. */
  readonly seed?: string;
}

export interface FreshetOptions {
  readonly index: { readonly engine: 'sqlite' } | { readonly engine: 'qdrant'; readonly url: string };
  /** Over the Kafka source of docker/freshet.yaml. */
  readonly source?: Readonly<Record<string, unknown>>;
  /** Over everything else in it. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/** PostgreSQL, Debezium on Kafka Connect, and Kafka, put together from the files in docker/ that a user starts with. */
export interface World extends AsyncDisposable {
  readonly kafka: Kafka;
  readonly postgres: Postgres;
  readonly connect: Connect;
  readonly registry: Registry | undefined;
  /** As the account that owns the tables; it comes back by itself after the server was killed. */
  readonly sql: Sql;
  /** A folder with docker/freshet.yaml in it, pointed at this world. Deleted with the world. */
  place(options: FreshetOptions): Place;
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const [kafka, postgres, registry] = await Promise.all([
    startKafka({ properties: { 'message.max.bytes': 16_777_216 } }),
    startPostgres(),
    options.avro === true ? startRegistry() : undefined,
  ]);
  const sql = new Sql(`postgres://app@127.0.0.1:${postgres.port}/${DATABASE}`);
  await prepareDatabase(postgres);
  if (options.seed !== undefined) await sql.run(options.seed);
  const connect = await startConnect({
    brokers: kafka.brokers,
    avro: registry !== undefined,
    env: { DEBEZIUM_PASSWORD: PASSWORD },
  });
  await connect.putConnector(CONNECTOR, {
    ...connectorConfig(postgres, kafka),
    ...(registry === undefined ? {} : avroConverters(registry)),
    ...options.connector,
  });
  const places: Place[] = [];
  return {
    kafka,
    postgres,
    connect,
    registry,
    sql,
    place(freshet) {
      const place = makePlace(freshetConfig(freshet, { kafka, postgres, registry }), OPENS_MS);
      places.push(place);
      return place;
    },
    async [Symbol.asyncDispose]() {
      for (const place of places) place.remove();
      await sql.end();
      for (const component of [connect, kafka, postgres, registry]) await component?.[Symbol.asyncDispose]();
    },
  };
}

/** The image's docker-entrypoint-initdb.d: the scripts in the order of their names. */
async function prepareDatabase({ port, url }: Postgres): Promise<void> {
  const server = new Sql(url);
  await server.run(`CREATE DATABASE ${DATABASE}`);
  await server.end();
  const { status, stderr } = spawnSync('sh', [join(DOCKER, 'postgres/01-roles.sh')], {
    encoding: 'utf8',
    env: {
      PATH: `${debianPostgresBin()}:${process.env['PATH']}`,
      PGHOST: '127.0.0.1',
      PGPORT: String(port),
      POSTGRES_USER: 'postgres',
      POSTGRES_DB: DATABASE,
      DEBEZIUM_PASSWORD: PASSWORD,
      LOOKUP_PASSWORD: PASSWORD,
    },
  });
  if (status !== 0) throw new Error(`docker/postgres/01-roles.sh failed: ${stderr}`);
  const superuser = new Sql(`postgres://postgres@127.0.0.1:${port}/${DATABASE}`);
  for (const script of ['02-schema.sql', '03-articles.sql']) {
    await superuser.run(readFileSync(join(DOCKER, 'postgres', script), 'utf8'));
  }
  await superuser.end();
}

/** docker/connect/articles.json at the addresses of this world. */
function connectorConfig(postgres: Postgres, kafka: Kafka): ConnectorConfig {
  const file = JSON.parse(readFileSync(join(DOCKER, 'connect/articles.json'), 'utf8')) as ConnectorConfig;
  return {
    ...file,
    'database.hostname': '127.0.0.1',
    'database.port': String(postgres.port),
    'signal.kafka.bootstrap.servers': kafka.brokers[0],
  };
}

function avroConverters(registry: Registry): ConnectorConfig {
  const settings = {
    '': 'io.apicurio.registry.utils.converter.AvroConverter',
    '.apicurio.registry.url': `${registry.url}/apis/registry/v2`,
    '.apicurio.registry.auto-register': 'true',
    '.apicurio.registry.find-latest': 'true',
    // The wire format of Confluent's registry: 0x00 and a 32-bit id before the record.
    '.apicurio.registry.as-confluent': 'true',
    '.apicurio.registry.use-id': 'contentId',
    '.apicurio.registry.headers.enabled': 'false',
  };
  return Object.fromEntries(
    ['key', 'value'].flatMap((side) =>
      Object.entries(settings).map(([name, value]) => [`${side}.converter${name}`, value] as const),
    ),
  );
}

type Section = Readonly<Record<string, unknown>>;

/** docker/freshet.yaml, with this world's addresses, and without what only a container needs. */
function freshetConfig(
  { index, source = {}, more = {} }: FreshetOptions,
  world: Pick<World, 'kafka' | 'postgres' | 'registry'>,
): Section {
  const file = parse(readFileSync(join(DOCKER, 'freshet.yaml'), 'utf8')) as Record<string, Section>;
  const help = (file['sources'] as Record<string, Section>)['help'] as Section;
  const qdrant = Object.fromEntries(Object.entries(file['index'] as Section).filter(([name]) => name !== 'apiKey'));
  return {
    redaction: { key: 'on-loopback-only' },
    index: index.engine === 'qdrant' ? { ...qdrant, url: index.url } : { engine: 'sqlite' },
    deadLetters: file['deadLetters'],
    ...more,
    sources: {
      help: {
        ...help,
        brokers: [...world.kafka.brokers],
        lookup: { connection: `postgres://freshet@127.0.0.1:${world.postgres.port}/${DATABASE}` },
        ...(world.registry === undefined ? {} : { registry: { url: world.registry.confluentUrl } }),
        ...source,
      },
    },
  };
}
