import { FreshetError } from '../../../src/domain/errors.ts';
import type { Redacted } from '../../../src/domain/document.ts';
import { createTransformersEmbedder } from '../embedder.ts';
import type { References } from '../known-model.ts';
import type { LocalModel } from '../model.ts';

const COMPONENT_TOLERANCE = 1e-5;
const COSINE_TOLERANCE = 1e-3;

/**
 * Embeds a few sentences and compares them with recorded vectors: right bytes on the wrong runtime would otherwise go unnoticed and
 * only show as bad answers. Throws MODEL_WRONG_VECTORS (fatal).
 */
export async function checkReferences(model: LocalModel, references: References, signal: AbortSignal): Promise<void> {
  await using embedder = await createTransformersEmbedder({ model, workers: 1 });
  // Fixed sentences of ours, nobody's data: nothing to redact.
  const texts = references.texts as readonly string[] as readonly Redacted<string>[];
  const vectors = await embedder.embed(texts, 'document', signal);
  const [first] = vectors;
  const componentsAgree = references.firstComponents.every(
    (expected, i) => Math.abs((first?.[i] ?? Number.NaN) - expected) < COMPONENT_TOLERANCE,
  );
  const cosinesAgree = references.cosines.every(
    (expected, i) => Math.abs(dot(first, vectors[i]) - expected) < COSINE_TOLERANCE,
  );
  if (componentsAgree && cosinesAgree) return;
  throw new FreshetError(
    'MODEL_WRONG_VECTORS',
    'fatal',
    `The model in ${model.folder} computes other vectors on this machine than recorded. Use --embedder hashing, and report this with your CPU.`,
  );
}

function dot(a: Float32Array | undefined, b: Float32Array | undefined): number {
  return a === undefined || b === undefined
    ? Number.NaN
    : a.reduce((sum, value, i) => sum + value * (b[i] ?? Number.NaN), 0);
}
