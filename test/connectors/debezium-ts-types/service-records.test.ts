import { decodeRecord } from 'debezium-ts-types';
import { describe, expect, it } from 'vitest';
import { failure, record } from './support.ts';

describe('records that are no rows', () => {
  it('are told by their envelope before their topic: a heartbeat table has heartbeats of its own', () => {
    const source = {
      version: '3.7.0.Final',
      connector: 'postgresql',
      name: 'shop',
      ts_ms: 5,
      db: 'app',
      schema: 'public',
      table: 'beats',
    };
    const value = { op: 'u', before: null, after: { id: 1 }, source, ts_ms: 6 };
    expect(
      decodeRecord(record({ topic: 'beats', key: { id: 1 }, value }), { roles: { beats: 'heartbeats' } }),
    ).toMatchObject({
      kind: 'change',
      table: 'public.beats',
    });
  });

  it('a heartbeat, by its topic or its key', () => {
    const key = { serverName: 'shop' };
    const value = { ts_ms: 1_790_000_000_000 };
    expect(decodeRecord(record({ topic: '__debezium-heartbeat.shop', key, value }))).toMatchObject({
      kind: 'heartbeat',
      tsMs: 1_790_000_000_000,
      serverName: 'shop',
    });
    expect(decodeRecord(record({ topic: 'beats', key, value }))).toMatchObject({ kind: 'heartbeat' });
    failure(() => decodeRecord(record({ value })), 'UNKNOWN_SHAPE');
  });

  it('a transaction’s begin and end', () => {
    const begin = { status: 'BEGIN', id: '7:1', event_count: null, data_collections: null, ts_ms: 5 };
    expect(decodeRecord(record({ value: begin }))).toMatchObject({
      kind: 'transaction',
      status: 'BEGIN',
      id: '7:1',
      eventCount: null,
      dataCollections: [],
      tsMs: 5,
    });
    const data_collections = [{ data_collection: 'public.products', event_count: 2 }];
    expect(
      decodeRecord(record({ value: { ...begin, status: 'END', event_count: 2, data_collections } })),
    ).toMatchObject({
      status: 'END',
      eventCount: 2,
      dataCollections: [{ dataCollection: 'public.products', eventCount: 2 }],
    });
    failure(() => decodeRecord(record({ value: { ...begin, status: 'HALF' } })), 'INVALID_FIELD', 'HALF');
    failure(() => decodeRecord(record({ value: { ...begin, data_collections: [1] } })), 'INVALID_FIELD');
  });

  it('a notification', () => {
    const value = {
      id: 'n1',
      type: 'COMPLETED',
      aggregate_type: 'Initial Snapshot',
      additional_data: { connector_name: 'shop' },
      timestamp: 5,
    };
    expect(decodeRecord(record({ value }))).toMatchObject({
      kind: 'notification',
      type: 'COMPLETED',
      aggregateType: 'Initial Snapshot',
      additionalData: { connector_name: 'shop' },
      tsMs: 5,
    });
    failure(() => decodeRecord(record({ value: { ...value, additional_data: 'x' } })), 'INVALID_FIELD');
  });

  it('a signal, whose key is the plain name of a connector', () => {
    const value = { id: 's1', type: 'execute-snapshot', data: { type: 'INCREMENTAL' } };
    expect(decodeRecord(record({ topic: 'signals', key: 'shop', value }))).toMatchObject({
      kind: 'signal',
      key: 'shop',
      id: 's1',
      type: 'execute-snapshot',
      data: { type: 'INCREMENTAL' },
    });
    const keyed = record({ topic: 'signals', key: { id: 's1' }, value });
    expect(decodeRecord(keyed, { roles: { signals: 'signals' } })).toMatchObject({ kind: 'signal' });
    failure(
      () => decodeRecord(record({ value: {} }), { roles: { 'shop.public.products': 'signals' } }),
      'INVALID_FIELD',
    );
  });

  it('a change of schema', () => {
    const source = { connector: 'mysql', name: 'shop', ts_ms: 1, db: 'shop', table: 'orders' };
    const tableChanges = [
      { type: 'ALTER', id: '"shop"."orders"', table: { primaryKeyColumnNames: ['id'], columns: [] } },
    ];
    const value = {
      source,
      ts_ms: 5,
      databaseName: 'shop',
      schemaName: null,
      ddl: 'ALTER TABLE orders …',
      tableChanges,
    };
    expect(decodeRecord(record({ key: { databaseName: 'shop' }, value }))).toMatchObject({
      kind: 'schema-change',
      source: { connector: 'mysql' },
      databaseName: 'shop',
      schemaName: null,
      ddl: 'ALTER TABLE orders …',
      tableChanges: [{ type: 'ALTER', table: { primaryKeyColumnNames: ['id'] } }],
      tsMs: 5,
    });
    const history = { ...value, source: { server: 'shop' }, position: { file: 'b.1' } };
    expect(decodeRecord(record({ value: history }))).toMatchObject({ kind: 'schema-change', source: null });
    failure(() => decodeRecord(record({ value: { ...value, tableChanges: [5] } })), 'INVALID_FIELD');
  });
});
