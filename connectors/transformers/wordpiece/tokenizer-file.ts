import { z } from 'zod';
import { FreshetError } from '../../../src/domain/errors.ts';
import type { BertTextOptions } from './bert-text.ts';
import type { VocabularyOptions } from './vocabulary.ts';

/** What is read from `tokenizer.json` (format of the `tokenizers` library), for BERT-like models only. */
export interface TokenizerFile extends VocabularyOptions {
  readonly text: BertTextOptions;
  /** Tokens recognised in raw text before anything else, such as `[SEP]`, with their ids. */
  readonly added: ReadonlyMap<string, number>;
  /** Finds the added tokens; one capturing group, so that `split` keeps them. Not global: `test` has no state. */
  readonly addedPattern: RegExp | undefined;
  readonly special: { readonly start: number; readonly end: number; readonly padding: number };
}

const schema = z.object({
  added_tokens: z.array(
    z.object({
      id: z.number().int(),
      content: z.string().min(1),
      single_word: z.literal(false),
      lstrip: z.literal(false),
      rstrip: z.literal(false),
      normalized: z.literal(false),
    }),
  ),
  normalizer: z.object({
    type: z.literal('BertNormalizer'),
    clean_text: z.boolean(),
    handle_chinese_chars: z.boolean(),
    strip_accents: z.boolean().nullable(),
    lowercase: z.boolean(),
  }),
  pre_tokenizer: z.object({ type: z.literal('BertPreTokenizer') }),
  model: z.object({
    type: z.literal('WordPiece').optional(),
    unk_token: z.string(),
    continuing_subword_prefix: z.string().min(1),
    max_input_chars_per_word: z.number().int().positive(),
    vocab: z.record(z.string(), z.number().int().nonnegative()),
  }),
});

export function parseTokenizerFile(json: string, path: string): TokenizerFile {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (cause) {
    throw new FreshetError(
      'MODEL_INCOMPLETE',
      'fatal',
      `The model file ${path} is not valid JSON; it was probably not downloaded to its end. Delete the model folder and fetch it again.`,
      { cause },
    );
  }
  const checked = schema.safeParse(parsed);
  if (!checked.success) {
    const where = checked.error.issues[0]?.path.join('.') ?? 'the file';
    throw unsupported(path, `"${where}" is not what a BERT WordPiece tokenizer has`);
  }
  const { model, normalizer, added_tokens } = checked.data;
  const vocabulary = new Map(Object.entries(model.vocab));
  const added = new Map(added_tokens.map((token) => [token.content, token.id]));
  for (const [content, id] of added) vocabulary.set(content, id);
  const idOf = (token: string): number => {
    const id = vocabulary.get(token);
    if (id === undefined) throw unsupported(path, `the vocabulary has no ${token}`);
    return id;
  };
  return {
    vocabulary,
    unknownId: idOf(model.unk_token),
    continuationPrefix: model.continuing_subword_prefix,
    maxWordLength: model.max_input_chars_per_word,
    text: {
      cleanText: normalizer.clean_text,
      handleChineseChars: normalizer.handle_chinese_chars,
      lowercase: normalizer.lowercase,
      stripAccents: normalizer.strip_accents ?? normalizer.lowercase,
    },
    added,
    addedPattern: added.size === 0 ? undefined : alternatives([...added.keys()]),
    special: { start: idOf('[CLS]'), end: idOf('[SEP]'), padding: idOf('[PAD]') },
  };
}

function unsupported(path: string, why: string): FreshetError {
  return new FreshetError(
    'MODEL_UNSUPPORTED',
    'fatal',
    `The tokenizer in ${path} cannot be used: ${why}. Use a BERT-like model such as all-MiniLM-L6-v2.`,
  );
}

/** The longest first: RegExp takes the first alternative that fits, the tokenizer the longest token. */
function alternatives(tokens: readonly string[]): RegExp {
  const escaped = tokens
    .toSorted((a, b) => b.length - a.length)
    .map((token) => token.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`(${escaped.join('|')})`);
}
