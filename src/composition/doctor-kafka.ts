import { inspectKafka, type KafkaFindings } from '../../connectors/kafka/inspect.ts';
import { createSchemaRegistry } from '../../connectors/kafka/registry/client.ts';
import { openPostgresRows } from '../../connectors/postgres/index.ts';
import type { CheckResult, DoctorCheck } from '../cli/deps.ts';
import { plural } from '../cli/format.ts';
import {
  consumerGroup,
  qualifiedTable,
  toTableMappings,
  type FreshetConfig,
  type KafkaSourceConfig,
} from '../config/index.ts';
import { codeOf, FreshetError } from '../domain/errors.ts';
import { deadLetterConnection } from './kafka-dead-letters.ts';
import { kafkaConnection } from './kafka-connection.ts';
import { heartbeatTopics, registryOptions, topicsOf } from './kafka-source.ts';
import { checkMappingsAt, describeUnknown } from './mapping-check.ts';

/** A heartbeat a second is usual; one that is older than this is none. */
const HEARTBEAT_MS_MAX = 60_000;

/** The cluster, the registry and the database of a source. */
export function kafkaChecks(name: string, source: KafkaSourceConfig, config: FreshetConfig): readonly DoctorCheck[] {
  const { registry, lookup } = source;
  return [
    { name: `source ${name}`, run: () => clusterCheck(name, source, config) },
    ...(registry === undefined
      ? []
      : [{ name: `registry ${name}`, run: (signal: AbortSignal) => registryCheck(name, registry, signal) }]),
    ...(lookup === undefined
      ? []
      : [
          {
            name: `lookup ${name}`,
            run: (signal: AbortSignal) => lookupCheck(name, source, lookup.connection, signal),
          },
        ]),
  ];
}

/** Where dead letters go, if that is a cluster of its own. */
export function deadLetterChecks(config: FreshetConfig): readonly DoctorCheck[] {
  const { deadLetters } = config;
  if (deadLetters.store !== 'kafka') return [];
  return [
    {
      name: 'dead letters',
      async run() {
        const { topic } = deadLetters;
        const wanted = { topics: [topic], heartbeatTopics: [], groupId: 'freshet-doctor' };
        try {
          const { missing } = await inspectKafka(deadLetterConnection(config, deadLetters), wanted);
          if (missing.length === 0) return { status: 'ok', detail: `topic ${topic}` };
          return { status: 'ok', detail: `topic ${topic} will be made` };
        } catch (error) {
          return failed(error, 'Check the brokers and the login of deadLetters.');
        }
      },
    },
  ];
}

async function clusterCheck(name: string, source: KafkaSourceConfig, config: FreshetConfig): Promise<CheckResult> {
  const groupId = consumerGroup(name, source);
  const heartbeats = heartbeatTopics(source);
  let findings: KafkaFindings;
  try {
    const connection = kafkaConnection(source, `sources.${name}`);
    findings = await inspectKafka(connection, { topics: topicsOf(source), heartbeatTopics: heartbeats, groupId });
  } catch (error) {
    return failed(error, `Check brokers, ssl and sasl of sources.${name}.`);
  }
  return judgeCluster(findings, {
    name,
    heartbeats,
    groupId,
    isEmbedded: config.index.engine === 'sqlite',
    now: Date.now(),
  });
}

