import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { FreshetError, throwIfAborted } from '../../src/domain/errors.ts';
import type { Tokenizer } from '../../src/ports/chunker.ts';
import type { Embedder } from '../../src/ports/embedder.ts';
import { hashedFeatures } from './features.ts';
import { hashingTokenizer } from './tokenizer.ts';

const DIMENSIONS = 384;
const MAX_TEXT_TOKENS = 510;
const MAX_BATCH_TOKENS = 8192;
/** Texts between two looks at the clock and the signal: some milliseconds of work. */
const TEXTS_PER_TURN = 16;

export interface HashingEmbedder extends Embedder {
  /** Finds words and their variants, not meanings: whoever uses it must say so. */
  readonly lexicalOnly: true;
  readonly tokenizer: Tokenizer;
}

/**
 * The embedder of last resort: needs no model, no network and no memory, and is deterministic. Empty text has a unit vector of its
 * own, as the port wants one for every text.
 */
export function createHashingEmbedder(): HashingEmbedder {
  let disposed = false;
  return {
    fingerprint: `hashing-v1:lexical:${DIMENSIONS}`,
    dimensions: DIMENSIONS,
    maxTextTokens: MAX_TEXT_TOKENS,
    maxBatchTokens: MAX_BATCH_TOKENS,
    concurrency: 1,
    lexicalOnly: true,
    tokenizer: hashingTokenizer,

    async embed(texts, _kind, signal) {
      throwIfAborted(signal);
      if (disposed) throw new FreshetError('EMBED_DISPOSED', 'aborted', 'The embedder was shut down.');
      texts.forEach(refuseTooLong);
      const vectors: Float32Array[] = [];
      for (const text of texts) {
        if (vectors.length > 0 && vectors.length % TEXTS_PER_TURN === 0) {
          await yieldToOthers();
          throwIfAborted(signal);
        }
        vectors.push(hashedFeatures(text, DIMENSIONS));
      }
      return vectors;
    },

    [Symbol.asyncDispose]: () => {
      disposed = true;
      return Promise.resolve();
    },
  };
}

function refuseTooLong(text: string, index: number): void {
  const tokens = hashingTokenizer.count(text);
  if (tokens <= MAX_TEXT_TOKENS) return;
  throw new FreshetError(
    'EMBED_TEXT_TOO_LONG',
    'poison',
    `Text ${index} of the batch has ${tokens} tokens, more than the ${MAX_TEXT_TOKENS} of the hashing embedder. Cut it into shorter chunks.`,
    { details: { index, tokens, maxTextTokens: MAX_TEXT_TOKENS } },
  );
}
