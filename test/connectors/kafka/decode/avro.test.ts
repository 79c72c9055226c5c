import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { connectSchemaOfAvro } from 'debezium-ts-types';
import { compileAvro } from '../../../../connectors/kafka/decode/avro.ts';
import { withReferences } from '../../../../connectors/kafka/decode/avro-references.ts';
import { encodeDouble, encodeLong, encodeText } from './avro-encode.ts';

const read = (schema: unknown, data: readonly number[]): unknown => compileAvro(schema).read(Uint8Array.from(data), 0);
const unreadable = (schema: unknown, data: readonly number[]): void =>
  expect(() => read(schema, data)).toThrow(expect.objectContaining({ code: 'AVRO_UNREADABLE', kind: 'poison' }));

describe('Avro', () => {
  it('keeps every digit of 64-bit integers', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const decoded = read('long', encodeLong(value));
        expect(BigInt(decoded as bigint)).toBe(value);
        expect(typeof decoded).toBe(Number.isSafeInteger(Number(value)) ? 'number' : 'bigint');
      }),
      {
        examples: [
          [0n],
          [-1n],
          [2n ** 53n],
          [-(2n ** 53n)],
          [-(2n ** 63n)],
          [2n ** 63n - 1n],
          [2n ** 48n],
          [-(2n ** 48n) - 1n],
        ],
      },
    );
  });

  it('reads every type', () => {
    const schema = {
      type: 'record',
      name: 'a.b.Row',
      fields: [
        { name: 'nothing', type: 'null' },
        { name: 'yes', type: 'boolean' },
        { name: 'n', type: ['null', 'int'] },
        { name: 'd', type: 'double' },
        { name: 't', type: { type: 'string', 'connect.name': 'io.debezium.data.Json' } },
        { name: 'b', type: 'bytes' },
        { name: 'f', type: { type: 'fixed', name: 'F', size: 2 } },
        { name: 'e', type: { type: 'enum', name: 'E', symbols: ['x', 'y'] } },
        { name: 'list', type: { type: 'array', items: 'F' } },
        { name: 'map', type: { type: 'map', values: 'a.b.E' } },
        { name: '__proto__', type: 'int' },
      ],
    };
    const data = [
      1,
      ...encodeLong(1),
      ...encodeLong(-7),
      ...encodeDouble(1.5),
      ...encodeText('naïve 東京'),
      ...encodeLong(2),
      8,
      9,
      1,
      2,
      ...encodeLong(1),
      // A block of one with its size in bytes before it, a block of one without, the end.
      ...encodeLong(-1),
      ...encodeLong(2),
      3,
      4,
      ...encodeLong(1),
      5,
      6,
      0,
      ...encodeLong(1),
      ...encodeText('k'),
      ...encodeLong(0),
      0,
      ...encodeLong(3),
    ];
    const row = read(schema, data) as Record<string, unknown>;
    expect(Object.entries(row)).toEqual([
      ['nothing', null],
      ['yes', true],
      ['n', -7],
      ['d', 1.5],
      ['t', 'naïve 東京'],
      ['b', Buffer.from([8, 9])],
      ['f', Buffer.from([1, 2])],
      ['e', 'y'],
      ['list', [Buffer.from([3, 4]), Buffer.from([5, 6])]],
      ['map', Object.assign(Object.create(null) as object, { k: 'x' })],
      ['__proto__', 3],
    ]);
  });

  it('believes no length and no count before the bytes are there', () => {
    const billions = encodeLong(2 ** 31 - 1);
    unreadable({ type: 'array', items: 'int' }, [...billions, 2, 2]);
    unreadable({ type: 'array', items: 'null' }, [...billions, 0]);
    unreadable({ type: 'array', items: { type: 'record', name: 'Empty', fields: [] } }, [...encodeLong(2n ** 62n), 0]);
    unreadable({ type: 'map', values: 'string' }, [...billions, 2]);
    unreadable('string', [...billions, 65]);
    unreadable('bytes', [...encodeLong(-5), 65]);
    unreadable({ type: 'array', items: 'int' }, [...encodeLong(-(2n ** 63n))]);
  });

  it('refuses what does not fit its schema', () => {
    unreadable('int', encodeLong(2 ** 31));
    unreadable('boolean', [2]);
    unreadable(['null', 'int'], encodeLong(2));
    unreadable({ type: 'enum', name: 'E', symbols: ['a'] }, encodeLong(1));
    unreadable('string', [...encodeLong(2), 0xc3, 0x28]);
    unreadable(
      'long',
      Array.from({ length: 11 }, () => 0xff),
    );
    unreadable('long', [...Array.from({ length: 9 }, () => 0xff), 0x7f]);
    unreadable('int', [2, 2]);
    const list = { type: 'record', name: 'List', fields: [{ name: 'next', type: ['null', 'List'] }] };
    unreadable(
      list,
      Array.from({ length: 10_000 }, () => 2),
    );
    expect(read(list, [2, 2, 0])).toMatchObject({ next: { next: { next: null } } });
  });

  it('never fails otherwise, whatever the bytes', () => {
    const schema = {
      type: 'record',
      name: 'R',
      fields: [
        { name: 'a', type: { type: 'array', items: ['null', 'long', { type: 'map', values: 'string' }] } },
        { name: 'b', type: ['null', 'R'] },
      ],
    };
    const reader = compileAvro(schema);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          reader.read(bytes, 0);
        } catch (error) {
          expect(error).toMatchObject({ code: 'AVRO_UNREADABLE' });
        }
      }),
    );
  });

  it('calls a schema it cannot read poison', () => {
    for (const schema of [
      null,
      7,
      'unknown',
      { type: 'record', name: 'R' },
      { type: 'fixed', name: 'F' },
      { type: 'enum', name: 'E' },
      { type: 'record', fields: [] },
    ]) {
      expect(() => compileAvro(schema)).toThrow(
        expect.objectContaining({ code: 'AVRO_SCHEMA_UNREADABLE', kind: 'poison' }),
      );
    }
  });
});

describe('schemas that refer to others', () => {
  const money = {
    type: 'record',
    name: 'Money',
    namespace: 'shop',
    fields: [
      { name: 'cents', type: 'long' },
      { name: 'unit', type: 'Unit' },
    ],
  };
  const unit = { type: 'enum', name: 'Unit', namespace: 'shop', symbols: ['EUR', 'USD'] };
  const order = {
    type: 'record',
    name: 'Order',
    namespace: 'shop',
    fields: [
      { name: 'price', type: 'Money' },
      { name: 'refund', type: ['null', 'shop.Money'] },
    ],
  };

  it('hold them where they are named first', () => {
    const whole = withReferences(order, [unit, money]);
    const data = [...encodeLong(250), ...encodeLong(1), ...encodeLong(1), ...encodeLong(9), ...encodeLong(0)];
    expect(read(whole, data)).toEqual({ price: { cents: 250, unit: 'USD' }, refund: { cents: 9, unit: 'EUR' } });
    expect(connectSchemaOfAvro(whole).fields?.map(({ field, type }) => [field, type])).toEqual([
      ['price', 'struct'],
      ['refund', 'struct'],
    ]);
  });

  it('stay as they are without any', () => {
    expect(withReferences(order, [])).toBe(order);
  });
});
