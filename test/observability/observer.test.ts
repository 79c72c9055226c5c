import { Writable } from 'node:stream';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { FreshetError } from '../../src/domain/errors.ts';
import { DEFAULT_TENANT, partitionId, tableId, type DocumentId } from '../../src/domain/ids.ts';
import type { Version } from '../../src/domain/version.ts';
import { errorForLog } from '../../src/observability/error-for-log.ts';
import type { FreshetEvent } from '../../src/observability/events.ts';
import { registerProcessMetrics, registerStateGauges } from '../../src/observability/gauges.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { stagesOf } from '../../src/observability/metrics.ts';
import { createObserver } from '../../src/observability/observer.ts';
import { freshnessReport } from '../api/fakes.ts';

const COMMITTED = 1_000_000;
const document = 'd1' as DocumentId;
const table = tableId('app.public.articles');
const times = {
  committed: COMMITTED,
  received: COMMITTED + 2,
  redacted: COMMITTED + 3,
  embedded: COMMITTED + 14,
  visible: COMMITTED + 20,
};
const finished = {
  source: 'app',
  table,
  document,
  tenant: DEFAULT_TENANT,
  version: 1 as Version,
  times,
  snapshot: false,
  chunksTotal: 4,
  chunksEmbedded: 1,
  tokensEmbedded: 90,
} as const;

/** One of every type, so that a new event without a log line or metric is missed by no one. */
const EVERY_EVENT: { readonly [Type in FreshetEvent['type']]: FreshetEvent & { readonly type: Type } } = {
  'document-received': { type: 'document-received', ...finished },
  'document-redacted': { type: 'document-redacted', ...finished },
  'document-embedded': { type: 'document-embedded', ...finished },
  'document-visible': { type: 'document-visible', ...finished },
  'document-deleted': { type: 'document-deleted', ...finished, chunksTotal: 0, chunksEmbedded: 0, tokensEmbedded: 0 },
  'change-settled': { type: 'change-settled', source: 'app', outcome: 'indexed', snapshot: false },
  'dead-lettered': {
    type: 'dead-lettered',
    source: 'app',
    table,
    document,
    stage: 'embed',
    code: 'TEXT_TOO_LONG',
    attempts: 3,
  },
  retry: { type: 'retry', what: 'index', code: 'INDEX_AWAY', attempt: 2, delayMs: 400 },
  'outage-began': { type: 'outage-began', what: 'embedder', code: 'EMBEDDER_DOWN', forMs: 0 },
  'outage-ended': { type: 'outage-ended', what: 'embedder', code: 'EMBEDDER_DOWN', forMs: 2500 },
  'embed-batch': { type: 'embed-batch', texts: 8, tokens: 500, ms: 40, queued: 3 },
  committed: { type: 'committed', source: 'app', partition: partitionId('app:slot'), offset: 2n ** 60n },
  source: { type: 'source', source: 'app', level: 'warn', code: 'SLOT_LAG', message: 'The slot retains 2 GB of WAL.' },
  'snapshot-progress': { type: 'snapshot-progress', source: 'app', table, rows: 60, finished: true },
  search: { type: 'search', mode: 'hybrid', hits: 10, ms: 12, degraded: false },
  swept: { type: 'swept', heads: 2, chunks: 5 },
};

function observe(...events: readonly FreshetEvent[]) {
  const lines: Record<string, unknown>[] = [];
  const registry = new Registry();
  const logger = pino(
    { level: 'trace' },
    { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const observer = createObserver({ logger, registry });
  for (const event of events) observer.emit(event);
  return { lines, metrics: () => registry.metrics() };
}

describe('one event', () => {
  it.each(Object.values(EVERY_EVENT))('becomes one log line: $type', (event) => {
    const { lines } = observe(event);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ event: event.type, msg: expect.any(String) });
  });

  it('tells everyone else who asked', () => {
    const seen: FreshetEvent[] = [];
    const observer = createObserver({
      logger: pino({ level: 'silent' }),
      registry: new Registry(),
      also: [{ emit: (event) => void seen.push(event) }],
    });
    observer.emit(EVERY_EVENT.swept);
    expect(seen).toEqual([EVERY_EVENT.swept]);
  });

  it('drives the metrics that the log line is about', async () => {
    const text = await observe(...Object.values(EVERY_EVENT)).metrics();
    const expected = [
      'freshet_commit_to_visible_seconds_count{source="app"} 2',
      'freshet_stage_seconds_sum{source="app",stage="embed"} 0.022',
      'freshet_changes_total{source="app",outcome="indexed",snapshot="false"} 1',
      'freshet_dead_letters_total{source="app",stage="embed",code="TEXT_TOO_LONG"} 1',
      'freshet_chunks_embedded_total{source="app"} 1',
      'freshet_chunks_kept_total{source="app"} 3',
      'freshet_tokens_embedded_total{source="app"} 90',
      'freshet_retries_total{what="index",code="INDEX_AWAY"} 1',
      'freshet_outages_total{what="embedder"} 1',
      'freshet_outage_seconds_total{what="embedder"} 2.5',
      'freshet_away{what="embedder"} 0',
      'freshet_embed_batch_seconds_count 1',
      'freshet_embed_batch_tokens_total 500',
      'freshet_embed_queue_texts 3',
      'freshet_commits_total{source="app"} 1',
      'freshet_source_events_total{source="app",level="warn",code="SLOT_LAG"} 1',
      'freshet_snapshot_rows{table="app.public.articles"} 60',
      'freshet_search_seconds_count{mode="hybrid",degraded="false"} 1',
      'freshet_swept_total{what="chunks"} 5',
    ];
    for (const line of expected) expect(text).toContain(line);
  });
});

