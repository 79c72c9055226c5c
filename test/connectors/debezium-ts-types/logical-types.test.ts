import { toValue, UNAVAILABLE } from 'debezium-ts-types';
import type { ColumnValue, ConnectSchema } from 'debezium-ts-types';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { failure } from './support.ts';

const CONNECT = 'org.apache.kafka.connect.data';
const base64 = (...bytes: readonly number[]): string => Buffer.from(bytes).toString('base64');
const decimalSchema = (scale: number): ConnectSchema => ({
  type: 'bytes',
  name: `${CONNECT}.Decimal`,
  parameters: { scale: String(scale) },
});
const int64 = (name: string): ConnectSchema => ({ type: 'int64', name });
const int32 = (name: string): ConnectSchema => ({ type: 'int32', name });

/** java.math.BigInteger.toByteArray. */
function twosComplement(value: bigint): Uint8Array {
  let length = 1;
  while (BigInt.asIntN(length * 8, value) !== value) length += 1;
  const hex = BigInt.asUintN(length * 8, value)
    .toString(16)
    .padStart(length * 2, '0');
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

describe('a decimal', () => {
  it.each([
    ['B1vNFQ==', 4, '12345.6789'],
    ['BNI=', 2, '12.34'],
    [base64(0xff), 2, '-0.01'],
    [base64(0x00), 3, '0.000'],
    [base64(0x05), -3, '5000'],
    [base64(0x00), -3, '0'],
    [base64(0x80), 0, '-128'],
    ['', 2, '0.00'],
  ])('in base64 %s with scale %i is %s', (raw, scale, text) => {
    expect(toValue(raw, decimalSchema(scale))).toBe(text);
  });

  it('of any size is exact, in base64 and in bytes', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 60n), max: 10n ** 60n }),
        fc.integer({ min: 0, max: 40 }),
        (value, scale) => {
          const bytes = twosComplement(value);
          const text = toValue(bytes, decimalSchema(scale)) as string;
          expect(toValue(Buffer.from(bytes).toString('base64'), decimalSchema(scale))).toBe(text);
          expect(text.split('.')[1]?.length ?? 0).toBe(scale);
          expect(BigInt(text.replace('.', ''))).toBe(value);
          expect(text.startsWith('-')).toBe(value < 0n);
        },
      ),
    );
  });

  it('written as a number (decimal.format=NUMERIC) gets its trailing zeros back', () => {
    expect(toValue(12.3, decimalSchema(2))).toBe('12.30');
    expect(toValue(5, decimalSchema(2))).toBe('5.00');
    expect(toValue(1e21, decimalSchema(0))).toBe('1000000000000000000000');
    expect(toValue(1e-7, decimalSchema(8))).toBe('0.00000010');
    expect(toValue(9_007_199_254_740_993n, decimalSchema(1))).toBe('9007199254740993.0');
  });

  it('of variable scale brings its scale', () => {
    const schema: ConnectSchema = { type: 'struct', name: 'io.debezium.data.VariableScaleDecimal' };
    expect(toValue({ scale: 3, value: base64(0x04, 0xd2) }, schema)).toBe('1.234');
    expect(toValue({ scale: 0, value: 'Eu7C6zhpr2TfYAAAAA==' }, schema)).toBe('1500000000000000000000000000000');
    failure(() => toValue({ scale: 2 ** 31, value: 'AQ==' }, schema), 'INVALID_VALUE');
    failure(() => toValue('AQ==', schema), 'INVALID_VALUE');
  });

  it('that is none, or whose schema has no scale, is refused without its value', () => {
    failure(() => toValue('secret!', decimalSchema(2)), 'INVALID_VALUE', 'secret!');
    failure(() => toValue(true, decimalSchema(2)), 'INVALID_VALUE');
    failure(() => toValue('AQ==', { type: 'bytes', name: `${CONNECT}.Decimal` }), 'INVALID_SCHEMA');
    failure(() => toValue('AQ==', decimalSchema(999_999)), 'INVALID_VALUE');
  });
});

