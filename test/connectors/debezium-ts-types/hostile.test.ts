import { connectSchemaOfAvro, createDecoder, DebeziumDecodeError, toValue } from 'debezium-ts-types';
import type { ConnectSchema, ConnectType } from 'debezium-ts-types';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { envelope, failure, record, SOURCE, wrapped } from './support.ts';

/** Runs it; whatever it throws must be the package's own error. */
function survives(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof DebeziumDecodeError)) throw error;
  }
}

/** Any value at one random place of a good record. */
const mutated = (good: unknown): fc.Arbitrary<unknown> =>
  fc
    .tuple(fc.array(fc.nat(), { maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }))
    .map(([path, value]) => replaceAt(good, path, value));

function replaceAt(target: unknown, [step, ...rest]: readonly number[], value: unknown): unknown {
  if (step === undefined || typeof target !== 'object' || target === null) return value;
  const names = Object.keys(target);
  const name = names[step % Math.max(1, names.length)];
  if (name === undefined) return value;
  const copy: unknown = Array.isArray(target) ? [...(target as unknown[])] : { ...target };
  (copy as Record<string, unknown>)[name] = replaceAt((target as Record<string, unknown>)[name], rest, value);
  return copy;
}

const GOOD: readonly unknown[] = [
  envelope({
    op: 'u',
    before: { id: 1 },
    after: { id: 1 },
    transaction: { id: '1', total_order: 1, data_collection_order: 1 },
  }),
  envelope({ op: 'm', message: { prefix: 'p', content: 'AQ==' } }),
  envelope({
    op: 'u',
    source: { connector: 'mongodb', name: 'm', ts_ms: 1, db: 'd', collection: 'c' },
    updateDescription: { updatedFields: '{}', removedFields: [], truncatedArrays: [{ field: 'a', size: 1 }] },
  }),
  wrapped(
    [
      { field: 'd', type: 'bytes', name: 'org.apache.kafka.connect.data.Decimal', parameters: { scale: '2' } },
      { field: 'v', type: 'struct', name: 'io.debezium.data.VariableScaleDecimal' },
      { field: 't', type: 'int64', name: 'io.debezium.time.NanoTimestamp' },
      { field: 'a', type: 'array', items: { type: 'map', keys: { type: 'string' }, values: { type: 'double' } } },
    ],
    envelope({ op: 'c', after: { d: 'AQ==', v: { scale: 1, value: 'AQ==' }, t: 1, a: [{ x: 1 }] } }),
  ),
  { id: 1, __op: 'u', __lsn: 1, __source_ts_ms: 1, __source_sequence: '[null,"1"]', __snapshot: 'first' },
  { status: 'END', id: '1', event_count: 1, data_collections: [{ data_collection: 'a', event_count: 1 }], ts_ms: 1 },
  { id: 'n', type: 't', aggregate_type: 'a', additional_data: { a: 'b' }, timestamp: 1 },
  { source: SOURCE, ts_ms: 1, databaseName: 'd', ddl: 'x', tableChanges: [{ type: 'ALTER', id: 'i', table: {} }] },
];

