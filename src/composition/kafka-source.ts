import { clientLog } from '../../connectors/kafka/client-log.ts';
import { KafkaLogReader } from '../../connectors/kafka/client/log-reader.ts';
import { createRecordDecoder } from '../../connectors/kafka/decode/decoder.ts';
import type { DecodedTable, RecordDecoderOptions } from '../../connectors/kafka/decode/options.ts';
import type { KafkaStart } from '../../connectors/kafka/options.ts';
import {
  createSchemaRegistry,
  type SchemaRegistry,
  type SchemaRegistryOptions,
} from '../../connectors/kafka/registry/client.ts';
import { createTopicScan } from '../../connectors/kafka/scan.ts';
import { createKafkaSource, type KafkaSource } from '../../connectors/kafka/source.ts';
import { openPostgresRows } from '../../connectors/postgres/index.ts';
import {
  consumerGroup,
  parseColumnType,
  qualifiedTable,
  toTableMappings,
  type KafkaSourceConfig,
} from '../config/index.ts';
import { rowDocumentId, tableId } from '../domain/ids.ts';
import { systemClock } from '../runtime/clock.ts';
import { kafkaConnection } from './kafka-connection.ts';
import type { OpenSource } from './pipelines.ts';
import { tableFingerprint } from './settings.ts';
import type { SourceParts } from './sources.ts';
import { tlsTexts } from './tls.ts';

/** Debezium's topics; rows from the database behind them where one is given, else from the topics themselves. */
export function openKafka(name: string, config: KafkaSourceConfig, parts: SourceParts): OpenSource {
  const connection = kafkaConnection(config, `sources.${name}`);
  const topics = topicsOf(config);
  const rowless = heartbeatTopics(config);
  const tables = decodedTables(name, config);
  const mappings = toTableMappings(name, config.tables);
  const registry = config.registry && createSchemaRegistry(registryOptions(name, config.registry));
  const decoding = decoderOptions(name, config, tables, registry);
  const source = createKafkaSource({
    name,
    connection,
    groupId: consumerGroup(name, config, parts.suffix),
    topics,
    rowless,
    tables: mappings.map((mapping, at) => ({
      id: mapping.table,
      fingerprint: tableFingerprint(mapping, {
        ...parts.settings,
        retired: parts.retired[mapping.table],
        ...declaredTypes(tables[at]),
      }),
    })),
    decoder: createRecordDecoder(decoding),
    start: startOf(config.start),
    epoch: config.epoch,
    checkpoints: parts.checkpoints,
    clock: parts.clock,
    observer: parts.observer,
    limits: {
      fetchWaitMs: config.fetch.maxWait,
      fetchBytes: config.fetch.maxBytes,
      fetchPartitionBytes: config.fetch.maxBytesPerPartition,
      sessionTimeoutMs: config.sessionTimeout,
      rebalanceTimeoutMs: config.rebalanceTimeout,
      topicsMs: config.metadataInterval,
    },
  });
  const rows = openRows(name, config, {
    connection,
    topics: topics.filter((topic) => typeof topic !== 'string' || !rowless.includes(topic)),
    tables,
    decoding,
    observer: parts.observer,
  });
  return {
    ...rows.access,
    source: alsoClosing(source, [rows, ...(registry === undefined ? [] : [registry])]),
    recordFetch: source,
    mappings,
    documentId: (table, key) => rowDocumentId(name, table, key),
    isPostgres: config.lookup !== undefined,
    replay: async (from) => (await source.replay(from)).message,
    ...(tables.some(({ columns }) => columns !== undefined)
      ? { shapedBy: tables.map(({ id, columns = {} }) => [id, columns] as const) }
      : {}),
  };
}

/** Where the source's records are, and Debezium's heartbeats. */
export function topicsOf(config: KafkaSourceConfig): readonly (string | RegExp)[] {
  const { topicPrefix, topics = [], topicPattern } = config;
  const ofTables = Object.entries(config.tables).flatMap(([name, { topic }]) => {
    if (topic !== undefined) return [topic];
    return topicPrefix === undefined ? [] : [`${topicPrefix}.${qualifiedTable(name)}`];
  });
  const names = new Set([...ofTables, ...topics, ...heartbeatTopics(config)]);
  return [...names, ...(topicPattern === undefined ? [] : [new RegExp(topicPattern)])];
}

/** Debezium's heartbeats and, in `<prefix>.message`, those that are committed to the log by `heartbeat.action.query`. No row is in them. */
export const heartbeatTopics = ({ heartbeatTopics: named, topicPrefix }: KafkaSourceConfig): readonly string[] =>
  named ?? (topicPrefix === undefined ? [] : [`__debezium-heartbeat.${topicPrefix}`, `${topicPrefix}.message`]);

