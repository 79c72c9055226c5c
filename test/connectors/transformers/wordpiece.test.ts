import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseTokenizerFile } from '../../../connectors/transformers/wordpiece/tokenizer-file.ts';
import { TINY_BERT } from './tiny-model.ts';
import { describeWordPiece } from './wordpiece.suite.ts';

describeWordPiece('a tiny model', TINY_BERT);
const realModel = process.env['FRESHET_MODEL_PATH'];
if (realModel !== undefined) describeWordPiece('the model in FRESHET_MODEL_PATH', realModel);

describe('reading tokenizer.json', () => {
  const path = join(TINY_BERT, 'tokenizer.json');
  const json = readFileSync(path, 'utf8');
  const changed = (change: (file: Record<string, Record<string, unknown>>) => void): string => {
    const file = JSON.parse(json) as Record<string, Record<string, unknown>>;
    change(file);
    return JSON.stringify(file);
  };

  it('names the file when it was cut off', () => {
    expect(() => parseTokenizerFile(json.slice(0, -100), path)).toThrow(
      expect.objectContaining({ code: 'MODEL_INCOMPLETE' }),
    );
    expect(() => parseTokenizerFile(json.slice(0, -100), path)).toThrow(path);
  });

  it.each<[string, (file: Record<string, Record<string, unknown>>) => void]>([
    ['another algorithm', (file) => Object.assign(file['model'] ?? {}, { type: 'Unigram' })],
    ['another pre-tokenizer', (file) => Object.assign(file['pre_tokenizer'] ?? {}, { type: 'ByteLevel' })],
    [
      'a vocabulary without the special tokens',
      (file) => Object.assign(file, { added_tokens: [], model: { ...file['model'], vocab: { '[UNK]': 0 } } }),
    ],
  ])('refuses %s', (_, change) => {
    expect(() => parseTokenizerFile(changed(change), path)).toThrow(
      expect.objectContaining({ code: 'MODEL_UNSUPPORTED' }),
    );
  });
});
