import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { compose, text } from './compose.ts';

const connector = JSON.parse(text('docker/connect/articles.json')) as Readonly<Record<string, string>>;
const freshet = parse(text('docker/freshet.yaml')) as {
  readonly sources: Readonly<
    Record<
      string,
      {
        readonly topicPrefix: string;
        readonly tables: Readonly<Record<string, unknown>>;
      }
    >
  >;
};
const connect = compose.services.connect?.environment ?? {};
const schema = text('docker/postgres/02-schema.sql');

describe('docker/connect/articles.json', () => {
  it('holds text only, as Connect wants it', () => {
    for (const [key, value] of Object.entries(connector)) expect(typeof value, key).toBe('string');
  });

  it('waits for nothing on the way to Kafka', () => {
    expect(connector['poll.interval.ms']).toBe('10');
    expect(connector['producer.override.linger.ms']).toBe('0');
    expect(connect.CONNECT_CONNECTOR_CLIENT_CONFIG_OVERRIDE_POLICY).toBe('All');
  });

  it('sends truncations, tombstones, exact decimals and heartbeats that are committed, and read', () => {
    expect(connector).toMatchObject({
      'skipped.operations': 'none',
      'tombstones.on.delete': 'true',
      'decimal.handling.mode': 'string',
    });
    expect(Number(connector['heartbeat.interval.ms'])).toBeGreaterThan(0);
    expect(connector['heartbeat.action.query']).toContain('pg_logical_emit_message(true,');
    // Truncations have no key, and a compacted topic refuses records without one: the connector would stop.
    expect(connector['topic.creation.default.cleanup.policy']).toBe('delete');
  });

  it('follows the tables that Freshet reads, under the prefix it expects', () => {
    const [source] = Object.values(freshet.sources);
    expect(source?.topicPrefix).toBe(connector['topic.prefix']);
    const followed = (connector['table.include.list'] ?? '').split(',');
    for (const table of Object.keys(source?.tables ?? {})) expect(followed).toContain(table);
    expect(followed).toContain(connector['signal.data.collection']);
    for (const table of followed) expect(schema).toContain(`CREATE TABLE ${table.replace('public.', '')} (`);
  });

  it('holds no password, and Connect may resolve what it refers to', () => {
    const [, variable = ''] = /^\$\{env:([A-Z_]+)\}$/.exec(connector['database.password'] ?? '') ?? [];
    expect(Object.keys(connect)).toContain(variable);
    expect(variable).toMatch(new RegExp(String(connect.CONNECT_CONFIG_PROVIDERS_ENV_PARAM_ALLOWLIST_PATTERN)));
  });

  it('lets a record be as long as the broker does', () => {
    const kafka = compose.services.kafka?.environment ?? {};
    expect(connector['producer.override.max.request.size']).toBe(String(kafka.KAFKA_MESSAGE_MAX_BYTES));
    expect(connector['topic.creation.default.max.message.bytes']).toBe(String(kafka.KAFKA_MESSAGE_MAX_BYTES));
  });
});
