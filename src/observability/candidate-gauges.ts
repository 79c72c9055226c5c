import { Gauge, type Registry } from 'prom-client';
import type { IndexesReport } from '../services/blue-green/service.ts';

/**
 * How the candidate of a blue/green switch does, read when Prometheus asks. Without a candidate (no report), or while no report can be made, there are
 * no values: none is better than an old one.
 */
export function registerCandidateGauges(registry: Registry, report: () => Promise<IndexesReport | undefined>): void {
  let refreshing: Promise<void> | undefined;
  // A scrape collects every gauge in the same turn, so they all wait for the same report.
  const refresh = (): Promise<void> => (refreshing ??= readState().finally(() => (refreshing = undefined)));
  const gauge = (name: string, help: string, labelNames: readonly string[] = []): Gauge => {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [registry], collect: refresh });
  };

  const built = gauge(
    'freshet_candidate_built_ratio',
    'Share of its first copy that is in the candidate index; 1: built.',
  );
  const documents = gauge('freshet_candidate_documents', 'Documents in the candidate index.');
  const lag = gauge('freshet_candidate_lag_seconds', 'How far the candidate index is behind its sources.');
  const canary = gauge('freshet_candidate_canary_ratio', 'Share of queries that the candidate index answers.');
  const overlap = gauge(
    'freshet_candidate_overlap_ratio',
    'Mean share of the best ten results that live and candidate have both, by document or by text.',
    ['by'],
  );
  const compared = gauge('freshet_candidate_queries_compared', 'Queries of lately that the overlap is the mean of.');
  const seconds = gauge(
    'freshet_candidate_search_seconds',
    'Time per compared query, of the live and the candidate index.',
    ['index', 'quantile'],
  );

  async function readState(): Promise<void> {
    const state = await report().catch(() => undefined);
    for (const metric of [built, documents, lag, canary, compared]) metric.remove();
    for (const metric of [overlap, seconds]) metric.reset();
    const candidate = state?.indexes.find(({ role }) => role === 'candidate');
    if (state === undefined || candidate === undefined) return;
    const set = (metric: Gauge, value: number | undefined, labels: Record<string, string> = {}): void => {
      if (value !== undefined) metric.set(labels, value);
    };
    set(built, candidate.progress);
    set(documents, candidate.documents);
    set(lag, candidate.lagMs === undefined ? undefined : candidate.lagMs / 1000);
    set(canary, state.canaryShare);
    const { shadow } = state;
    if (shadow === undefined) return;
    set(overlap, shadow.overlapByDocument, { by: 'document' });
    set(overlap, shadow.overlapByText, { by: 'text' });
    set(compared, shadow.compared);
    for (const [index, latency] of [
      ['live', shadow.liveMs],
      ['candidate', shadow.candidateMs],
    ] as const) {
      set(seconds, latency.p50 === undefined ? undefined : latency.p50 / 1000, { index, quantile: '0.5' });
      set(seconds, latency.p95 === undefined ? undefined : latency.p95 / 1000, { index, quantile: '0.95' });
    }
  }
}
