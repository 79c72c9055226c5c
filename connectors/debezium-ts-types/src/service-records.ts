import { integer } from './checks.ts';
import type { TopicRole } from './decode-options.ts';
import { milliseconds } from './envelope.ts';
import { DebeziumDecodeError } from './errors.ts';
import { isAbsent, isObject } from './objects.ts';
import type { PlainObject } from './objects.ts';
import { keyOf } from './reading.ts';
import type { Reading } from './reading.ts';
import type {
  HeartbeatRecord,
  NotificationRecord,
  SchemaChangeRecord,
  SignalRecord,
  TransactionRecord,
} from './records.ts';
import { asSent } from './rows.ts';
import { parseSource } from './source.ts';
import type { Row } from './values.ts';

export type ServiceRecord =
  | HeartbeatRecord
  | TransactionRecord
  | SignalRecord
  | NotificationRecord
  | SchemaChangeRecord;
export type ServiceRole = Exclude<TopicRole, 'rows'>;

const HEARTBEAT_TOPIC = '__debezium-heartbeat';

/**
 * What a plain record that is no envelope looks like. Each form is one that no table has by accident; a signal is not, so it must also not be
 * keyed like a row and not be `marked` as one.
 */
export function serviceRole(reading: Reading, value: PlainObject, marked: boolean): ServiceRole | undefined {
  // Connect's name for the schema of a row; a table may well have the columns id, type and data.
  if (reading.value.schema?.name?.endsWith('.Value') === true) return undefined;
  const names = Object.keys(value);
  const has = (...wanted: readonly string[]): boolean => wanted.every((name) => Object.hasOwn(value, name));
  if (names.length === 1 && has('ts_ms') && isHeartbeat(reading)) return 'heartbeats';
  if (has('status', 'id', 'event_count', 'data_collections')) return 'transactions';
  if (has('id', 'type', 'aggregate_type', 'additional_data')) return 'notifications';
  if (Array.isArray(value['tableChanges']) && has('ts_ms')) return 'schema-changes';
  if (marked || isObject(reading.key.data) || !has('type', 'data')) return undefined;
  return names.every((name) => name === 'id' || name === 'type' || name === 'data') ? 'signals' : undefined;
}

function isHeartbeat({ topic, key }: Reading): boolean {
  return topic.startsWith(HEARTBEAT_TOPIC) || (isObject(key.data) && Object.hasOwn(key.data, 'serverName'));
}

export function readService(reading: Reading, value: PlainObject, role: ServiceRole): ServiceRecord {
  const base = {
    topic: reading.topic,
    key: keyOf(reading, ''),
    schemaless: reading.value.schema === undefined,
  };
  switch (role) {
    case 'heartbeats':
      return { kind: 'heartbeat', ...base, tsMs: time(value, 'ts_ms'), serverName: serverName(reading) };
    case 'transactions':
      return { kind: 'transaction', ...base, ...transaction(value) };
    case 'signals':
      return {
        kind: 'signal',
        ...base,
        id: isAbsent(value['id']) ? null : text(value, 'id'),
        type: text(value, 'type'),
        data: asSent(value['data']),
      };
    case 'notifications':
      return {
        kind: 'notification',
        ...base,
        id: text(value, 'id'),
        aggregateType: text(value, 'aggregate_type'),
        type: text(value, 'type'),
        additionalData: additionalData(value['additional_data']),
        tsMs: milliseconds(value['timestamp'], 'value.timestamp'),
      };
    case 'schema-changes':
      return { kind: 'schema-change', ...base, ...schemaChange(value) };
  }
}

function serverName({ key }: Reading): string | null {
  const name = isObject(key.data) ? key.data['serverName'] : undefined;
  return typeof name === 'string' ? name : null;
}

function transaction(
  value: PlainObject,
): Pick<TransactionRecord, 'status' | 'id' | 'tsMs' | 'eventCount' | 'dataCollections'> {
  const { status, data_collections: collections } = value;
  if (status !== 'BEGIN' && status !== 'END') return wrong('value.status', 'BEGIN or END');
  const counts = isAbsent(collections)
    ? []
    : Array.isArray(collections)
      ? collections
      : wrong('value.data_collections', 'a list');
  return {
    status,
    id: text(value, 'id'),
    tsMs: milliseconds(value['ts_ms'], 'value.ts_ms'),
    eventCount: isAbsent(value['event_count']) ? null : integer(value['event_count'], 'value.event_count'),
    dataCollections: counts.map((one: unknown) =>
      isObject(one)
        ? {
            dataCollection: text(one, 'data_collection'),
            eventCount: integer(one['event_count'], 'value.data_collections'),
          }
        : wrong('value.data_collections', 'a list of counts'),
    ),
  };
}

function schemaChange(value: PlainObject): Omit<SchemaChangeRecord, 'kind' | 'topic' | 'key' | 'schemaless'> {
  const changes = value['tableChanges'];
  if (!Array.isArray(changes)) return wrong('value.tableChanges', 'a list');
  return {
    // The connector's internal history names its server there, not a source block.
    source:
      isObject(value['source']) && 'connector' in value['source'] ? parseSource(value['source'], 'value.source') : null,
    databaseName: optionalText(value, 'databaseName'),
    schemaName: optionalText(value, 'schemaName'),
    ddl: optionalText(value, 'ddl'),
    tableChanges: changes.map((one: unknown) => {
      if (!isObject(one)) return wrong('value.tableChanges', 'a list of changes');
      const table = asSent(one['table']);
      return { type: text(one, 'type'), id: text(one, 'id'), table: isObject(table) ? (table as Row) : null };
    }),
    tsMs: milliseconds(value['ts_ms'], 'value.ts_ms'),
  };
}

function additionalData(raw: unknown): Readonly<Record<string, string>> {
  if (isAbsent(raw)) return {};
  if (!isObject(raw)) return wrong('value.additional_data', 'a map of texts');
  const entries = Object.entries(raw).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return Object.fromEntries(entries);
}

function time(value: PlainObject, name: string): number {
  return milliseconds(value[name], `value.${name}`) ?? wrong(`value.${name}`, 'a time in milliseconds');
}

function text(value: PlainObject, name: string): string {
  const found = value[name];
  return typeof found === 'string' ? found : wrong(`value.${name}`, 'text');
}

const optionalText = (value: PlainObject, name: string): string | null =>
  isAbsent(value[name]) ? null : text(value, name);

function wrong(where: string, expected: string): never {
  throw new DebeziumDecodeError('INVALID_FIELD', where, `The field does not have its form: ${expected} was expected.`);
}
