import type { EmbedQueue } from '../ingest/embed-queue.ts';
import type { ChangeFeed } from '../observability/change-feed.ts';
import type { Clock } from '../ports/clock.ts';
import type { DeadLetters } from '../ports/dead-letters.ts';
import type { Index } from '../ports/index-store.ts';
import type { LiveSource } from './live-source.ts';
import type { FreshnessService } from './services.ts';
import { oldestAsOf, sourceFreshness } from './source-freshness.ts';
import { coveredToken } from './tokens.ts';

export function createFreshnessService(deps: {
  readonly index: Index;
  readonly sources: () => readonly LiveSource[];
  readonly embedQueue: EmbedQueue;
  readonly lexicalOnly: boolean;
  readonly modelName: string;
  readonly deadLetters: DeadLetters;
  readonly feed: ChangeFeed;
  readonly clock: Clock;
}): FreshnessService {
  const { index, sources, embedQueue, deadLetters, feed, clock } = deps;

  const readiness = async (): Promise<{ ready: boolean; reasons: readonly string[] }> => {
    const states = await Promise.all(sources().map(({ source }) => source.freshness()));
    const reasons = states
      .filter((state) => !state.snapshotFinished)
      .map((state) => {
        const open = state.snapshots.filter((snapshot) => !snapshot.finished);
        const rows = open.reduce((sum, snapshot) => sum + snapshot.rowsRead, 0);
        return `The first copy of source "${state.source}" is not finished (${rows} rows read).`;
      });
    return { ready: reasons.length === 0, reasons };
  };

  return {
    async report(signal) {
      const now = clock.now();
      const states = await Promise.all(sources().map(({ source }) => source.freshness()));
      const ages = await Promise.all(sources().map(sourceFreshness));
      const { ready } = await readiness();
      return {
        now,
        ready,
        asOf: oldestAsOf(ages, now).asOf,
        token: coveredToken(sources()),
        sources: states,
        commitToVisible: feed.commitToVisible(),
        deadLetters: await deadLetters.count(),
        embedder: {
          fingerprint: embedQueue.fingerprint,
          name: deps.modelName,
          lexicalOnly: deps.lexicalOnly,
          down: embedQueue.down,
        },
        index: await index.stats(signal),
      };
    },
    ready: readiness,
    recent: (tenant, limit) => feed.recent(tenant, limit),
    subscribe: (tenant, listener) => feed.subscribe(tenant, listener),
  };
}
