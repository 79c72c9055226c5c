import { createHash } from 'node:crypto';
import { hashingTokenizer } from '../../connectors/hashing/tokenizer.ts';
import type { Embedding } from '../../src/composition/embedding.ts';
import { throwIfAborted } from '../../src/domain/errors.ts';
import type { Embedder } from '../../src/ports/embedder.ts';
import { monotonicMs } from './statistics.ts';

const MS_PER_CALL = 4;
const MS_PER_TEXT = 2;
const DIMENSIONS = 384;

/**
 * An engine elsewhere, e.g. on a GPU, that serves one call at a time in 4 ms and 2 ms per text: it takes time and no processor. Timers of
 * Node are whole milliseconds late at worst, for everybody who uses it.
 */
export function createSyntheticEmbedder(): Embedder {
  let free = 0;
  return {
    fingerprint: 'bench:synthetic',
    dimensions: DIMENSIONS,
    maxTextTokens: 510,
    // Sixteen texts of ordinary length: an edit waits at most 36 ms for a batch of a backlog.
    maxBatchTokens: 2_048,
    concurrency: 1,
    async embed(texts, _kind, signal) {
      throwIfAborted(signal);
      const now = monotonicMs();
      free = Math.max(now, free) + MS_PER_CALL + MS_PER_TEXT * texts.length;
      await new Promise((resolve) => setTimeout(resolve, free - now));
      return texts.map(vectorOf);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Unit length, and the same for the same text. */
function vectorOf(text: string): Float32Array {
  const digest = createHash('sha256').update(text).digest();
  const values = Float32Array.from({ length: DIMENSIONS }, (_, at) => (digest[at % digest.length] ?? 0) - 127.5);
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}

export const syntheticEmbedding = (): Embedding => ({
  embedder: createSyntheticEmbedder(),
  tokenizer: hashingTokenizer,
  name: 'synthetic',
  lexicalOnly: false,
});
