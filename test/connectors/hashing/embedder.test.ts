import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHashingEmbedder } from '../../../connectors/hashing/embedder.ts';
import { hashedFeatures } from '../../../connectors/hashing/features.ts';
import { hashingTokenizer } from '../../../connectors/hashing/tokenizer.ts';
import { describeEmbedder } from '../../contracts/embedder.contract.ts';

describeEmbedder('The hashing embedder', () => Promise.resolve(createHashingEmbedder()));

const cosine = (a: string, b: string): number => {
  const [left, right] = [hashedFeatures(a, 384), hashedFeatures(b, 384)];
  return left.reduce((sum, value, i) => sum + value * (right[i] ?? Number.NaN), 0);
};

describe('the hashing embedder', () => {
  it('says in its fingerprint and its type that it is lexical only', () => {
    const embedder = createHashingEmbedder();
    expect(embedder.fingerprint).toBe('hashing-v1:lexical:384');
    expect(embedder.lexicalOnly).toBe(true);
  });

  it('never changes its vectors without a new version in the fingerprint', () => {
    const strongest = [...hashedFeatures('Returns are accepted within 45 days.', 384)]
      .map((value, at) => ({ at, value: Number(value.toFixed(4)) }))
      .toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value))
      .slice(0, 4);
    expect(strongest).toMatchInlineSnapshot(`
      [
        {
          "at": 9,
          "value": 0.2982,
        },
        {
          "at": 117,
          "value": 0.2982,
        },
        {
          "at": 167,
          "value": -0.2982,
        },
        {
          "at": 333,
          "value": -0.2982,
        },
      ]
    `);
  });

  it('puts texts with the same words near, inflected and misspelt ones less so, others far', () => {
    const query = 'refund policy for returns';
    expect(cosine(query, 'Our policy for returns and refund')).toBeGreaterThan(0.7);
    expect(cosine('returning', 'returned')).toBeGreaterThan(0.15);
    expect(cosine('accommodation', 'acommodation')).toBeGreaterThan(0.15);
    expect(Math.abs(cosine(query, 'kernel threads preempt each other'))).toBeLessThan(0.2);
  });

  it('takes case and compatibility forms as the same', () => {
    expect(cosine('ＦＵＬＬ ﬁnance', 'full finance')).toBeCloseTo(1, 5);
  });

  it('finds a word inside a run of ideographs', () => {
    expect(cosine('返品', '返品は四十五日以内')).toBeGreaterThan(cosine('配送', '返品は四十五日以内') + 0.1);
  });

  it('gives every text a unit vector', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const vector = hashedFeatures(text, 384);
        expect(vector.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 5);
      }),
    );
  });
});

describe('the hashing tokenizer', () => {
  it.each([
    ['', 0],
    ['  \n', 0],
    ['two words', 2],
    ['stop.', 2],
    ['返品は', 3],
    ['x'.repeat(120), 10],
    ['don’t', 3],
  ])('counts %j as %i tokens', (text, tokens) => {
    expect(hashingTokenizer.count(text)).toBe(tokens);
  });
});