describe('a time', () => {
  it.each<readonly [ColumnValue, ConnectSchema, string]>([
    [20_512, int32('io.debezium.time.Date'), '2026-02-28'],
    [-1, int32(`${CONNECT}.Date`), '1969-12-31'],
    [0, int32('io.debezium.time.Date'), '1970-01-01'],
    [11_016, int32('io.debezium.time.Date'), '2000-02-29'],
    [2_932_897, int32('io.debezium.time.Date'), '+010000-01-01'],
    [-719_529, int32('io.debezium.time.Date'), '-000001-12-31'],
    [2_145_042_905, int32('io.debezium.time.Date'), '+5874897-12-31'],
    [2_146_033_979, int32('io.debezium.time.Date'), 'infinity'],
    [-2_147_472_692, int32('io.debezium.time.Date'), 'infinity'],
    [-2_147_472_691, int32('io.debezium.time.Date'), '-infinity'],
    [47_655_123, int32('io.debezium.time.Time'), '13:14:15.123'],
    [47_655_000, int32(`${CONNECT}.Time`), '13:14:15'],
    [47_655_123_456, int64('io.debezium.time.MicroTime'), '13:14:15.123456'],
    [86_400_000_000, int64('io.debezium.time.MicroTime'), '24:00:00'],
    [-3_020_399_000_000, int64('io.debezium.time.MicroTime'), '-838:59:59'],
    [47_655_123_456_789, int64('io.debezium.time.NanoTime'), '13:14:15.123456789'],
    [1_772_284_455_123, int64('io.debezium.time.Timestamp'), '2026-02-28T13:14:15.123Z'],
    [1_772_284_455_123, int64(`${CONNECT}.Timestamp`), '2026-02-28T13:14:15.123Z'],
    [1_772_284_455_123_456, int64('io.debezium.time.MicroTimestamp'), '2026-02-28T13:14:15.123456Z'],
    [1_772_284_455_100_000, int64('io.debezium.time.MicroTimestamp'), '2026-02-28T13:14:15.1Z'],
    [-1, int64('io.debezium.time.MicroTimestamp'), '1969-12-31T23:59:59.999999Z'],
    [-62_135_596_800_000_000n, int64('io.debezium.time.MicroTimestamp'), '0001-01-01T00:00:00Z'],
    [-63_549_360_000_000_000n, int64('io.debezium.time.MicroTimestamp'), '-000044-03-15T00:00:00Z'],
    [9_224_318_015_999_999_999n, int64('io.debezium.time.MicroTimestamp'), '+294276-12-31T23:59:59.999999Z'],
    [1_772_284_455_123_456_789n, int64('io.debezium.time.NanoTimestamp'), '2026-02-28T13:14:15.123456789Z'],
    [9_223_372_036_825_200_000n, int64('io.debezium.time.MicroTimestamp'), 'infinity'],
    [-9_223_372_036_832_400_000n, int64('io.debezium.time.MicroTimestamp'), '-infinity'],
    [9_223_372_036_825_200n, int64('io.debezium.time.Timestamp'), 'infinity'],
    [37_091_106_000_000, int64('io.debezium.time.MicroDuration'), 'PT37091106S'],
    [-1_500_000, int64('io.debezium.time.MicroDuration'), '-PT1.5S'],
  ])('%s as %o is %s', (raw, schema, text) => {
    expect(toValue(raw, schema)).toBe(text);
  });

  it('in text already stays as it is, but for infinities', () => {
    const zoned: ConnectSchema = { type: 'string', name: 'io.debezium.time.ZonedTimestamp' };
    expect(toValue('2026-01-02T03:04:05.120000Z', zoned)).toBe('2026-01-02T03:04:05.120000Z');
    expect(toValue('+292278994-08-16T23:00:00.000000Z', zoned)).toBe('infinity');
    expect(toValue('-292275055-05-16T23:00:00Z', zoned)).toBe('-infinity');
    expect(toValue('10:11:12Z', { type: 'string', name: 'io.debezium.time.ZonedTime' })).toBe('10:11:12Z');
    expect(toValue('P1Y2M', { type: 'string', name: 'io.debezium.time.Interval' })).toBe('P1Y2M');
  });

  it('agrees with Date on every millisecond that Date has, and keeps every microsecond', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -8_640_000_000_000_000_000n, max: 8_640_000_000_000_000_000n }), (micros) => {
        const text = toValue(micros, int64('io.debezium.time.MicroTimestamp')) as string;
        const millis = Number((micros - (((micros % 1000n) + 1000n) % 1000n)) / 1000n);
        const expected = new Date(millis).toISOString();
        const [whole, fraction = ''] = text.slice(0, -1).split('.');
        expect(`${whole}.${fraction.padEnd(6, '0').slice(0, 3)}Z`).toBe(expected);
        expect(BigInt(fraction.padEnd(6, '0'))).toBe(((micros % 1_000_000n) + 1_000_000n) % 1_000_000n);
        expect(toValue(millis, int64('io.debezium.time.Timestamp'))).toBe(expected.replace(/\.?0+Z$/, 'Z'));
      }),
    );
  });

  it('that is no integer, or no date in 32 bits, is refused', () => {
    failure(() => toValue(1.5, int64('io.debezium.time.Timestamp')), 'INVALID_VALUE');
    failure(() => toValue('2026', int32('io.debezium.time.Date')), 'INVALID_VALUE', '2026');
    failure(() => toValue(2 ** 40, int32('io.debezium.time.Date')), 'INVALID_VALUE');
  });
});

