import { connectSchemaOfAvro, interpret, UNAVAILABLE } from 'debezium-ts-types';
import { describe, expect, it } from 'vitest';
import { envelope, failure } from './support.ts';

const DATE = { type: 'int', 'connect.version': 1, 'connect.name': 'io.debezium.time.Date' };
const PRICE = {
  type: 'bytes',
  scale: 2,
  precision: 12,
  'connect.parameters': { scale: '2', 'connect.decimal.precision': '12' },
  'connect.name': 'org.apache.kafka.connect.data.Decimal',
  logicalType: 'decimal',
};
const VALUE = {
  type: 'record',
  name: 'Value',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'made', type: ['null', DATE], default: null },
    { name: 'price', type: ['null', PRICE] },
    { name: 'tags', type: ['null', { type: 'array', items: ['null', 'string'] }] },
  ],
  'connect.name': 'shop.public.products.Value',
};

describe('the Connect schema of an Avro schema', () => {
  it('has names, parameters, optional values, and types used again by name', () => {
    const schema = connectSchemaOfAvro({
      type: 'record',
      name: 'Envelope',
      namespace: 'shop.public.products',
      fields: [
        { name: 'before', type: ['null', VALUE] },
        { name: 'after', type: ['null', 'Value'] },
        { name: 'op', type: 'string' },
      ],
      'connect.name': 'shop.public.products.Envelope',
    });
    expect(schema).toMatchObject({ type: 'struct', name: 'shop.public.products.Envelope' });
    const [before, after, op] = schema.fields ?? [];
    expect(before?.fields).toEqual([
      { field: 'id', type: 'int64' },
      { field: 'made', type: 'int32', name: 'io.debezium.time.Date', optional: true },
      {
        field: 'price',
        type: 'bytes',
        name: 'org.apache.kafka.connect.data.Decimal',
        parameters: { scale: '2', 'connect.decimal.precision': '12' },
        optional: true,
      },
      { field: 'tags', type: 'array', items: { type: 'string', optional: true }, optional: true },
    ]);
    expect(after).toEqual({ ...before, field: 'after' });
    expect(op).toEqual({ field: 'op', type: 'string' });

    const value = envelope({
      op: 'u',
      before: { id: 1n, made: null, price: Buffer.from([5]), tags: null },
      after: { id: 2n ** 60n, made: 1, price: null, tags: ['__debezium_unavailable_value'] },
    });
    expect(interpret({ topic: 't', key: null, value, valueSchema: schema })).toMatchObject({
      before: { id: 1, made: null, price: '0.05', tags: null },
      after: { id: 2n ** 60n, made: '1970-01-02', price: null, tags: UNAVAILABLE },
    });
  });

  it('takes Avro’s own logical types where Connect’s name is missing', () => {
    const name = (avro: unknown): unknown => connectSchemaOfAvro(avro).name;
    expect(connectSchemaOfAvro({ type: 'bytes', logicalType: 'decimal', precision: 5 })).toEqual({
      type: 'bytes',
      name: 'org.apache.kafka.connect.data.Decimal',
      parameters: { scale: '0' },
    });
    expect(connectSchemaOfAvro({ type: 'fixed', name: 'F', size: 8, logicalType: 'decimal', scale: 3 })).toMatchObject({
      type: 'bytes',
      parameters: { scale: '3' },
    });
    expect(name({ type: 'int', logicalType: 'date' })).toBe('org.apache.kafka.connect.data.Date');
    expect(name({ type: 'long', logicalType: 'timestamp-micros' })).toBe('io.debezium.time.MicroTimestamp');
    expect(name({ type: 'long', logicalType: 'unheard-of' })).toBeUndefined();
    expect(connectSchemaOfAvro({ type: 'enum', name: 'E', symbols: ['A'] })).toEqual({ type: 'string' });
    expect(connectSchemaOfAvro({ type: 'map', values: 'double' })).toEqual({
      type: 'map',
      keys: { type: 'string' },
      values: { type: 'float64' },
    });
    expect(connectSchemaOfAvro({ type: { type: 'string' } })).toEqual({ type: 'string' });
  });

  it('refuses what has none', () => {
    const recursive = { type: 'record', name: 'R', fields: [{ name: 'next', type: ['null', 'R'] }] };
    let deep: unknown = 'string';
    for (let i = 0; i < 1_000; i += 1) deep = { type: 'array', items: deep };
    for (const avro of [
      null,
      5,
      [],
      ['null'],
      ['int', 'string'],
      'Unknown',
      {},
      { type: 'record', name: 'R' },
      { type: 'array' },
      recursive,
      deep,
    ]) {
      failure(() => connectSchemaOfAvro(avro), 'INVALID_SCHEMA');
    }
  });
});