describe('metrics', () => {
  it('leave rows of a snapshot out of commit → visible: they were committed long ago', async () => {
    const text = await observe({ ...EVERY_EVENT['document-visible'], snapshot: true }).metrics();
    expect(text).not.toContain('freshet_commit_to_visible_seconds_count{');
    expect(text).toContain('freshet_chunks_embedded_total{source="app"} 1');
  });

  it('take labels from bounded sets, whatever comes', async () => {
    const odd = [
      'lower case',
      'X',
      'A'.repeat(80),
      'ann@example.org',
      ...Array.from({ length: 300 }, (_, i) => `CODE_${i}`),
    ];
    const text = await observe(...odd.map((code) => ({ ...EVERY_EVENT['dead-lettered'], code }))).metrics();
    expect(text.match(/^freshet_dead_letters_total\{/gmu)).toHaveLength(101);
    expect(text).not.toContain('ann@example.org');
  });

  it('count a stage that did not happen into the next one', () => {
    expect(stagesOf({ committed: 0, received: 2, visible: 5 })).toEqual([
      ['receive', 0.002],
      ['index', 0.003],
    ]);
    expect(stagesOf({ committed: 10, received: 2, redacted: 4, visible: 4 })).toEqual([
      ['receive', 0],
      ['redact', 0.002],
      ['index', 0],
    ]);
  });

  it('read the state of the instance when they are scraped, with one report for all gauges', async () => {
    const registry = new Registry();
    let reports = 0;
    let fails = false;
    registerStateGauges(registry, async () => {
      reports += 1;
      if (fails) throw new Error('away');
      return freshnessReport({ deadLetters: 2 });
    });
    registerProcessMetrics(registry);
    await registry.metrics();
    const text = await registry.metrics();
    expect(reports).toBe(2);
    for (const line of [
      'freshet_ready 1',
      'freshet_source_lag_seconds{source="app",partition="app:slot"} 0.05',
      'freshet_source_retained_wal_bytes{source="app"} 1024',
      'freshet_index_chunks 240',
      'freshet_index_bytes 4096',
      'freshet_dead_letters_waiting 2',
    ]) {
      expect(text).toContain(line);
    }
    expect(text).toContain('freshet_nodejs_eventloop_lag_seconds');

    fails = true;
    const blind = await registry.metrics();
    expect(blind).not.toMatch(/^freshet_(?:ready|index_documents|source_lag_seconds)[ {]/mu);
  });
});

const collect = (parts: string[]): Writable =>
  new Writable({
    write(part: Buffer, _encoding, done) {
      parts.push(part.toString());
      done();
    },
  });

describe('the log', () => {
  it('gets louder as a retry goes on', () => {
    const levels = [400, 2000, 8000].map((delayMs) => observe({ ...EVERY_EVENT.retry, delayMs }).lines[0]?.level);
    expect(levels).toEqual([20, 30, 40]);
  });

  it('keeps our own messages and drops those of libraries, which may quote a row', () => {
    const cause = Object.assign(
      new Error('Key (email)=(ann@example.org) already exists.\n    at fake (ann@example.org)'),
      { code: '23505' },
    );
    const logged = errorForLog(
      new FreshetError('DEMO_WRITE', 'poison', 'The article was not saved.', { cause, details: { id: 1 } }),
    );
    expect(logged).toMatchObject({
      name: 'FreshetError',
      code: 'DEMO_WRITE',
      kind: 'poison',
      message: 'The article was not saved.',
      details: { id: 1 },
      cause: { name: 'Error', code: '23505' },
    });
    expect(logged.frames?.[0]).toContain('observer.test.ts');
    expect(JSON.stringify(logged)).not.toContain('ann@example.org');
    expect(errorForLog('text')).toEqual({ name: 'string' });
  });

  it('is JSON or made for people, and holds neither text nor secrets in either', async () => {
    for (const format of ['json', 'pretty'] as const) {
      const parts: string[] = [];
      const logger = createLogger({
        level: 'info',
        format,
        destination: collect(parts),
      });
      logger.info(
        { query: 'secret-q', document: { text: 'secret-t' }, err: new Error('secret-e'), code: 'A_CODE' },
        'hello',
      );
      logger.debug('not asked for');
      await expect.poll(() => parts.join('')).toContain('hello');
      const text = parts.join('');
      expect(text).toContain('A_CODE');
      expect(text).not.toContain('secret-');
      expect(text).not.toContain('not asked for');
      if (format === 'json') expect(JSON.parse(text)).toMatchObject({ level: 30, msg: 'hello', query: '[not logged]' });
    }
  });
});
