import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CliDeps, CliServices, DoctorCheck, RunOptions } from '../../src/cli/deps.ts';
import { runCli } from '../../src/cli/run.ts';
import type { FreshetConfig } from '../../src/config/index.ts';
import type { Redacted } from '../../src/domain/document.ts';
import { type ChunkId, type DocumentId, partitionId, tableId } from '../../src/domain/ids.ts';
import type { SearchHit } from '../../src/domain/search.ts';
import type { Version } from '../../src/domain/version.ts';
import type { StoredDeadLetter } from '../../src/ports/dead-letters.ts';
import type { IndexesReport } from '../../src/services/blue-green/service.ts';
import type { FreshnessReport, SearchAnswer, SearchRequest, VerifyReport } from '../../src/services/services.ts';

export const NOW = Date.parse('2026-11-20T12:00:00.000Z');

export const hit: SearchHit = {
  chunk: 'c1' as ChunkId,
  document: 'd1' as DocumentId,
  table: tableId('app.public.articles'),
  score: 0.03,
  text: 'Items may be returned within 45 days.\nKeep the receipt.' as Redacted<string>,
  start: 0,
  end: 55,
  headings: ['Returns', 'How'],
  title: 'Returns and refunds',
  uri: 'kb://returns/7',
  metadata: { lang: 'en', tags: ['a', 'b'] },
  version: 12 as Version,
  committedAt: NOW - 12_000,
  indexedAt: NOW - 11_900,
};

export const answer: SearchAnswer = {
  hits: [hit],
  query: 'return items',
  freshness: {
    asOf: NOW - 300,
    lagMs: 300,
    token: 't1',
    tokenReached: true,
    perSource: [{ source: 'app', asOf: NOW - 300, lagMs: 300 }],
  },
};

export const report: FreshnessReport = {
  now: NOW,
  ready: true,
  asOf: NOW - 300,
  token: 't1',
  sources: [
    {
      source: 'app',
      connected: true,
      partitions: [{ partition: partitionId('app'), asOf: NOW - 300, lagEvents: 0, lagMs: 120 }],
      snapshotFinished: true,
      snapshots: [{ table: 'public.articles', rowsRead: 60, rowsTotal: undefined, finished: true }],
      gauges: { retained_wal_bytes: 2_000_000_000 },
    },
  ],
  commitToVisible: { count: 20, p50: 38, p95: 91, p99: undefined },
  deadLetters: 2,
  embedder: { fingerprint: 'f1', name: 'minilm', lexicalOnly: false, down: false },
  index: { documents: 61, chunks: 1_204, bytesOnDisk: 3_100_000 },
};

export const letter: StoredDeadLetter = {
  id: '42',
  source: 'app',
  table: tableId('app.public.articles'),
  key: undefined,
  document: 'd9' as DocumentId,
  position: { partition: partitionId('app'), offset: 9_007_199_254_740_993n },
  version: 5 as Version,
  sourcePosition: undefined,
  committedAt: NOW - 60_000,
  stage: 'chunk',
  code: 'DOCUMENT_TOO_LARGE',
  message: 'The document is longer than limits.maxTextLength.',
  attempts: 3,
  failedAt: NOW - 5_000,
};

export const clean: VerifyReport = {
  missing: 0,
  stale: 0,
  ghost: 0,
  duplicate: 0,
  unindexable: 0,
  documents: 61,
  chunks: 1_204,
  vectorsChecked: 100,
  tookMs: 850,
  token: 't1',
  problems: [],
  repaired: 0,
  comparedWith: [{ source: 'app', origin: 'the database' }],
  notCompared: [],
};

export const indexes: IndexesReport = {
  indexes: [
    {
      name: 'v1-8c41aa09',
      role: 'live',
      fed: true,
      embedder: 'minilm',
      built: true,
      progress: 1,
      documents: 61,
      chunks: 1_204,
      bytesOnDisk: 3_100_000,
      asOf: NOW - 300,
      lagMs: 300,
      deadLetters: 2,
    },
    {
      name: 'v2-8c41be77',
      role: 'candidate',
      fed: true,
      embedder: 'minilm',
      built: false,
      progress: 0.426,
      documents: 26,
      chunks: 810,
      bytesOnDisk: 1_100_000,
      asOf: undefined,
      lagMs: undefined,
      deadLetters: 0,
    },
    {
      name: 'v0-old',
      role: 'unused',
      fed: false,
      built: undefined,
      progress: undefined,
      documents: undefined,
      chunks: undefined,
      bytesOnDisk: undefined,
      asOf: undefined,
      lagMs: undefined,
      deadLetters: undefined,
    },
  ],
  canaryShare: 0.05,
  shadow: {
    compared: 40,
    failed: 1,
    skipped: 2,
    overlapByDocument: 0.9312,
    overlapByText: 0.5,
    liveMs: { p50: 12, p95: 40 },
    candidateMs: { p50: 14, p95: undefined },
  },
  switchBlockers: ['Index v2-8c41be77 is still being built: 42 % of it is in.'],
  rollbackBlockers: ['There is no previous index to go back to.'],
  notes: ['A note.'],
};

