import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { kafkaJars, LOG4J_CONFIG } from './artefacts.ts';
import { startComponent, temporaryFolder, type Command, type Component } from './component.ts';
import { StackError, toStderr, type Report } from './error.ts';
import { JAVA_FLAGS, propertiesFile } from './java.ts';
import { answersKafka } from './kafka-probe.ts';
import { freePorts } from './ports.ts';
import { runTool, systemJava } from './tools.ts';

export type SecurityProtocol = 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';

export interface KafkaOptions {
  /** Added to the broker's properties, or in place of them. */
  readonly properties?: Readonly<Record<string, string | number | boolean>>;
  /** More listeners, by name (upper case): each gets a port of its own. Their security is set by `properties`. */
  readonly listeners?: Readonly<Record<string, SecurityProtocol>>;
  /** SCRAM users, as `SCRAM-SHA-256=[name=ann,password=secret]`. */
  readonly scram?: readonly string[];
  readonly report?: Report;
}

export interface Kafka extends Component {
  /** Bootstrap addresses of the listener without security. */
  readonly brokers: readonly [string];
  /** The address of one of the listeners asked for. */
  address(listener: string): string;
}

/** One Kafka 4 node in KRaft mode, broker and controller in one process. */
export async function startKafka(options: KafkaOptions = {}): Promise<Kafka> {
  const { properties = {}, listeners = {}, scram = [], report = toStderr } = options;
  const [java, jars] = await Promise.all([systemJava(), kafkaJars(report)]);
  const folder = temporaryFolder('kafka');
  const names = Object.keys(listeners);
  const [port, controllerPort, ...morePorts] = (await freePorts(2 + names.length)) as [number, number, ...number[]];
  const addresses = new Map(names.map((name, index) => [name, `127.0.0.1:${morePorts[index]}`]));
  const open = [['PLAINTEXT', `127.0.0.1:${port}`], ...addresses].map(([name, address]) => `${name}://${address}`);
  const protocols = { PLAINTEXT: 'PLAINTEXT', CONTROLLER: 'PLAINTEXT', ...listeners };
  const settings = join(folder, 'server.properties');
  await writeFile(
    settings,
    propertiesFile({
      'process.roles': 'broker,controller',
      'node.id': 1,
      'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
      'controller.listener.names': 'CONTROLLER',
      listeners: [...open, `CONTROLLER://127.0.0.1:${controllerPort}`].join(','),
      'advertised.listeners': open.join(','),
      'listener.security.protocol.map': Object.entries(protocols)
        .map(([name, protocol]) => `${name}:${protocol}`)
        .join(','),
      'inter.broker.listener.name': 'PLAINTEXT',
      'log.dirs': join(folder, 'data'),
      'auto.create.topics.enable': false,
      'num.partitions': 1,
      'default.replication.factor': 1,
      'offsets.topic.replication.factor': 1,
      'offsets.topic.num.partitions': 3,
      'transaction.state.log.replication.factor': 1,
      'transaction.state.log.min.isr': 1,
      'transaction.state.log.num.partitions': 3,
      'share.coordinator.state.topic.replication.factor': 1,
      'share.coordinator.state.topic.min.isr': 1,
      // A group forms at once, and tests may choose short session timeouts.
      'group.initial.rebalance.delay.ms': 0,
      'group.min.session.timeout.ms': 1_000,
      // After a kill the node is refused until its last session ran out.
      'broker.session.timeout.ms': 2_000,
      'broker.heartbeat.interval.ms': 500,
      ...properties,
    }),
  );
  const classPath = ['-cp', join(jars, '*')];
  const users = scram.flatMap((user) => ['--add-scram', user]);
  await runTool(java, [
    ...JAVA_FLAGS,
    `-Dlog4j2.configurationFile=${LOG4J_CONFIG}`,
    ...classPath,
    'kafka.tools.StorageTool',
    'format',
    '--config',
    settings,
    '--cluster-id',
    clusterId(),
    ...users,
  ]);
  const command = async (): Promise<Command> => ({
    command: java,
    args: [
      ...JAVA_FLAGS,
      `-Dlog4j2.configurationFile=${LOG4J_CONFIG}`,
      `-Dfreshet.stack=${folder}`,
      ...classPath,
      'kafka.Kafka',
      settings,
    ],
  });
  const brokers = [`127.0.0.1:${port}`] as const;
  const component = await startComponent({
    name: 'kafka',
    folder,
    command,
    ready: () => answersKafka(brokers),
    report,
  });
  return Object.assign(component, {
    brokers,
    address(listener: string): string {
      const address = addresses.get(listener);
      if (address === undefined) throw new StackError(`No listener ${listener} was asked for.`);
      return address;
    },
  });
}

/** Like Kafka's own ids it does not begin with `-`, which would be read as an option. */
function clusterId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? clusterId() : id;
}