describe('whatever comes', () => {
  const decoder = createDecoder();

  it('as bytes, nothing but a DebeziumDecodeError comes of it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 64 }), (key, value) => {
        survives(() => decoder.decode({ topic: 't', key, value }));
      }),
      { numRuns: 1_000 },
    );
  });

  it('as JSON, nothing but a DebeziumDecodeError comes of it', () => {
    const json = fc.json({ maxDepth: 4 });
    fc.assert(
      fc.property(json, json, json, (key, value, header) => {
        const headers = { '__debezium.newkey': header, '__debezium.oldkey': [header], __op: header };
        survives(() => decoder.decode({ topic: 't', key, value, headers }));
      }),
      { numRuns: 1_000 },
    );
  });

  it('as a good record with one thing wrong in it, nothing but a DebeziumDecodeError comes of it', () => {
    for (const good of GOOD) {
      expect(decoder.decode(record({ value: good }))).toHaveProperty('kind');
      fc.assert(
        fc.property(mutated(good), (value) => survives(() => decoder.decode(record({ value })))),
        { numRuns: 400 },
      );
      fc.assert(
        fc.property(mutated(good), (value) => survives(() => decoder.interpret({ topic: 't', key: value, value }))),
        { numRuns: 100 },
      );
    }
  });

  it('as a value of any schema, nothing but a DebeziumDecodeError comes of it', () => {
    const types: readonly ConnectType[] = [
      'int8',
      'int64',
      'float64',
      'boolean',
      'string',
      'bytes',
      'array',
      'map',
      'struct',
    ];
    const names = ['Decimal', 'Date', 'Time', 'Timestamp'].map((name) => `org.apache.kafka.connect.data.${name}`);
    const debezium = [
      'time.MicroTime',
      'time.NanoTimestamp',
      'time.MicroDuration',
      'data.Json',
      'data.Bits',
      'data.EnumSet',
    ];
    const plain = {
      type: fc.constantFrom(...types),
      name: fc.constantFrom(undefined, ...names, ...debezium.map((name) => `io.debezium.${name}`)),
      parameters: fc.dictionary(fc.constantFrom('scale', 'length'), fc.string({ maxLength: 6 })),
    };
    const leaf: fc.Arbitrary<ConnectSchema> = fc.record(plain);
    const schema: fc.Arbitrary<ConnectSchema> = fc.record({
      ...plain,
      items: leaf,
      keys: leaf,
      values: leaf,
      fields: fc.array(fc.tuple(fc.string(), leaf).map(([field, one]) => ({ field, ...one }))),
    });
    fc.assert(
      fc.property(schema, fc.anything({ withBigInt: true, withTypedArray: true }), (one, raw) =>
        survives(() => toValue(raw, one)),
      ),
      { numRuns: 2_000 },
    );
  });

  it('as an Avro schema, nothing but a DebeziumDecodeError comes of it', () => {
    fc.assert(fc.property(fc.anything(), (avro) => survives(() => connectSchemaOfAvro(avro))));
  });

  it('an empty value is no tombstone, and a scalar is no record', () => {
    failure(() => decoder.decode({ topic: 't', key: null, value: '' }), 'INVALID_JSON');
    failure(() => decoder.decode({ topic: 't', key: null, value: new Uint8Array() }), 'INVALID_JSON');
    for (const value of ['1', '"text"', '[]', 'true']) {
      failure(() => decoder.decode({ topic: 't', key: null, value }), 'UNKNOWN_SHAPE');
    }
    for (const value of [null, 'null', '{"schema":null,"payload":null}']) {
      expect(decoder.decode({ topic: 't', key: null, value })).toMatchObject({ kind: 'tombstone' });
    }
  });

  it('a key is JSON, or plain text that does not pretend to be', () => {
    const at = (key: string): unknown => decoder.decode({ topic: 't', key, value: null }).key;
    expect(at('shop')).toBe('shop');
    expect(at('42')).toBe(42);
    expect(at('')).toBe('');
    failure(() => at('{"id":'), 'INVALID_JSON');
    failure(() => at('[1]'), 'INVALID_FIELD');
  });

  it('columns named like parts of JavaScript are columns', () => {
    const value = `{"__op":"c","__proto__":{"polluted":1},"constructor":"c","toString":"t","hasOwnProperty":"h"}`;
    const decoded = decoder.decode({ topic: 'a.b.c', key: '{"__proto__":1}', value });
    expect(decoded.kind === 'unwrapped' && Object.keys(decoded.row)).toEqual([
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
    ]);
    expect(Object.keys(decoded.key as object)).toEqual(['__proto__']);
    expect(createDecoder({ columns: {} }).decode({ topic: 'constructor', key: null, value }).kind).toBe('unwrapped');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('a schema without end is refused, and so is one that is none', () => {
    let schema: unknown = { type: 'string' };
    for (let i = 0; i < 100; i += 1) schema = { type: 'array', items: schema };
    const deep = { schema: { type: 'struct', fields: [{ field: 'a', ...(schema as object) }] }, payload: { a: null } };
    failure(() => decoder.decode(record({ value: deep })), 'INVALID_SCHEMA');
    const none = { schema: { type: 'struct', fields: [{ field: 'secret', type: 'no-type' }] }, payload: {} };
    failure(() => decoder.decode(record({ value: none })), 'INVALID_SCHEMA', 'no-type');
  });
});
