import { ExactNumber, parseJson } from 'debezium-ts-types';
import type { JsonValue } from 'debezium-ts-types';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { failure } from './support.ts';

/** What JSON.parse would have made of it. */
function asDoubles(value: JsonValue): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(asDoubles);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, asDoubles(one as JsonValue)]));
}

describe('JSON without loss', () => {
  it('keeps integers exactly: a number as far as it is safe, a bigint beyond', () => {
    expect(parseJson('[0,-0,7,-7,999999999999999,9007199254740991,-9007199254740991]')).toEqual([
      0, -0, 7, -7, 999_999_999_999_999, 9_007_199_254_740_991, -9_007_199_254_740_991,
    ]);
    expect(parseJson('[9007199254740992,9007199254740993,-9007199254740993,1790000000123456789]')).toEqual([
      9_007_199_254_740_992n,
      9_007_199_254_740_993n,
      -9_007_199_254_740_993n,
      1_790_000_000_123_456_789n,
    ]);
  });

  it('keeps a decimal as a number only where a double holds it, else as it was written', () => {
    expect(parseJson('[1.5,0.1,1e3,2.0E-3,1.7976931348623157e308,0.30000000000000004,100.00]')).toEqual([
      1.5,
      0.1,
      1000,
      0.002,
      1.797_693_134_862_315_7e308,
      0.1 + 0.2,
      100,
    ]);
    for (const text of ['0.12345678901234567890', '1e400', '1e-400', '12345678901234567890.5', '1.2345e-320']) {
      expect(parseJson(text)).toEqual(new ExactNumber(text));
    }
  });

  it('reads whatever JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const text = JSON.stringify(value);
        expect(asDoubles(parseJson(text))).toEqual(JSON.parse(text));
        expect(asDoubles(parseJson(new TextEncoder().encode(JSON.stringify(value, null, 2))))).toEqual(
          JSON.parse(text),
        );
      }),
    );
  });

  it('reads every 64-bit integer back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n }), (value) => {
        const { n } = parseJson(`{"n":${value}}`) as { readonly n: number | bigint };
        expect(BigInt(n)).toBe(value);
        expect(typeof n).toBe(Number.isSafeInteger(Number(value)) ? 'number' : 'bigint');
      }),
    );
  });

  it('refuses what JSON.parse refuses, and takes what it takes', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '"a"',
      '1',
      '-',
      '0',
      '.5',
      'e1',
      'true',
      'null',
      ' ',
      '\\',
      '\u0007',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('');
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          failure(() => parseJson(text), 'INVALID_JSON');
          return;
        }
        expect(parseJson(text)).toEqual(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it('takes __proto__ and constructor as keys like any other', () => {
    const parsed = parseJson('{"__proto__":{"polluted":true},"constructor":1}') as Record<string, unknown>;
    expect(Object.keys(parsed)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype);
    expect(parsed['polluted']).toBeUndefined();
  });

  it('lets the last of equal keys count, as JSON.parse and PostgreSQL’s jsonb do', () => {
    expect(parseJson('{"a":1,"a":2}')).toEqual({ a: 2 });
  });

  it('skips a byte order mark, and refuses bytes that are not UTF-8 instead of replacing them', () => {
    expect(parseJson(Uint8Array.of(0xef, 0xbb, 0xbf, 0x37))).toBe(7);
    failure(() => parseJson(Uint8Array.of(0x22, 0xc3, 0x28, 0x22)), 'INVALID_UTF8');
    failure(() => parseJson(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22)), 'INVALID_UTF8');
  });

  it('refuses nesting without end before the stack ends, and numbers without end', () => {
    failure(() => parseJson('['.repeat(1_000_000)), 'TOO_DEEP');
    failure(() => parseJson('{"a":'.repeat(1_000_000)), 'TOO_DEEP');
    failure(() => parseJson('9'.repeat(1_000_000)), 'INVALID_JSON');
    expect(parseJson('['.repeat(200) + ']'.repeat(200))).toBeInstanceOf(Array);
  });

  it('says where, and never what', () => {
    const failed = failure(() => parseJson('{"name":"Jane Roe", oops}'), 'INVALID_JSON', 'Jane');
    expect(failed.message).toContain('character 20');
    expect(failed.message).not.toContain('oops');
  });
});