/** The worst first; what is only worth knowing is in the detail of a good answer. */
export function judgeCluster(
  { topics, missing, cut, lag, members, heartbeatAt }: KafkaFindings,
  {
    name,
    heartbeats,
    groupId,
    isEmbedded,
    now,
  }: {
    readonly name: string;
    readonly heartbeats: readonly string[];
    readonly groupId: string;
    /** The index is one instance's own. */
    readonly isEmbedded: boolean;
    readonly now: number;
  },
): CheckResult {
  const rows = [...topics.keys()].filter((topic) => !heartbeats.includes(topic));
  const missingRows = missing.filter((topic) => !heartbeats.includes(topic));
  if (rows.length === 0) {
    return {
      status: 'fail',
      detail: missingRows.length === 0 ? 'no topic matches' : `no topic is called ${missingRows.join(', ')}`,
      mend: `Check topicPrefix of sources.${name}, and whether the connector runs and has written a first record.`,
    };
  }
  if (isEmbedded && members > 1) {
    return {
      status: 'fail',
      detail: `group ${groupId} has ${members} members, and the index is a file of this instance: each would hold a part`,
      mend: 'Keep the index in Qdrant (index.engine: qdrant), or run one instance.',
    };
  }
  if (missingRows.length > 0) {
    return {
      status: 'warn',
      detail: `${missingRows.join(', ')} ${missingRows.length === 1 ? 'does' : 'do'} not exist (yet)`,
      mend: 'Nothing, if those tables are still empty; else check table.include.list of the connector.',
    };
  }
  if (heartbeatAt === undefined || now - heartbeatAt > HEARTBEAT_MS_MAX) {
    return {
      status: 'warn',
      detail:
        heartbeatAt === undefined
          ? 'no heartbeats that the database committed: nothing tells that a quiet table is up to date, and asOf stands still'
          : `the last heartbeat is ${Math.round((now - heartbeatAt) / 1_000)} s old`,
      mend:
        heartbeatAt === undefined
          ? 'Set heartbeat.interval.ms and heartbeat.action.query of the connector (docs/production.md).'
          : 'Look at the state of the connector and its task: GET /connectors/<name>/status.',
    };
  }
  if (cut.length > 0) {
    return {
      status: 'warn',
      detail: `the first records of ${cut.join(', ')} were removed: an index that begins now would lack rows that did not change since`,
      mend: 'Have an incremental snapshot taken when an index is to be filled (docs/production.md).',
    };
  }
  const partitions = rows.reduce((sum, topic) => sum + (topics.get(topic) ?? 0), 0);
  const behind = lag === undefined ? 'nothing committed yet' : `${lag} records behind`;
  return {
    status: 'ok',
    detail: `${plural(rows.length, 'topic')}, ${plural(partitions, 'partition')}, ${plural(members, 'member')}, ${behind}`,
  };
}

/** No registry has it; one that says so is one. */
const NO_SCHEMA = 2_147_483_647;

async function registryCheck(
  name: string,
  config: NonNullable<KafkaSourceConfig['registry']>,
  signal: AbortSignal,
): Promise<CheckResult> {
  const registry = createSchemaRegistry(registryOptions(name, config));
  try {
    await registry.schema(NO_SCHEMA, signal);
    return { status: 'ok', detail: registry.place };
  } catch (error) {
    if (codeOf(error) === 'SCHEMA_UNKNOWN') return { status: 'ok', detail: registry.place };
    return failed(error, `Check sources.${name}.registry.`);
  } finally {
    await registry[Symbol.asyncDispose]();
  }
}

async function lookupCheck(
  name: string,
  source: KafkaSourceConfig,
  connectionString: string,
  signal: AbortSignal,
): Promise<CheckResult> {
  const tables = toTableMappings(name, source.tables).map(({ table, key }, at) => ({
    id: table,
    relation: qualifiedTable(Object.keys(source.tables)[at] as string),
    ...(key === undefined ? {} : { key }),
  }));
  const rows = openPostgresRows({ name, connectionString, tables });
  try {
    for (const { id } of tables) {
      // The first row says that the table is there and may be read.
      for await (const _row of rows.rows(id, signal)) break;
    }
    const unknown = (await checkMappingsAt(name, source, connectionString)) ?? [];
    if (unknown.length === 0) return { status: 'ok', detail: `${plural(tables.length, 'table')} can be read` };
    const detail = unknown.map(describeUnknown).join(' ');
    return { status: 'fail', detail, mend: `Compare sources.${name}.tables with the tables.` };
  } catch (error) {
    return failed(error, `Check sources.${name}.lookup.connection, and GRANT SELECT on the tables to its user.`);
  } finally {
    await rows[Symbol.asyncDispose]();
  }
}

function failed(error: unknown, mend: string): CheckResult {
  if (!(error instanceof FreshetError)) throw error;
  return { status: 'fail', detail: `${error.message} (${error.code})`, mend };
}
