import type { DocumentId } from '../../domain/ids.ts';
import type { EmbedQueue } from '../../ingest/embed-queue.ts';
import type { StoredChunk } from '../../ports/index-store.ts';

/** Two runs of one model on one text differ by rounding alone. */
const COSINE_MIN = 0.999;

/** Embeds chunks anew: the ids of the documents of which a stored vector is not its text's. */
export async function wrongVectors(
  { embedQueue, tokensOf }: { readonly embedQueue: EmbedQueue; readonly tokensOf: (text: string) => number },
  chunks: readonly StoredChunk[],
  signal: AbortSignal,
): Promise<ReadonlySet<DocumentId>> {
  if (chunks.length === 0) return new Set();
  const inputs = chunks.map(({ text }) => ({ text, tokens: tokensOf(text) }));
  const vectors = await embedQueue.embedDocument(inputs, 'backfill', signal);
  const wrong = chunks.filter((chunk, at) => cosine(chunk.vector, vectors[at]) < COSINE_MIN);
  return new Set(wrong.map((chunk) => chunk.document));
}

/** Cosine of two unit vectors; of different or no lengths it is −1. */
function cosine(a: Float32Array | undefined, b: Float32Array | undefined): number {
  if (a === undefined || b === undefined || a.length !== b.length) return -1;
  return a.reduce((sum, value, at) => sum + value * (b[at] as number), 0);
}
