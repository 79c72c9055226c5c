import { setMaxListeners } from 'node:events';
import type { FreshetConfig } from '../config/index.ts';
import { canonicalJson } from '../domain/canonical-json.ts';
import { createEmbedQueue, type EmbedQueue } from '../ingest/embed-queue.ts';
import type { Observer } from '../observability/events.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Embedding } from './embedding.ts';

/** An embedding engine and the queue in front of it, for as long as its user wants it. */
export interface LeasedEmbedding {
  readonly embedding: Embedding;
  readonly queue: EmbedQueue;
  release(): Promise<void>;
}

export interface Embeddings {
  lease(config: FreshetConfig['embedder']): Promise<LeasedEmbedding>;
}

interface Shared {
  readonly opened: Promise<Omit<LeasedEmbedding, 'release'> & { close(): Promise<void> }>;
  users: number;
}

/**
 * Indexes with the same embedder share one engine and one queue: a model is in memory once, and the backfill of a new index waits behind
 * the edits of the live one.
 */
export function createEmbeddings(
  open: (config: FreshetConfig['embedder']) => Promise<Embedding>,
  observer: Observer,
): Embeddings {
  const shared = new Map<string, Shared>();

  const start = async (config: FreshetConfig['embedder']) => {
    const embedding = await open(config);
    const { embedder } = embedding;
    const life = new AbortController();
    setMaxListeners(0, life.signal);
    const clock = systemClock;
    const queue = createEmbedQueue({ embedder, clock, observer, random: Math.random, signal: life.signal });
    const close = async (): Promise<void> => {
      life.abort();
      await embedder[Symbol.asyncDispose]();
    };
    return { embedding, queue, close };
  };

  return {
    async lease(config) {
      const key = canonicalJson(config);
      let entry = shared.get(key);
      if (entry === undefined) shared.set(key, (entry = { opened: start(config), users: 0 }));
      const mine = entry;
      mine.users += 1;
      let isReleased = false;
      const release = async (): Promise<void> => {
        if (isReleased) return;
        isReleased = true;
        mine.users -= 1;
        if (mine.users > 0) return;
        shared.delete(key);
        await mine.opened.then(({ close }) => close());
      };
      try {
        const { embedding, queue } = await mine.opened;
        return { embedding, queue, release };
      } catch (error) {
        shared.delete(key);
        throw error;
      }
    },
  };
}
