import type { StageTimes } from '../observability/events.ts';
import type { StoredDeadLetter } from '../ports/dead-letters.ts';
import type {
  DocumentStatus,
  DocumentView,
  FreshnessReport,
  LiveEvent,
  PushReceipt,
  RecentChange,
} from '../services/services.ts';
import { defined } from './defined.ts';
import { iso, isoOrNull } from './schemas/common.ts';

/** How the services' answers look on the wire: instants as RFC 3339, "unknown" as null, bigints as text. */

export function timesView(times: Partial<StageTimes>) {
  const at = (instant: number | undefined): string | undefined => (instant === undefined ? undefined : iso(instant));
  return defined({
    committed: at(times.committed),
    received: at(times.received),
    redacted: at(times.redacted),
    embedded: at(times.embedded),
    visible: at(times.visible),
  });
}

export function documentView(view: DocumentView) {
  const { attributes } = view;
  return {
    id: view.id as string,
    source: view.source,
    table: view.table,
    tenant: attributes.tenant as string,
    title: attributes.title,
    uri: attributes.uri,
    access: [...attributes.access],
    metadata: attributes.metadata as Record<string, string | number | boolean | string[]>,
    version: view.version,
    committedAt: iso(view.committedAt),
    indexedAt: iso(view.indexedAt),
    chunks: view.chunks.map((chunk) => ({ ...chunk, headings: [...chunk.headings] })),
  };
}

export function statusView(status: DocumentStatus) {
  return {
    id: status.id as string,
    state: status.state,
    version: status.version ?? null,
    times: timesView(status.times),
    freshnessMs: status.freshnessMs ?? null,
    ...(status.failure === undefined ? {} : { failure: status.failure }),
  };
}

export function receiptView(receipt: PushReceipt) {
  return defined({
    id: receipt.id as string,
    externalId: receipt.externalId,
    accepted: receipt.accepted,
    reason: receipt.reason,
    token: receipt.token,
  });
}

export function freshnessView(report: FreshnessReport) {
  const { commitToVisible, index } = report;
  return {
    now: iso(report.now),
    ready: report.ready,
    asOf: isoOrNull(report.asOf),
    lagMs: report.asOf === undefined ? null : Math.max(0, report.now - report.asOf),
    token: report.token,
    sources: report.sources.map((source) => ({
      source: source.source,
      connected: source.connected,
      snapshotFinished: source.snapshotFinished,
      snapshots: source.snapshots.map((snapshot) => ({ ...snapshot, rowsTotal: snapshot.rowsTotal ?? null })),
      partitions: source.partitions.map((partition) => ({
        partition: partition.partition as string,
        asOf: isoOrNull(partition.asOf),
        lagEvents: partition.lagEvents ?? null,
        lagMs: partition.lagMs ?? null,
      })),
      gauges: { ...source.gauges },
    })),
    commitToVisible: {
      count: commitToVisible.count,
      p50: commitToVisible.p50 ?? null,
      p95: commitToVisible.p95 ?? null,
      p99: commitToVisible.p99 ?? null,
    },
    deadLetters: report.deadLetters,
    embedder: { ...report.embedder, name: report.embedder.name ?? null },
    index: {
      name: index.name ?? null,
      documents: index.documents,
      chunks: index.chunks,
      bytesOnDisk: index.bytesOnDisk ?? null,
    },
  };
}

export function recentChangeView(change: RecentChange) {
  const { visible, committed } = change.times;
  return {
    document: change.document as string,
    table: change.table,
    title: change.title,
    uri: change.uri,
    kind: change.kind,
    times: timesView(change.times),
    freshnessMs: visible === undefined ? null : Math.max(0, visible - committed),
    chunksTotal: change.chunksTotal,
    chunksEmbedded: change.chunksEmbedded,
  };
}

export function liveEventView(event: LiveEvent): object {
  switch (event.type) {
    case 'document.stage':
      return { type: event.type, document: event.document, state: event.state, times: timesView(event.times) };
    case 'document.failed':
      return { type: event.type, document: event.document, stage: event.stage, code: event.code };
    case 'document.upserted':
    case 'document.deleted':
      return { type: event.type, ...recentChangeView(event) };
  }
}

/** Named field by field: the row's key must not get out by being new here (it can be personal data). */
export function deadLetterView(letter: StoredDeadLetter) {
  return {
    id: letter.id,
    source: letter.source,
    table: (letter.table as string | undefined) ?? null,
    document: (letter.document as string | undefined) ?? null,
    position: { partition: letter.position.partition as string, offset: String(letter.position.offset) },
    version: (letter.version as number | undefined) ?? null,
    committedAt: isoOrNull(letter.committedAt),
    stage: letter.stage,
    code: letter.code,
    message: letter.message,
    attempts: letter.attempts,
    failedAt: iso(letter.failedAt),
  };
}
