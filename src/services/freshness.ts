import type { EmbedQueue } from '../ingest/embed-queue.ts';
import type { ChangeFeed } from '../observability/change-feed.ts';
import type { Clock } from '../ports/clock.ts';
import type { DeadLetters } from '../ports/dead-letters.ts';
import type { Index } from '../ports/index-store.ts';
import type { SourceFreshness } from '../ports/source.ts';
import type { LiveSource } from './live-source.ts';
import type { FreshnessService } from './services.ts';
import { agesOf, oldestAsOf } from './source-freshness.ts';
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

  const statesOfSources = (): Promise<readonly SourceFreshness[]> =>
    Promise.all(sources().map(({ source }) => source.freshness()));

  const readiness = (states: readonly SourceFreshness[]): { ready: boolean; reasons: readonly string[] } => {
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
      // Asked once: what the report says of readiness, age and sources is of one moment.
      const states = await statesOfSources();
      const { ready } = readiness(states);
      return {
        now,
        ready,
        asOf: oldestAsOf(agesOf(states), now).asOf,
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
    ready: async () => readiness(await statesOfSources()),
    recent: (tenant, limit) => feed.recent(tenant, limit),
    subscribe: (tenant, listener) => feed.subscribe(tenant, listener),
  };
}
