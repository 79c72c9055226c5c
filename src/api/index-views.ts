import type { IndexesReport, IndexReport } from '../services/blue-green/service.ts';
import { isoOrNull } from './schemas/common.ts';

/** The indexes as they look on the wire; see views.ts. */
export function indexesView(report: IndexesReport) {
  const { shadow } = report;
  return {
    data: report.indexes.map(indexView),
    canaryPercent: report.canaryShare * 100,
    shadow:
      shadow === undefined
        ? null
        : {
            compared: shadow.compared,
            failed: shadow.failed,
            skipped: shadow.skipped,
            overlapByDocument: shadow.overlapByDocument ?? null,
            overlapByText: shadow.overlapByText ?? null,
            liveMs: latencyView(shadow.liveMs),
            candidateMs: latencyView(shadow.candidateMs),
          },
    switchBlockers: [...report.switchBlockers],
    rollbackBlockers: [...report.rollbackBlockers],
    notes: [...report.notes],
  };
}

function indexView(index: IndexReport) {
  const { name, role, fed } = index;
  return {
    name,
    role,
    fed,
    embedder: index.embedder ?? null,
    built: index.built ?? null,
    progress: index.progress ?? null,
    documents: index.documents ?? null,
    chunks: index.chunks ?? null,
    bytesOnDisk: index.bytesOnDisk ?? null,
    asOf: isoOrNull(index.asOf),
    lagMs: index.lagMs ?? null,
    deadLetters: index.deadLetters ?? null,
    failure: index.failure ?? null,
  };
}

const latencyView = ({ p50, p95 }: { readonly p50: number | undefined; readonly p95: number | undefined }) => ({
  p50: p50 ?? null,
  p95: p95 ?? null,
});
