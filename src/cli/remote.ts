import { z } from 'zod';
import { deadLetterOut, deadLettersOut, replayOut, retryOut } from '../api/schemas/admin.ts';
import { progressLine } from '../api/schemas/common.ts';
import { freshnessOut } from '../api/schemas/freshness.ts';
import { searchOut } from '../api/schemas/search.ts';
import type { Redacted } from '../domain/document.ts';
import { FreshetError } from '../domain/errors.ts';
import { type ChunkId, type DocumentId, partitionId, tableId } from '../domain/ids.ts';
import type { MetadataFilter, SearchHit } from '../domain/search.ts';
import type { Version } from '../domain/version.ts';
import type { StoredDeadLetter } from '../ports/dead-letters.ts';
import type { FreshnessReport, Progress, SearchRequest, VerifyReport } from '../services/services.ts';
import type { CliServices } from './deps.ts';
import { type HttpClient, problemError } from './http-client.ts';
import { remoteIndexes } from './remote-indexes.ts';

// The services of a running instance, over its HTTP API: commands cannot tell them from the ones of an opened data folder.

const instant = (text: string): number => Date.parse(text);
const instantOr = (text: string | null): number | undefined => (text === null ? undefined : instant(text));
const or = <T>(value: T | null): T | undefined => value ?? undefined;

export function remoteServices(http: HttpClient): CliServices {
  return {
    search: {
      search: async (request, signal) => {
        const answer = await http.post('/v1/search', searchBody(request), searchOut, signal);
        const { freshness, degraded, index } = answer;
        return {
          hits: answer.data.map(toHit),
          query: answer.search_query[0] ?? request.query,
          freshness: {
            ...freshness,
            asOf: instantOr(freshness.asOf),
            lagMs: or(freshness.lagMs),
            perSource: freshness.perSource.map((source) => ({
              source: source.source,
              asOf: instantOr(source.asOf),
              lagMs: or(source.lagMs),
            })),
          },
          ...(degraded === undefined ? {} : { degraded }),
          ...(index === undefined ? {} : { index }),
        };
      },
    },
    freshness: { report: async (signal) => toReport(await http.get('/v1/freshness', freshnessOut, signal)) },
    admin: {
      verify: (options, onProgress, signal) =>
        longWork(http, '/v1/admin/verify', options, verifyReport, onProgress, signal),
      rebuild: (onProgress, signal) => longWork(http, '/v1/admin/rebuild', {}, rebuildReport, onProgress, signal),
      replay: (options, signal) => http.post('/v1/admin/replay', options, replayOut, signal),
      deadLetters: {
        list: async (limit, after, index) => {
          const page = await http.get(
            `/v1/admin/dead-letters${query({ limit: String(limit), after, index })}`,
            deadLettersOut,
            neverAborted(),
          );
          return page.data.map(toDeadLetter);
        },
        get: async (id, index) => {
          const letter = await http.find(
            `/v1/admin/dead-letters/${encodeURIComponent(id)}${query({ index })}`,
            deadLetterOut,
            neverAborted(),
          );
          return letter === undefined ? undefined : toDeadLetter(letter);
        },
        retry: (id, signal, index) => {
          const path = `/v1/admin/dead-letters/${encodeURIComponent(id)}/retry${query({ index })}`;
          return http.post(path, undefined, retryOut, signal);
        },
      },
    },
    indexes: remoteIndexes(http),
  };
}

