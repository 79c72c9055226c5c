import { describe, expect, test } from 'vitest';
import { hit, mean, ndcg, recall, reciprocalRank } from '../../eval/retrieval/metrics.ts';

const relevant = new Set(['a', 'b', 'c']);

describe('recall', () => {
  test('is the share of all relevant documents that are among the first', () => {
    expect(recall(['x', 'a', 'y', 'b'], relevant, 4)).toBeCloseTo(2 / 3);
    expect(recall(['x', 'a', 'y', 'b'], relevant, 3)).toBeCloseTo(1 / 3);
    expect(recall(['x', 'a', 'y', 'b'], relevant, 1)).toBe(0);
  });

  test('is 0 where nothing is relevant or nothing was found', () => {
    expect(recall(['a'], new Set(), 10)).toBe(0);
    expect(recall([], relevant, 10)).toBe(0);
  });
});

describe('nDCG', () => {
  test('is 1 for any order of the relevant documents before all others', () => {
    expect(ndcg(['c', 'a', 'b', 'x'], relevant, 10)).toBeCloseTo(1);
  });

  test('discounts a later place by the logarithm', () => {
    // (1 / log2(3) + 1 / log2(5)) / (1 / log2(2) + 1 / log2(3) + 1 / log2(4)), worked out by hand.
    expect(ndcg(['x', 'a', 'y', 'b'], relevant, 10)).toBeCloseTo((0.63093 + 0.43068) / (1 + 0.63093 + 0.5), 4);
  });

  test('compares with the best that fits into the depth', () => {
    expect(ndcg(['a', 'b'], relevant, 2)).toBeCloseTo(1);
    expect(ndcg(['x', 'y', 'a'], relevant, 2)).toBe(0);
    expect(ndcg(['a'], new Set(), 10)).toBe(0);
  });
});

describe('hit and reciprocal rank', () => {
  test('look at the first relevant document only', () => {
    const ranking = ['x', 'y', 'b', 'a'];
    expect(reciprocalRank(ranking, relevant)).toBeCloseTo(1 / 3);
    expect([1, 2, 3].map((depth) => hit(ranking, relevant, depth))).toEqual([0, 0, 1]);
  });

  test('are 0 without a relevant document', () => {
    expect(reciprocalRank(['x'], relevant)).toBe(0);
    expect(hit(['x'], relevant, 10)).toBe(0);
  });
});

test('the mean of measures is their plain average over questions', () => {
  expect(mean([0, 0.5, 1])).toBe(0.5);
});
