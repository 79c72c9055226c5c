import type { Redacted } from '../domain/document.ts';

/**
 * Text in, unit vectors out.
 *
 * - Order and count: one vector per text, in the order given. Vectors are L2-normalised, `dimensions` long.
 * - The same text gives the same vector alone or in a batch, within 1e-5 per component.
 * - Limits: at most `maxBatchTokens` padded tokens per call (count × longest); `maxTextTokens` per text, longer text is refused as poison.
 * - `concurrency` calls may run at once; more only queue inside.
 * - Errors: `transient` when the engine is away, `poison` when it refuses this batch (the caller halves it to find the culprit),
 *   `aborted` on cancellation.
 */
export interface Embedder extends AsyncDisposable {
  /** Covers everything that shapes a vector: model, revision, dtype, pooling, prefixes, dimensions. */
  readonly fingerprint: string;
  readonly dimensions: number;
  readonly maxTextTokens: number;
  readonly maxBatchTokens: number;
  readonly concurrency: number;
  embed(
    texts: readonly Redacted<string>[],
    kind: 'document' | 'query',
    signal: AbortSignal,
  ): Promise<readonly Float32Array[]>;
}