describe('other types', () => {
  it('of 64 bits are a number as far as it is safe', () => {
    expect(toValue(7n, { type: 'int64' })).toBe(7);
    expect(toValue(9_007_199_254_740_993n, { type: 'int64' })).toBe(9_007_199_254_740_993n);
  });

  it('of floating point know NaN and the infinities', () => {
    expect(toValue('NaN', { type: 'double' })).toBeNaN();
    expect(toValue('-Infinity', { type: 'float' })).toBe(Number.NEGATIVE_INFINITY);
    failure(() => toValue('1', { type: 'double' }), 'INVALID_VALUE');
  });

  it('are parsed where they are JSON, with exact numbers', () => {
    const schema: ConnectSchema = { type: 'string', name: 'io.debezium.data.Json' };
    expect(toValue('{"a":[1,9007199254740993,0.12345678901234567890]}', schema)).toEqual({
      a: [1, 9_007_199_254_740_993n, '0.12345678901234567890'],
    });
    failure(() => toValue('{"card": 4111', schema), 'INVALID_JSON', '4111');
  });

  it('are text, bytes, lists and digits as they mean', () => {
    expect(toValue('a<b', { type: 'string', name: 'io.debezium.data.Xml' })).toBe('a<b');
    expect(toValue('Top.Science', { type: 'string', name: 'io.debezium.data.Ltree' })).toBe('Top.Science');
    expect(toValue('3q2+7w==', { type: 'bytes' })).toEqual(Uint8Array.of(0xde, 0xad, 0xbe, 0xef));
    expect(toValue(Buffer.from([1, 2]), { type: 'bytes' })).toEqual(Uint8Array.of(1, 2));
    expect(toValue('a,b', { type: 'string', name: 'io.debezium.data.EnumSet' })).toEqual(['a', 'b']);
    expect(toValue('', { type: 'string', name: 'io.debezium.data.EnumSet' })).toEqual([]);
    const bits: ConnectSchema = { type: 'bytes', name: 'io.debezium.data.Bits', parameters: { length: '10' } };
    expect(toValue(base64(0b1010_0101, 0b11), bits)).toBe('1110100101');
  });

  it('nest: arrays, maps, structs, geometry, vectors', () => {
    const days: ConnectSchema = { type: 'array', items: int32('io.debezium.time.Date') };
    expect(toValue([0, null, 1], days)).toEqual(['1970-01-01', null, '1970-01-02']);
    const map: ConnectSchema = { type: 'map', keys: { type: 'string' }, values: { type: 'int64' } };
    expect(toValue({ a: 1, ['__proto__']: 2 }, map)).toEqual(
      Object.fromEntries([
        ['a', 1],
        ['__proto__', 2],
      ]),
    );
    expect(toValue([[5, 0.5]], { type: 'map', keys: { type: 'int16' }, values: { type: 'double' } })).toEqual({
      5: 0.5,
    });
    const point: ConnectSchema = {
      type: 'struct',
      name: 'io.debezium.data.geometry.Point',
      fields: [
        { field: 'x', type: 'double' },
        { field: 'y', type: 'double' },
        { field: 'wkb', type: 'bytes', optional: true },
        { field: 'srid', type: 'int32', optional: true },
      ],
    };
    expect(toValue({ x: 1.5, y: -2, wkb: base64(1, 1), srid: null }, point)).toEqual({
      x: 1.5,
      y: -2,
      wkb: Uint8Array.of(1, 1),
      srid: null,
    });
    expect(
      toValue([0.25, 1], { type: 'array', items: { type: 'float' }, name: 'io.debezium.data.FloatVector' }),
    ).toEqual([0.25, 1]);
    failure(() => toValue([], { type: 'map' }), 'INVALID_SCHEMA');
    failure(() => toValue('x', days), 'INVALID_VALUE');
  });
});

