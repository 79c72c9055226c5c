import { describe, expect, it } from 'vitest';
import { UNCHANGED, type ColumnValue, type Row } from '../../src/domain/change.ts';
import { checkContract, requireContract, type ContractType, type TableContract } from '../../src/domain/contract.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import { tableId } from '../../src/domain/ids.ts';

const open = (columns: TableContract['columns']): TableContract => ({ columns, additional: 'allow' });

const FITS: Partial<Record<ContractType, readonly ColumnValue[]>> = {
  text: ['', 'x'],
  integer: [0, -5, 9_007_199_254_740_993n],
  bigint: [1, 2n],
  numeric: [1.5, 3n, '123.4500', '-0.1e-7', 'NaN'],
  number: [1.5, '2'],
  boolean: [true, false],
  date: ['2026-02-28', '12026-01-01', 'infinity'],
  time: ['13:14:15.123456', '13:14:15Z'],
  timestamp: ['2026-02-28T13:14:15.123456Z', '2026-02-28T13:14:15'],
  uuid: ['6f0f3c1e-5b1a-4b0e-9d53-2f6f8a0f5b11'],
  json: [{ a: [1, null] }, [1], 'x', 1, true],
  bytes: [new Uint8Array([1])],
  array: [[], [1, 'x']],
  'text[]': [[], ['x', null], [['x'], ['y']]],
  'integer[]': [[1, 2n]],
};

const BREAKS: Partial<Record<ContractType, readonly ColumnValue[]>> = {
  text: [1, true, ['x'], new Uint8Array()],
  integer: [1.5, '1', true, NaN],
  numeric: ['1.2.3', 'abc', true],
  boolean: ['true', 1],
  date: [20_512, '2026-2-3', '2026-02-28T00:00:00Z'],
  timestamp: [1_772_284_455_123_456, '2026-02-28'],
  uuid: ['x', '6f0f3c1e5b1a4b0e9d532f6f8a0f5b11'],
  json: [new Uint8Array()],
  bytes: ['3q2+7w=='],
  array: ['x', {}],
  'text[]': ['x', [1], [['x'], [2]]],
};

describe('a contract', () => {
  it('takes values of its types as sources decode them', () => {
    for (const [type, values] of Object.entries(FITS) as [ContractType, readonly ColumnValue[]][]) {
      for (const value of values)
        expect([type, checkContract({ c: value }, open({ c: { type } }))]).toEqual([type, []]);
    }
  });

  it('refuses values of other types, naming the column and the kind, never the value', () => {
    for (const [type, values] of Object.entries(BREAKS) as [ContractType, readonly ColumnValue[]][]) {
      for (const value of values) {
        expect(checkContract({ c: value }, open({ c: { type } }))).toMatchObject([{ column: 'c', expected: type }]);
      }
    }
  });

  it('takes NULL unless it is told not to, and misses a column that is not there', () => {
    const contract = open({ a: { type: 'text' }, b: { type: 'text', nullable: false } });
    expect(checkContract({ a: null, b: null }, contract)).toEqual([
      { column: 'b', expected: 'text and not NULL', came: 'NULL' },
    ]);
    expect(checkContract({ b: 'x' }, contract)).toMatchObject([
      { column: 'a', came: 'nothing: the column is missing' },
    ]);
  });

  it('lets a value pass that the source left out because it did not change', () => {
    expect(checkContract({ a: UNCHANGED }, open({ a: { type: 'text', nullable: false, maxLength: 1 } }))).toEqual([]);
  });

  it('refuses columns that it does not name where it says so', () => {
    const contract: TableContract = { columns: { a: {} }, additional: 'reject' };
    expect(checkContract({ a: 1, toString: 'x' }, contract)).toMatchObject([{ column: 'toString', came: 'text' }]);
    expect(checkContract({ a: 1, b: 2 }, { ...contract, additional: 'allow' })).toEqual([]);
  });

  it('counts characters, not UTF-16 units', () => {
    const contract = open({ a: { type: 'text', maxLength: 2 } });
    expect(checkContract({ a: '🚀🚀' }, contract)).toEqual([]);
    expect(checkContract({ a: '🚀🚀🚀' }, contract)).toHaveLength(1);
    expect(checkContract({ a: 'abcde' }, contract)).toHaveLength(1);
  });

  it('keeps to an enum', () => {
    const contract = open({ a: { enum: ['draft', 'live'] } });
    expect(checkContract({ a: 'live' }, contract)).toEqual([]);
    expect(checkContract({ a: 'gone' }, contract)).toEqual([
      { column: 'a', expected: 'one of the 2 values of its enum', came: 'another' },
    ]);
  });

  it('breaks as poison that says which columns, and holds nothing of the row', () => {
    const row: Row = { secret: 'jane.roe@example.com', n: 'x' };
    const contract = open({ secret: { type: 'integer' }, n: { type: 'number' }, gone: {} });
    let error: unknown;
    try {
      requireContract(row, contract, tableId('app.public.people'));
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(FreshetError);
    expect(error).toMatchObject({
      code: 'CONTRACT_VIOLATED',
      kind: 'poison',
      details: { table: 'app.public.people', column: 'secret', violations: 3 },
    });
    expect((error as Error).message).toContain('column "secret" must be integer, came text; column "n" must be number');
    expect((error as Error).message).not.toContain('jane');
  });
});
