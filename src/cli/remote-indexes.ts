import type { z } from 'zod';
import { droppedOut, indexesOut } from '../api/schemas/indexes.ts';
import type { IndexesReport, IndexesService, IndexReport } from '../services/blue-green/service.ts';
import type { HttpClient } from './http-client.ts';

/** The indexes of a running instance, over its HTTP API. */
export function remoteIndexes(http: HttpClient): IndexesService {
  const post = async (path: string, body: unknown, signal: AbortSignal): Promise<IndexesReport> =>
    toReport(await http.post(path, body, indexesOut, signal));
  return {
    report: async (signal) => toReport(await http.get('/v1/indexes', indexesOut, signal)),
    canary: (share, signal) => post('/v1/indexes/canary', { percent: share * 100 }, signal),
    switch: (options, signal) => post('/v1/indexes/switch', options, signal),
    rollback: (options, signal) => post('/v1/indexes/rollback', options, signal),
    drop: (name, signal) => http.post('/v1/indexes/drop', { name }, droppedOut, signal),
  };
}

function toReport(wire: z.output<typeof indexesOut>): IndexesReport {
  const { data, canaryPercent, shadow, switchBlockers, rollbackBlockers, notes } = wire;
  return {
    indexes: data.map(toIndex),
    canaryShare: canaryPercent / 100,
    shadow:
      shadow === null
        ? undefined
        : {
            ...shadow,
            overlapByDocument: or(shadow.overlapByDocument),
            overlapByText: or(shadow.overlapByText),
            liveMs: { p50: or(shadow.liveMs.p50), p95: or(shadow.liveMs.p95) },
            candidateMs: { p50: or(shadow.candidateMs.p50), p95: or(shadow.candidateMs.p95) },
          },
    switchBlockers,
    rollbackBlockers,
    notes,
  };
}

function toIndex(wire: z.output<typeof indexesOut>['data'][number]): IndexReport {
  const { name, role, fed, embedder, failure } = wire;
  return {
    name,
    role,
    fed,
    built: or(wire.built),
    progress: or(wire.progress),
    documents: or(wire.documents),
    chunks: or(wire.chunks),
    bytesOnDisk: or(wire.bytesOnDisk),
    asOf: wire.asOf === null ? undefined : Date.parse(wire.asOf),
    lagMs: or(wire.lagMs),
    deadLetters: or(wire.deadLetters),
    ...(embedder === null ? {} : { embedder }),
    ...(failure === null ? {} : { failure }),
  };
}

const or = <T>(value: T | null): T | undefined => value ?? undefined;
