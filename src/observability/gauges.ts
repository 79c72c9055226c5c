import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';
import type { SourceFreshness } from '../ports/source.ts';
import type { FreshnessReport } from '../services/services.ts';
import { nameLabel } from './labels.ts';

/** Gauges a source brings by itself; more than this many names would be a mistake of ours. */
const SOURCE_GAUGES_MAX = 50;

/**
 * States, read when Prometheus asks: how far behind each source is, what waits, how large the index is. One report per scrape. While no
 * report can be made the last values are removed: a stale lag that looks healthy is worse than none (invariant 9).
 */
export function registerStateGauges(registry: Registry, report: () => Promise<FreshnessReport>): void {
  const gauges: { readonly metric: Gauge; readonly labelled: boolean }[] = [];
  let refreshing: Promise<void> | undefined;
  // A scrape collects every gauge in the same turn, so they all wait for the same report.
  const refresh = (): Promise<void> => (refreshing ??= readState().finally(() => (refreshing = undefined)));
  const gauge = (name: string, help: string, labelNames: readonly string[] = []): Gauge => {
    const metric = new Gauge({ name, help, labelNames: [...labelNames], registers: [registry], collect: refresh });
    gauges.push({ metric, labelled: labelNames.length > 0 });
    return metric;
  };

  const ready = gauge('freshet_ready', '1 once the initial index is built.');
  const lagSeconds = gauge('freshet_source_lag_seconds', 'How far the index is behind the source.', [
    'source',
    'partition',
  ]);
  const lagEvents = gauge('freshet_source_lag_events', 'The same in events, where the source can count them.', [
    'source',
    'partition',
  ]);
  const connected = gauge('freshet_source_connected', '1 while connected.', ['source']);
  const documents = gauge('freshet_index_documents', 'Documents that can be found.');
  const chunks = gauge('freshet_index_chunks', 'Chunks that can be found.');
  const bytes = gauge('freshet_index_bytes', 'Size of the index on disk.');
  const waiting = gauge('freshet_dead_letters_waiting', 'Dead letters that were not retried.');
  const embedderDown = gauge('freshet_embedder_down', '1 while the embedding model is away.');
  const lexicalOnly = gauge('freshet_embedder_lexical_only', '1 when there is no model, and search is by words only.');
  const ofSources = new Map<string, Gauge>();

  const source = nameLabel();
  const partition = nameLabel();

  const sourceGauge = (name: string): Gauge | undefined => {
    const known = ofSources.get(name);
    if (known !== undefined) return known;
    if (ofSources.size >= SOURCE_GAUGES_MAX || !/^[a-z][a-z0-9_]{0,63}$/u.test(name)) return undefined;
    const made = gauge(`freshet_source_${name}`, 'Reported by the source.', ['source']);
    ofSources.set(name, made);
    return made;
  };

  const setSource = (freshness: SourceFreshness): void => {
    const labels = { source: source.of(freshness.source) };
    connected.set(labels, Number(freshness.connected));
    for (const part of freshness.partitions) {
      const both = { ...labels, partition: partition.of(part.partition) };
      if (part.lagMs !== undefined) lagSeconds.set(both, part.lagMs / 1000);
      if (part.lagEvents !== undefined) lagEvents.set(both, part.lagEvents);
    }
    for (const [name, value] of Object.entries(freshness.gauges)) sourceGauge(name)?.set(labels, value);
  };

  /** A gauge without labels would start again as 0, which nobody measured: its value is removed. */
  const forget = (): void => {
    for (const { metric, labelled } of gauges) {
      if (labelled) metric.reset();
      else metric.remove();
    }
  };

  async function readState(): Promise<void> {
    const state = await report().catch(() => undefined);
    forget();
    if (state === undefined) return;
    ready.set(Number(state.ready));
    state.sources.forEach(setSource);
    documents.set(state.index.documents);
    chunks.set(state.index.chunks);
    if (state.index.bytesOnDisk !== undefined) bytes.set(state.index.bytesOnDisk);
    waiting.set(state.deadLetters);
    embedderDown.set(Number(state.embedder.down));
    lexicalOnly.set(Number(state.embedder.lexicalOnly));
  }
}

/** CPU, memory, garbage collection and event loop lag of the process, as `freshet_process_…` and `freshet_nodejs_…`. */
export function registerProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, prefix: 'freshet_' });
}
