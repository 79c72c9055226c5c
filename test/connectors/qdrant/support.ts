import { randomUUID } from 'node:crypto';
import { openQdrantIndex, type QdrantIndex } from '../../../connectors/qdrant/index.ts';
import type { QdrantIndexOptions } from '../../../connectors/qdrant/options.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import type { IndexContext } from '../../contracts/index-context.ts';

export interface QdrantContext extends IndexContext {
  readonly index: QdrantIndex;
  readonly collection: string;
}

export const freshName = (): string => `test-${randomUUID().slice(0, 13)}`;

export async function removeCollection(url: string, name: string): Promise<void> {
  await fetch(`${url}/collections/${name}`, { method: 'DELETE' });
}

export async function openTestIndex(
  url: string,
  options: Partial<QdrantIndexOptions> & { readonly dimensions: number },
): Promise<QdrantContext> {
  const collection = options.collection ?? freshName();
  const index = await openQdrantIndex({
    ...{ url, collection, embedderFingerprint: 'test-embedder', clock: systemClock },
    ...options,
  });
  return {
    index,
    collection,
    lexical: { stems: true, segments: true },
    async [Symbol.asyncDispose]() {
      await index[Symbol.asyncDispose]();
      await removeCollection(url, collection);
    },
  };
}