export interface FakeServices extends CliServices {
  readonly calls: unknown[];
}

export function fakeServices(
  over: {
    verify?: VerifyReport;
    report?: FreshnessReport;
    answer?: SearchAnswer;
    failed?: number;
    leftBehind?: string[];
  } = {},
): FakeServices {
  const calls: unknown[] = [];
  return {
    calls,
    search: {
      search: async (request: SearchRequest) => {
        calls.push(request);
        return over.answer ?? answer;
      },
    },
    freshness: { report: async () => over.report ?? report },
    admin: {
      verify: async (options, onProgress) => {
        calls.push(options);
        onProgress({ phase: 'comparing', done: 30, total: 61 });
        onProgress({ phase: 'comparing', done: 61, total: 61 });
        return over.verify ?? clean;
      },
      rebuild: async (onProgress) => {
        onProgress({ phase: 'indexing', done: 61, total: undefined });
        return { documents: 61, chunks: 1_204 };
      },
      replay: async (options) => {
        calls.push(options);
        return { message: `Replaying ${options.source}.` };
      },
      deadLetters: {
        list: async (limit, after) => {
          calls.push({ limit, after });
          return after === undefined ? [letter] : [];
        },
        get: async (id) => (id === letter.id ? letter : undefined),
        retry: async (id) => {
          calls.push({ retry: id });
          return { retried: 1, failed: over.failed ?? 0 };
        },
      },
    },
    indexes: {
      report: async () => indexes,
      canary: async (share) => {
        calls.push({ canary: share });
        return indexes;
      },
      switch: async (options) => {
        calls.push({ switch: options });
        return indexes;
      },
      rollback: async (options) => {
        calls.push({ rollback: options });
        return indexes;
      },
      drop: async (name) => {
        calls.push({ drop: name });
        return { dropped: name, leftBehind: over.leftBehind ?? [] };
      },
    },
  };
}

export interface Run {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly started: { readonly config: FreshetConfig; readonly options: RunOptions }[];
  readonly closed: number;
}

export interface RunSettings {
  readonly services?: CliServices;
  readonly env?: Record<string, string>;
  readonly tty?: boolean;
  readonly signal?: AbortSignal;
  readonly checks?: readonly DoctorCheck[];
  readonly cwd: string;
  readonly openError?: Error;
  readonly startError?: Error;
}

/** Runs one command line against fakes. */
export async function run(argv: readonly string[], settings: RunSettings): Promise<Run> {
  let stdout = '';
  let stderr = '';
  let closed = 0;
  const started: Run['started'] = [];
  const deps: CliDeps = {
    version: '0.1.0',
    nodeVersion: '20.19.0',
    stdout: { write: (text) => (stdout += text), isTTY: settings.tty, columns: 100 },
    stderr: { write: (text) => (stderr += text), isTTY: settings.tty, columns: 100 },
    env: settings.env ?? {},
    cwd: settings.cwd,
    fetch,
    now: () => NOW,
    signal: settings.signal ?? new AbortController().signal,
    demoDefaults: {
      embedder: { fallback: 'hashing' },
      sources: { handbook: { type: 'embedded-postgres', tables: { articles: { text: '{body}' } } } },
    },
    start: async (config, options) => {
      if (settings.startError !== undefined) throw settings.startError;
      started.push({ config, options });
    },
    openOffline: async () => {
      if (settings.openError !== undefined) throw settings.openError;
      return {
        services: settings.services ?? fakeServices(),
        close: async () => {
          closed += 1;
        },
      };
    },
    doctorChecks: () => settings.checks ?? [],
  };
  const exitCode = await runCli(deps, argv);
  return { exitCode, stdout, stderr, started, closed };
}

/** An empty folder that goes away with `using`. */
export function temporaryFolder(): Disposable & { readonly path: string; write(name: string, text: string): void } {
  const path = mkdtempSync(join(tmpdir(), 'freshet-cli-'));
  return {
    path,
    write: (name, text) => writeFileSync(join(path, name), text),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
