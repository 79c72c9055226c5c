import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { FreshetEvent, StageTimes } from './events.ts';
import { codeLabel, nameLabel, wordLabel } from './labels.ts';

/** From a warm edit on a laptop (milliseconds) to catching up after an outage (minutes). */
const FRESHNESS_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];
const WORK_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** The counters and histograms that events drive. */
export function createMetrics(registry: Registry): { record(event: FreshetEvent): void } {
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> =>
    new Counter({ name, help, labelNames: [...labelNames], registers });
  const histogram = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    buckets: readonly number[],
  ): Histogram<Label> => new Histogram({ name, help, labelNames: [...labelNames], buckets: [...buckets], registers });

  const commitToVisible = histogram(
    'freshet_commit_to_visible_seconds',
    'From the commit at the source to searchable, per streamed change.',
    ['source'],
    FRESHNESS_BUCKETS,
  );
  const stage = histogram(
    'freshet_stage_seconds',
    'The same split by stage: receive, redact, embed (with chunking and waiting for the batch), index.',
    ['source', 'stage'],
    FRESHNESS_BUCKETS,
  );
  const changes = counter('freshet_changes_total', 'Changes settled, by outcome.', ['source', 'outcome', 'snapshot']);
  const deadLetters = counter('freshet_dead_letters_total', 'Changes put into the dead letters.', [
    'source',
    'stage',
    'code',
  ]);
  const chunksEmbedded = counter('freshet_chunks_embedded_total', 'Chunks embedded.', ['source']);
  const chunksKept = counter('freshet_chunks_kept_total', 'Chunks that an update kept, vector and all.', ['source']);
  const tokensEmbedded = counter('freshet_tokens_embedded_total', 'Tokens embedded, without special tokens.', [
    'source',
  ]);
  const retries = counter('freshet_retries_total', 'Attempts that failed for now.', ['what', 'code']);
  const outages = counter('freshet_outages_total', 'Times a component went away.', ['what']);
  const outageSeconds = counter(
    'freshet_outage_seconds_total',
    'How long components were away, counted when they come back.',
    ['what'],
  );
  const away = new Gauge({
    name: 'freshet_away',
    help: '1 while a component is away.',
    labelNames: ['what'],
    registers,
  });
  const embedBatch = histogram(
    'freshet_embed_batch_seconds',
    'Time per batch of the embedding model.',
    [],
    WORK_BUCKETS,
  );
  const embedTexts = histogram('freshet_embed_batch_texts', 'Texts per batch.', [], [1, 2, 4, 8, 16, 32, 64]);
  const embedTokens = counter('freshet_embed_batch_tokens_total', 'Tokens given to the model.', []);
  const embedQueue = new Gauge({ name: 'freshet_embed_queue_texts', help: 'Texts that wait for a batch.', registers });
  const commits = counter('freshet_commits_total', 'Positions committed.', ['source']);
  const sourceEvents = counter('freshet_source_events_total', 'What sources had to say.', ['source', 'level', 'code']);
  const snapshotRows = new Gauge({
    name: 'freshet_snapshot_rows',
    help: 'Rows read by the first copy.',
    labelNames: ['table'],
    registers,
  });
  const search = histogram('freshet_search_seconds', 'Time to answer a query.', ['mode', 'degraded'], WORK_BUCKETS);
  const searchHits = histogram('freshet_search_hits', 'Results per query.', ['mode'], [0, 1, 5, 10, 20, 50, 100]);
  const swept = counter('freshet_swept_total', 'Records the sweeper deleted.', ['what']);

  const source = nameLabel();
  const table = nameLabel();
  const code = codeLabel();
  const word = wordLabel();

  const record = (event: FreshetEvent): void => {
    switch (event.type) {
      case 'document-received':
      case 'document-redacted':
      case 'document-embedded':
        return; // Their times come again with the document's last event.
      case 'document-visible':
      case 'document-deleted': {
        const labels = { source: source.of(event.source) };
        chunksEmbedded.inc(labels, event.chunksEmbedded);
        chunksKept.inc(labels, Math.max(0, event.chunksTotal - event.chunksEmbedded));
        tokensEmbedded.inc(labels, event.tokensEmbedded);
        // What a snapshot reads was committed long ago: its age says nothing of how fast we are.
        if (event.snapshot) return;
        const total = secondsBetween(event.times.committed, event.times.visible);
        if (total !== undefined) commitToVisible.observe(labels, total);
        for (const [name, took] of stagesOf(event.times)) stage.observe({ ...labels, stage: name }, took);
        return;
      }
      case 'change-settled':
        changes.inc({ source: source.of(event.source), outcome: event.outcome, snapshot: String(event.snapshot) });
        return;
      case 'dead-lettered':
        deadLetters.inc({ source: source.of(event.source), stage: word.of(event.stage), code: code.of(event.code) });
        return;
      case 'retry':
        retries.inc({ what: word.of(event.what), code: code.of(event.code) });
        return;
      case 'outage-began':
        outages.inc({ what: word.of(event.what) });
        away.set({ what: word.of(event.what) }, 1);
        return;
      case 'outage-ended':
        outageSeconds.inc({ what: word.of(event.what) }, Math.max(0, event.forMs) / 1000);
        away.set({ what: word.of(event.what) }, 0);
        return;
      case 'embed-batch':
        embedBatch.observe(event.ms / 1000);
        embedTexts.observe(event.texts);
        embedTokens.inc(event.tokens);
        embedQueue.set(event.queued);
        return;
      case 'committed':
        commits.inc({ source: source.of(event.source) });
        return;
      case 'source':
        sourceEvents.inc({ source: source.of(event.source), level: event.level, code: code.of(event.code) });
        return;
      case 'snapshot-progress':
        snapshotRows.set({ table: table.of(event.table) }, event.rows);
        return;
      case 'search':
        search.observe({ mode: word.of(event.mode), degraded: String(event.degraded) }, event.ms / 1000);
        searchHits.observe({ mode: word.of(event.mode) }, event.hits);
        return;
      case 'swept':
        swept.inc({ what: 'heads' }, event.heads);
        swept.inc({ what: 'chunks' }, event.chunks);
        return;
    }
  };
  return { record };
}

/** Clocks of source and process differ, so the first stage may come out negative: that is no time at all. */
function secondsBetween(from: number | undefined, to: number | undefined): number | undefined {
  return from === undefined || to === undefined ? undefined : Math.max(0, to - from) / 1000;
}

/** How long each stage took; one that did not happen (nothing to embed) is left out and the next counts from the one before. */
export function stagesOf(times: StageTimes): readonly (readonly [string, number])[] {
  const passed = (
    [
      ['receive', times.received],
      ['redact', times.redacted],
      ['embed', times.embedded],
      ['index', times.visible],
    ] as const
  ).filter((entry): entry is readonly [(typeof entry)[0], number] => entry[1] !== undefined);
  return passed.map(([name, at], i) => [name, secondsBetween(passed[i - 1]?.[1] ?? times.committed, at) ?? 0]);
}