function decodedTables(source: string, config: KafkaSourceConfig): readonly DecodedTable[] {
  return Object.entries(config.tables).map(([given, { topic, key, types }]) => {
    const name = qualifiedTable(given);
    const columns = Object.entries(types).flatMap(([column, text]) => {
      const type = parseColumnType(text);
      return type === undefined ? [] : [[column, type] as const];
    });
    return {
      id: tableId(`${source}.${name}`),
      name,
      ...(topic === undefined ? {} : { topic }),
      ...(key === undefined ? {} : { key }),
      ...(columns.length === 0 ? {} : { columns: Object.fromEntries(columns) }),
    };
  });
}

/** Other types make other values of the same records. */
const declaredTypes = (table: DecodedTable | undefined): { readonly types?: unknown } =>
  table?.columns === undefined ? {} : { types: table.columns };

function decoderOptions(
  name: string,
  config: KafkaSourceConfig,
  tables: readonly DecodedTable[],
  registry: SchemaRegistry | undefined,
): RecordDecoderOptions {
  const { topicPrefix, format, unavailableValue, unwrapped, tombstones } = config;
  return {
    source: name,
    tables,
    format,
    unavailableValue,
    unwrapped,
    tombstonesDelete: tombstones === 'auto' ? 'auto' : tombstones === 'delete',
    topics: { heartbeats: heartbeatTopics(config) },
    ...(topicPrefix === undefined ? {} : { topicPrefix }),
    ...(registry === undefined ? {} : { registry }),
  };
}

/** How the registry of a source is reached. */
export function registryOptions(
  name: string,
  { url, username, password, token, ssl, timeout }: NonNullable<KafkaSourceConfig['registry']>,
): SchemaRegistryOptions {
  return {
    url,
    timeoutMs: timeout,
    ...(token === undefined ? {} : { auth: { kind: 'bearer', token } }),
    ...(username === undefined || password === undefined ? {} : { auth: { kind: 'basic', username, password } }),
    ...(ssl === undefined ? {} : { tls: tlsTexts(ssl, `sources.${name}.registry.ssl`) }),
  };
}

export function startOf(start: KafkaSourceConfig['start']): KafkaStart {
  if (typeof start === 'string') return start;
  if ('timestamp' in start) {
    return { timestamp: typeof start.timestamp === 'number' ? start.timestamp : Date.parse(start.timestamp) };
  }
  const offsets = Object.entries(start.offsets).flatMap(([topic, partitions]) =>
    Object.entries(partitions).map(([partition, offset]) => [`${topic}/${partition}`, Number(offset)] as const),
  );
  return { offsets: Object.fromEntries(offsets) };
}

interface Rows extends AsyncDisposable {
  readonly access: Pick<OpenSource, 'rowLookup' | 'rowScan'>;
}

function openRows(
  name: string,
  config: KafkaSourceConfig,
  parts: {
    readonly connection: ReturnType<typeof kafkaConnection>;
    readonly topics: readonly (string | RegExp)[];
    readonly tables: readonly DecodedTable[];
    readonly decoding: RecordDecoderOptions;
    readonly observer: SourceParts['observer'];
  },
): Rows {
  const { connection, topics, tables, decoding } = parts;
  if (config.lookup !== undefined) {
    const rows = openPostgresRows({
      name,
      connectionString: config.lookup.connection,
      tables: tables.map(({ id, name: relation, key }) => ({ id, relation, ...(key === undefined ? {} : { key }) })),
    });
    return { access: { rowLookup: rows, rowScan: rows }, [Symbol.asyncDispose]: () => rows[Symbol.asyncDispose]() };
  }
  const log = new KafkaLogReader(connection, clientLog({ name, clock: systemClock, observer: parts.observer }));
  const { topicPrefix } = config;
  const rowScan = createTopicScan({
    source: name,
    log,
    decoder: () => createRecordDecoder(decoding),
    topics,
    tables,
    ...(topicPrefix === undefined ? {} : { topicPrefix }),
  });
  return { access: { rowScan }, [Symbol.asyncDispose]: () => log.close() };
}

/** What a source only borrows is closed after it. */
function alsoClosing(source: KafkaSource, borrowed: readonly AsyncDisposable[]): OpenSource['source'] {
  return {
    name: source.name,
    read: (signal) => source.read(signal),
    commit: (positions) => source.commit(positions),
    onRevoked: (listener) => source.onRevoked(listener),
    freshness: () => source.freshness(),
    coveredToken: () => source.coveredToken(),
    currentToken: (signal) => source.currentToken(signal),
    reached: (token, waitMs, signal) => source.reached(token, waitMs, signal),
    async [Symbol.asyncDispose]() {
      await source[Symbol.asyncDispose]();
      for (const each of borrowed) await each[Symbol.asyncDispose]();
    },
  };
}