/** Members that are undefined are left out. */
function query(members: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(members).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

const neverAborted = (): AbortSignal => new AbortController().signal;

const verifyReport = z.looseObject({
  missing: z.int(),
  stale: z.int(),
  ghost: z.int(),
  duplicate: z.int(),
  comparedWith: z.array(z.object({ source: z.string(), origin: z.string() })),
  notCompared: z.array(z.object({ source: z.string(), reason: z.string() })),
}) as unknown as z.ZodType<VerifyReport>;
const rebuildReport = z.object({ documents: z.int(), chunks: z.int() });

async function longWork<Result>(
  http: HttpClient,
  path: string,
  body: unknown,
  schema: z.ZodType<Result>,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<Result> {
  for await (const line of http.lines(path, body, signal)) {
    const progress = progressLine.safeParse(line);
    if (progress.success) {
      const { phase, done, total } = progress.data.progress;
      onProgress({ phase, done, total: or(total) });
      continue;
    }
    const { result, problem } = line as { readonly result?: unknown; readonly problem?: { readonly status?: unknown } };
    if (problem !== undefined) throw problemError(problem, Number(problem.status ?? 500));
    const parsed = schema.safeParse(result);
    if (parsed.success) return parsed.data;
  }
  throw new FreshetError(
    'INSTANCE_UNREACHABLE',
    'transient',
    'The instance ended its answer before the work was done: it is shutting down, or failed. Look at its log, then run the command again.',
  );
}

function searchBody(request: SearchRequest): unknown {
  const { query, limit, tenant, mode, principals, tables, filter, recency, perDocument, consistency } = request;
  const iso = (at: number | undefined): string | undefined =>
    at === undefined ? undefined : new Date(at).toISOString();
  return {
    query,
    limit,
    tenant,
    mode,
    principals,
    tables,
    filters: filter === undefined ? undefined : filterBody(filter),
    recency: recency === undefined ? undefined : { half_life_ms: recency.halfLifeMs, weight: recency.weight },
    per_document: perDocument,
    committed_from: iso(request.committedFrom),
    committed_to: iso(request.committedTo),
    consistency,
  };
}

function filterBody(filter: MetadataFilter): unknown {
  if ('and' in filter) return { type: 'and', filters: filter.and.map(filterBody) };
  if ('or' in filter) return { type: 'or', filters: filter.or.map(filterBody) };
  return { type: filter.op, key: filter.key, value: filter.value };
}

function toHit(result: z.output<typeof searchOut>['data'][number]): SearchHit {
  const { title, uri, table, version, updated_at, indexed_at, ...metadata } = result.attributes;
  return {
    chunk: result.id as ChunkId,
    document: result.file_id as DocumentId,
    table: tableId(String(table)),
    score: result.score,
    // What the API answers went through the redactor on the other side.
    text: result.content.map((part) => part.text).join('\n') as Redacted<string>,
    ...result.location,
    title: String(title),
    uri: String(uri),
    metadata,
    version: Number(version) as Version,
    committedAt: instant(String(updated_at)),
    indexedAt: instant(String(indexed_at)),
  };
}

function toReport(wire: z.output<typeof freshnessOut>): FreshnessReport {
  const { commitToVisible, index } = wire;
  return {
    now: instant(wire.now),
    ready: wire.ready,
    asOf: instantOr(wire.asOf),
    token: wire.token,
    sources: wire.sources.map((source) => ({
      ...source,
      snapshots: source.snapshots.map((snapshot) => ({ ...snapshot, rowsTotal: or(snapshot.rowsTotal) })),
      partitions: source.partitions.map((partition) => ({
        partition: partitionId(partition.partition),
        asOf: instantOr(partition.asOf),
        lagEvents: or(partition.lagEvents),
        lagMs: or(partition.lagMs),
      })),
    })),
    commitToVisible: {
      count: commitToVisible.count,
      p50: or(commitToVisible.p50),
      p95: or(commitToVisible.p95),
      p99: or(commitToVisible.p99),
    },
    deadLetters: wire.deadLetters,
    embedder: embedderOf(wire.embedder),
    index: {
      documents: index.documents,
      chunks: index.chunks,
      bytesOnDisk: or(index.bytesOnDisk),
      ...(index.name === null ? {} : { name: index.name }),
    },
  };
}

function embedderOf({ name, ...embedder }: z.output<typeof freshnessOut>['embedder']): FreshnessReport['embedder'] {
  return name === null ? embedder : { ...embedder, name };
}

/** The row's key stays on the other side: it can be personal data. */
function toDeadLetter(wire: z.output<typeof deadLetterOut>): StoredDeadLetter {
  return {
    id: wire.id,
    source: wire.source,
    table: wire.table === null ? undefined : tableId(wire.table),
    key: undefined,
    document: (wire.document ?? undefined) as DocumentId | undefined,
    position: { partition: partitionId(wire.position.partition), offset: BigInt(wire.position.offset) },
    version: (wire.version ?? undefined) as Version | undefined,
    sourcePosition: undefined,
    committedAt: instantOr(wire.committedAt),
    stage: wire.stage,
    code: wire.code,
    message: wire.message,
    attempts: wire.attempts,
    failedAt: instant(wire.failedAt),
  };
}
