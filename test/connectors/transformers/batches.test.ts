import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutBatches } from '../../../connectors/transformers/batches.ts';

describe('cutting batches', () => {
  it('puts texts of like length together, the longest first', () => {
    expect(cutBatches([5, 100, 6, 98], 200)).toEqual([
      [1, 3],
      [2, 0],
    ]);
  });

  it('sends a text beyond the limit alone', () => {
    expect(cutBatches([10, 900, 10], 512)).toEqual([[1], [0, 2]]);
  });

  it('makes no batch of nothing', () => {
    expect(cutBatches([], 512)).toEqual([]);
  });

  it('takes every text once, and only a single text may exceed the limit', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 510 })), fc.integer({ min: 1, max: 2048 }), (lengths, limit) => {
        const batches = cutBatches(lengths, limit);
        expect(batches.flat().toSorted((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
        for (const batch of batches) {
          const longest = Math.max(...batch.map((i) => lengths[i] ?? Number.NaN));
          expect(batch.length === 1 || batch.length * longest <= limit).toBe(true);
        }
      }),
    );
  });
});
