import { createHashingEmbedder } from '../../connectors/hashing/embedder.ts';
import type { Embedding } from '../../src/composition/embedding.ts';

/** Another model than the hashing embedder's, as far as an index can tell: of other dimensions, and with its own fingerprint. */
export function smallEmbedding(dimensions: number): Embedding {
  const whole = createHashingEmbedder();
  const name = `small-${dimensions}`;
  return {
    name,
    lexicalOnly: false,
    tokenizer: whole.tokenizer,
    embedder: {
      ...whole,
      fingerprint: `test:${name}`,
      dimensions,
      embed: async (texts, kind, signal) =>
        (await whole.embed(texts, kind, signal)).map((vector) => cut(vector, dimensions)),
      [Symbol.asyncDispose]: () => whole[Symbol.asyncDispose](),
    },
  };
}

/** Folded onto fewer dimensions, of unit length again. */
function cut(vector: Float32Array, dimensions: number): Float32Array {
  const folded = new Float32Array(dimensions);
  vector.forEach((value, at) => (folded[at % dimensions]! += value));
  const length = Math.hypot(...folded) || 1;
  return folded.map((value) => value / length);
}
