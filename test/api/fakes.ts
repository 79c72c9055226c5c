import { pino, type Logger } from 'pino';
import { Registry } from 'prom-client';
import type { Api } from '../../src/api/app.ts';
import type { ServerOptions } from '../../src/api/options.ts';
import { buildServer } from '../../src/api/server.ts';
import type { Redacted } from '../../src/domain/document.ts';
import { DEFAULT_TENANT, tableId, type ChunkId, type DocumentId } from '../../src/domain/ids.ts';
import type { SearchHit } from '../../src/domain/search.ts';
import type { Version } from '../../src/domain/version.ts';
import type { IndexesService } from '../../src/services/blue-green/service.ts';
import type {
  AdminService,
  DocumentService,
  DocumentView,
  FreshnessReport,
  FreshnessService,
  SearchAnswer,
  SearchService,
  Services,
} from '../../src/services/services.ts';

/** A port whose every method throws until a test says what it answers. */
function loud<T extends object>(name: string, told: Partial<T>): T {
  return new Proxy(told, {
    get: (target, method) =>
      (target as Record<PropertyKey, unknown>)[method] ??
      (() => {
        throw new Error(`${name}.${String(method)} was called, but the test did not say what it answers.`);
      }),
  }) as T;
}

export interface Told {
  readonly search?: Partial<SearchService>;
  readonly documents?: Partial<DocumentService>;
  readonly freshness?: Partial<FreshnessService>;
  readonly admin?: Partial<AdminService>;
  readonly indexes?: Partial<IndexesService>;
}

export function fakeServices(told: Told = {}): Services {
  return {
    search: loud<SearchService>('search', told.search ?? {}),
    documents: loud<DocumentService>('documents', told.documents ?? {}),
    freshness: loud<FreshnessService>('freshness', told.freshness ?? {}),
    admin: loud<AdminService>('admin', told.admin ?? {}),
    indexes: loud<IndexesService>('indexes', told.indexes ?? {}),
  };
}

export const silentLogger: Logger = pino({ level: 'silent' });

export interface TestServer {
  readonly app: Api;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function openServer(told: Told = {}, overrides: Partial<ServerOptions> = {}): Promise<TestServer> {
  const app = await buildServer({
    services: fakeServices(told),
    auth: { host: '127.0.0.1', keys: [], defaultTenant: DEFAULT_TENANT },
    metrics: new Registry(),
    logger: silentLogger,
    version: '0.0.0-test',
    ...overrides,
  });
  await app.ready();
  return { app, [Symbol.asyncDispose]: () => app.close() };
}

export const NOW = Date.UTC(2026, 10, 20, 6, 31, 2, 114);
export const DOCUMENT = '5f0e9d0c-0000-5000-8000-000000000001' as DocumentId;

export function hit(overrides: Partial<SearchHit> = {}): SearchHit {
  return {
    chunk: 'c0000000-0000-5000-8000-000000000001' as ChunkId,
    document: DOCUMENT,
    table: tableId('app.public.articles'),
    score: 0.0325,
    text: 'Returns are accepted within 45 days.' as Redacted<string>,
    start: 0,
    end: 36,
    headings: ['Returns'],
    title: 'Returns',
    uri: 'kb://returns',
    metadata: { category: 'orders', tags: ['a', 'b'] },
    version: 12 as Version,
    committedAt: NOW - 200,
    indexedAt: NOW - 150,
    ...overrides,
  };
}

export function searchAnswer(overrides: Partial<SearchAnswer> = {}): SearchAnswer {
  return {
    hits: [hit()],
    query: 'returns',
    freshness: {
      asOf: NOW - 50,
      lagMs: 50,
      token: 'tok-1',
      tokenReached: true,
      perSource: [{ source: 'app', asOf: NOW - 50, lagMs: 50 }],
    },
    ...overrides,
  };
}

export function documentView(overrides: Partial<DocumentView> = {}): DocumentView {
  return {
    id: DOCUMENT,
    source: 'app',
    table: 'app.public.articles',
    attributes: {
      tenant: DEFAULT_TENANT,
      access: [],
      title: 'Returns',
      uri: 'kb://returns',
      metadata: { category: 'orders' },
    },
    version: 12,
    committedAt: NOW - 200,
    indexedAt: NOW - 150,
    chunks: [{ id: 'c1', text: 'Returns are accepted.', start: 0, end: 21, headings: [] }],
    ...overrides,
  };
}

export function freshnessReport(overrides: Partial<FreshnessReport> = {}): FreshnessReport {
  return {
    now: NOW,
    ready: true,
    asOf: NOW - 50,
    token: 'tok-1',
    sources: [
      {
        source: 'app',
        connected: true,
        snapshotFinished: true,
        snapshots: [{ table: 'public.articles', rowsRead: 60, rowsTotal: undefined, finished: true }],
        partitions: [{ partition: 'app:slot' as never, asOf: NOW - 50, lagEvents: 0, lagMs: 50 }],
        gauges: { retained_wal_bytes: 1024 },
      },
    ],
    commitToVisible: { count: 3, p50: 12, p95: 20, p99: undefined },
    deadLetters: 0,
    embedder: { fingerprint: 'all-MiniLM-L6-v2', lexicalOnly: false, down: false },
    index: { documents: 60, chunks: 240, bytesOnDisk: 4096 },
    ...overrides,
  };
}
