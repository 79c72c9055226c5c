import { describe, expect, it } from 'vitest';
import { meanPool } from '../../../connectors/transformers/pooling.ts';

describe('pooling', () => {
  it('averages the tokens of each row, leaves the padding out, and normalises', () => {
    const hidden = Float32Array.of(3, 0, 3, 8, /* row 2: one token, one of padding */ 0, 5, 100, 100);
    const [first, second] = meanPool(hidden, Int32Array.of(2, 1), 2, 2);
    expect(first?.[0]).toBeCloseTo(0.6, 6);
    expect(first?.[1]).toBeCloseTo(0.8, 6);
    expect([...(second ?? [])]).toEqual([0, 1]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 0])('refuses a row of %s', (value) => {
    expect(() => meanPool(Float32Array.of(value, value), Int32Array.of(1), 1, 2)).toThrow('without a direction');
  });
});
