import { basename, dirname } from 'node:path';
import { AutoTokenizer, env, type Tensor } from '@huggingface/transformers';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  createWordPieceTokenizer,
  type WordPieceTokenizer,
} from '../../../connectors/transformers/wordpiece/tokenizer.ts';

/** Characters at which tokenizers differ: case rules that look at neighbours, accents, ideographs, controls, halves of pairs, specials. */
const DELICATE = [
  ...'aZé9σςΣ.\'-_"[] \n\t\r漢豈の返ーが한กء',
  ...['e\u0301', 'İ', 'ﬁ', 'ß', 'ẞ', 'ǅ', '\u0345', 'ʼ', '’', '…', '\u0e48', '\u1100', '\u0130'],
  ...[
    '\u0000',
    '\u0007',
    '\u000b',
    '\u007f',
    '\u00a0',
    '\u00ad',
    '\u200b',
    '\u200d',
    '\u2028',
    '\u3000',
    '\ufeff',
    '\ufffd',
    '\u0378',
  ],
  ...['\ud83d', '\ude00', '😀', '👩‍👧', '\u{1d400}', '\u{20000}', '\u{2f81a}', '\ue000', '\u{f0000}'],
  ...['[SEP]', '[CLS]', '[PAD]', '[UNK]', '[sep]', '##a', 'the', 'invoice', 'x'.repeat(101), '漢'.repeat(30)],
];

export function describeWordPiece(name: string, folder: string): void {
  describe(`The WordPiece tokenizer of ${name}`, () => {
    let ours: WordPieceTokenizer;
    let theirs: (text: string) => number[];
    beforeAll(async () => {
      ours = createWordPieceTokenizer(folder);
      env.allowRemoteModels = false;
      env.localModelPath = `${dirname(folder)}/`;
      const tokenizer = await AutoTokenizer.from_pretrained(basename(folder), { local_files_only: true });
      theirs = (text) => {
        const { input_ids } = tokenizer(text, { add_special_tokens: false, truncation: false }) as {
          input_ids: Tensor;
        };
        return Array.from(input_ids.data as BigInt64Array, Number);
      };
    });

    const check = (text: string): void => {
      const ids = theirs(text);
      expect(ours.encode(text)).toEqual(ids);
      expect(ours.count(text)).toBe(ids.length);
    };

    it('gives the ids of transformers.js for any mix of delicate characters', () => {
      fc.assert(
        fc.property(fc.array(fc.constantFrom(...DELICATE), { maxLength: 24 }), (parts) => check(parts.join(''))),
        { numRuns: 1500 },
      );
    });

    it('gives the ids of transformers.js for any string at all', () => {
      fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 120 }), check), { numRuns: 500 });
      const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 80 });
      fc.assert(
        fc.property(units, (codes) => check(String.fromCharCode(...codes))),
        { numRuns: 500 },
      );
    });

    it('gives the ids of transformers.js for prose and code', () => {
      for (const text of [
        "Don't return the INVOICE No. 12-345/b before 2026-01-31 (see §4.2)…",
        'const x = a?.b ?? `${c}`; // naïve café — ΟΔΟΣ ΟΔΟΣ.',
        '返品は四十五日以内に受け付けます。退货须在四十五天内。',
        '# Heading\n\n| a | b |\n|---|---|\n| 1 | 2 |\n',
        '',
        ' \n ',
      ]) {
        check(text);
      }
    });

    it('cuts a long run of ideographs without changing its ids', () => {
      check(`${'返品は四十五日'.repeat(1500)}е\u0301${'字'.repeat(5000)}`);
    });

    it('stops soon after the limit it is given', () => {
      expect(ours.encode('the invoice '.repeat(100_000), 10).length).toBeLessThan(20);
      expect(ours.encode('返品'.repeat(100_000), 10).length).toBeLessThan(10_000);
    });

    it('gives the same answer when its memory of words has been turned over', () => {
      const before = ours.encode('the invoice naïve Σ.');
      for (let i = 0; i < 80_000; i++) ours.count(`word${i} wörd${i}`);
      expect(ours.encode('the invoice naïve Σ.')).toEqual(before);
    });
  });
}
