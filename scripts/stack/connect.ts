import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { avroConverter, debeziumPlugin, kafkaJars, LOG4J_CONFIG } from './artefacts.ts';
import { startComponent, temporaryFolder, type Component } from './component.ts';
import { StackError, toStderr, type Report } from './error.ts';
import { JAVA_FLAGS, propertiesFile } from './java.ts';
import { freePorts } from './ports.ts';
import { systemJava } from './tools.ts';

export interface ConnectOptions {
  readonly brokers: readonly string[];
  /** With the converter to Avro on the plugin path. */
  readonly avro?: boolean;
  /** Added to the worker's properties, or in place of them. */
  readonly properties?: Readonly<Record<string, string | number | boolean>>;
  /** What connectors may name as `${env:NAME}`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly report?: Report;
}

export type ConnectorConfig = Readonly<Record<string, string>>;

export interface ConnectorStatus {
  readonly connector: { readonly state: string; readonly trace?: string };
  readonly tasks: readonly { readonly id: number; readonly state: string; readonly trace?: string }[];
}

export interface Connect extends Component {
  /** Root of the REST API. */
  readonly url: string;
  /** Makes or changes a connector and resolves once it and its task run. Rejects with its own words when it fails. */
  putConnector(name: string, config: ConnectorConfig): Promise<void>;
  status(name: string): Promise<ConnectorStatus | undefined>;
  /** Resolves once the connector and its task run. */
  running(name: string): Promise<void>;
  restartConnector(name: string): Promise<void>;
  deleteConnector(name: string): Promise<void>;
}

const RUNNING_MS = 90_000;
const POLL_MS = 100;

/** One Kafka Connect worker in distributed mode with Debezium's PostgreSQL plugin. Offsets and connectors are kept in the broker. */
export async function startConnect(options: ConnectOptions): Promise<Connect> {
  const { brokers, avro = false, properties = {}, env = {}, report = toStderr } = options;
  const [java, jars, debezium, converter] = await Promise.all([
    systemJava(),
    kafkaJars(report),
    debeziumPlugin(report),
    avro ? avroConverter(report) : undefined,
  ]);
  const folder = temporaryFolder('connect');
  const [port] = (await freePorts(1)) as [number];
  const url = `http://127.0.0.1:${port}`;
  const plugins = join(folder, 'plugins');
  await mkdir(plugins);
  await symlink(join(debezium, 'debezium-connector-postgres'), join(plugins, 'debezium-connector-postgres'));
  if (converter !== undefined) await symlink(converter, join(plugins, 'avro-converter'));
  const settings = join(folder, 'worker.properties');
  await writeFile(
    settings,
    propertiesFile({
      'bootstrap.servers': brokers.join(','),
      'group.id': 'freshet-stack-connect',
      listeners: url,
      'plugin.path': plugins,
      // By their manifests, instead of opening every class: seconds less at start. The converter to Avro has none.
      'plugin.discovery': avro ? 'hybrid_warn' : 'service_load',
      'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
      'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
      'key.converter.schemas.enable': false,
      'value.converter.schemas.enable': false,
      'offset.storage.topic': 'connect-offsets',
      'offset.storage.replication.factor': 1,
      'offset.storage.partitions': 1,
      'config.storage.topic': 'connect-configs',
      'config.storage.replication.factor': 1,
      'status.storage.topic': 'connect-status',
      'status.storage.replication.factor': 1,
      'status.storage.partitions': 1,
      // A connector may set its producer's linger.
      'connector.client.config.override.policy': 'All',
      // What a crash re-sends is at most this old: enough for tests to see it, and little enough not to wait for.
      'offset.flush.interval.ms': 5_000,
      // A worker that comes back takes its connectors at once.
      'scheduled.rebalance.max.delay.ms': 0,
      'session.timeout.ms': 6_000,
      'heartbeat.interval.ms': 1_000,
      'rebalance.timeout.ms': 10_000,
      'config.providers': 'env',
      'config.providers.env.class': 'org.apache.kafka.common.config.provider.EnvVarConfigProvider',
      'config.providers.env.param.allowlist.pattern': Object.keys(env).join('|'),
      ...properties,
    }),
  );
  const component = await startComponent({
    name: 'connect',
    folder,
    command: async () => ({
      command: java,
      args: [
        ...JAVA_FLAGS,
        `-Dlog4j2.configurationFile=${LOG4J_CONFIG}`,
        '-cp',
        join(jars, '*'),
        'org.apache.kafka.connect.cli.ConnectDistributed',
        settings,
      ],
      env,
    }),
    // Any path but the root waits until the worker has joined its group and read its topics.
    ready: async () => (await request(`${url}/connectors`)).ok,
    report,
  });
  return Object.assign(component, connectorApi(url));
}

type ConnectorApi = Omit<Connect, keyof Component>;

function connectorApi(url: string): ConnectorApi {
  const of = (name: string): string => `${url}/connectors/${encodeURIComponent(name)}`;
  const api: ConnectorApi = {
    url,
    async putConnector(name, config) {
      const body = JSON.stringify(config);
      await patiently(() => request(`${of(name)}/config`, { method: 'PUT', body }));
      await api.running(name);
    },
    async status(name) {
      const answer = await request(`${of(name)}/status`);
      if (answer.status === 404) return undefined;
      if (!answer.ok) throw await refusal(answer);
      return (await answer.json()) as ConnectorStatus;
    },
    async running(name) {
      const startedAt = performance.now();
      let last: ConnectorStatus | undefined;
      while (performance.now() - startedAt < RUNNING_MS) {
        last = await api.status(name).catch(() => undefined);
        const all = last === undefined ? [] : [last.connector, ...last.tasks];
        const failed = all.find(({ state }) => state === 'FAILED');
        if (failed !== undefined) throw new StackError(`Connector ${name} failed:\n${failed.trace ?? '(no trace)'}`);
        if (all.length > 1 && all.every(({ state }) => state === 'RUNNING')) return;
        await sleep(POLL_MS);
      }
      throw new StackError(`Connector ${name} does not run after ${RUNNING_MS / 1000} s: ${JSON.stringify(last)}`);
    },
    async restartConnector(name) {
      await patiently(() => request(`${of(name)}/restart?includeTasks=true&onlyFailed=false`, { method: 'POST' }));
    },
    async deleteConnector(name) {
      await patiently(() => request(of(name), { method: 'DELETE' }));
    },
  };
  return api;
}

/** A worker that just lost or joined its group answers 409 until it is settled. */
async function patiently(ask: () => Promise<Response>): Promise<void> {
  const startedAt = performance.now();
  for (;;) {
    const answer = await ask();
    if (answer.ok) return;
    if (answer.status !== 409 || performance.now() - startedAt > RUNNING_MS) throw await refusal(answer);
    await sleep(POLL_MS);
  }
}

function request(url: string, init: RequestInit = {}): Promise<Response> {
  const headers = { 'content-type': 'application/json', connection: 'close' };
  return fetch(url, { ...init, headers, signal: AbortSignal.timeout(20_000) });
}

async function refusal(answer: Response): Promise<StackError> {
  return new StackError(
    `Kafka Connect answered ${answer.status} for ${new URL(answer.url).pathname}: ${await answer.text()}`,
  );
}