describe('the unavailable value', () => {
  const text = '__debezium_unavailable_value';
  const bytes = [...Buffer.from(text)];
  const array = (items: ConnectSchema): ConnectSchema => ({ type: 'array', items });

  it.each<readonly [string, unknown, ConnectSchema]>([
    ['text', text, { type: 'string' }],
    ['json', text, { type: 'string', name: 'io.debezium.data.Json' }],
    ['bytes in JSON', Buffer.from(text).toString('base64'), { type: 'bytes' }],
    ['bytes in Avro', Buffer.from(text), { type: 'bytes' }],
    ['text[]', [text], array({ type: 'string' })],
    ['bytea[]', [Buffer.from(text).toString('base64')], array({ type: 'bytes' })],
    ['integer[]', bytes, array({ type: 'int32' })],
    ['bigint[] in Avro', bytes.map(BigInt), array({ type: 'int64' })],
    ['uuid[]', ['b68a35a7-17ad-35b3-af2a-ae46edb4545a'], array({ type: 'string', name: 'io.debezium.data.Uuid' })],
    ['numeric[]', bytes.map((byte) => base64(byte)), array(decimalSchema(0))],
    ['hstore as a map', { [text]: text }, { type: 'map', keys: { type: 'string' }, values: { type: 'string' } }],
    ['hstore as json', JSON.stringify({ [text]: text }), { type: 'string', name: 'io.debezium.data.Json' }],
    [
      'geometry',
      { wkb: Buffer.from('0101000020E6100000000000FC83D797C1000000FC83D797C1', 'hex').toString('base64'), srid: 4326 },
      { type: 'struct', fields: [] },
    ],
  ])('is a symbol as %s', (_, raw, schema) => {
    expect(toValue(raw, schema)).toBe(UNAVAILABLE);
  });

  it('is text where it is only a part', () => {
    expect(toValue(`${text} `, { type: 'string' })).toBe(`${text} `);
    expect(toValue([text, text], array({ type: 'string' }))).toEqual([text, text]);
    expect(toValue([bytes], array(array({ type: 'int32' })))).toEqual([bytes]);
    expect(toValue(`{"a":"${text}"}`, { type: 'string', name: 'io.debezium.data.Json' })).toEqual({ a: text });
  });

  it('may be another, also in hexadecimal', () => {
    expect(toValue('n/a', { type: 'string' }, { unavailableValue: 'n/a' })).toBe(UNAVAILABLE);
    expect(toValue('n/a', { type: 'string' }, { unavailableValue: 'hex:6e2f61' })).toBe(UNAVAILABLE);
    expect(toValue(text, { type: 'string' }, { unavailableValue: 'n/a' })).toBe(text);
  });
});
