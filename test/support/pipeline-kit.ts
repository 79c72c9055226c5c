import { setMaxListeners } from 'node:events';
import { createHashingEmbedder } from '../../connectors/hashing/embedder.ts';
import { hashingTokenizer } from '../../connectors/hashing/tokenizer.ts';
import { createMemoryDeadLetters } from '../../connectors/memory/dead-letters.ts';
import { createMemoryIndex } from '../../connectors/memory/memory-index.ts';
import { createScriptedSource } from '../../connectors/memory/scripted-source.ts';
import type { Row } from '../../src/domain/change.ts';
import { DEFAULT_TENANT, rowDocumentId, rowKey, tableId, type DocumentId, type RowKey } from '../../src/domain/ids.ts';
import type { TableMapping } from '../../src/domain/mapping.ts';
import { sourcePosition } from '../../src/domain/source-position.ts';
import { makeVersion } from '../../src/domain/version.ts';
import { createChunker } from '../../src/ingest/chunk/chunker.ts';
import { htmlToText } from '../../src/ingest/chunk/html-to-text.ts';
import type { PipelineLimits } from '../../src/ingest/context.ts';
import { createEmbedQueue } from '../../src/ingest/embed-queue.ts';
import { createMapper } from '../../src/ingest/map.ts';
import { createPipeline } from '../../src/ingest/pipeline.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Embedder } from '../../src/ports/embedder.ts';
import type { Index } from '../../src/ports/index-store.ts';
import type { RowLookup, RowScan } from '../../src/ports/rows.ts';
import type { RecordFetch } from '../../src/ports/record-fetch.ts';
import { applyColumnPolicy } from '../../src/redaction/column-policy.ts';
import { createRedactor } from '../../src/redaction/redactor.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { FullSource, LiveSource } from '../../src/services/live-source.ts';
import { createExpectations } from '../../src/services/verify/expected.ts';
import { createRecordingObserver } from './recording-observer.ts';

export const TABLE = tableId('app.public.articles');
const KEY = Buffer.alloc(32, 7);

export const MAPPING: TableMapping = {
  table: TABLE,
  text: '{body}',
  title: '{title}',
  uri: 'kb://{id}',
  tenant: { value: DEFAULT_TENANT },
  metadata: {},
  format: 'markdown',
  columns: {},
};

export const keyOf = (id: number): RowKey => rowKey([id]);
export const idOf = (id: number): DocumentId => rowDocumentId('app', TABLE, keyOf(id));

/** One table, its log and a pipeline that follows it, all in memory, on the real stages. Rows have id, title and body. */
export function createPipelineKit(
  options: {
    readonly clock?: Clock;
    readonly index?: Index;
    readonly wrapEmbedder?: (embedder: Embedder) => Embedder;
    readonly wrapIndex?: (index: Index) => Index;
    readonly mapping?: TableMapping;
    readonly limits?: Partial<PipelineLimits>;
    readonly withLookup?: boolean;
    readonly recordFetch?: RecordFetch;
  } = {},
) {
  const clock = options.clock ?? systemClock;
  const rows = new Map<RowKey, Row>();
  const scripted = createScriptedSource({ name: 'app' });
  const index = options.index ?? createMemoryIndex({ dimensions: 384 });
  const deadLetters = createMemoryDeadLetters();
  const observer = createRecordingObserver();
  const hashing = createHashingEmbedder();
  const embedder = options.wrapEmbedder?.(hashing) ?? hashing;
  const life = new AbortController();
  setMaxListeners(0, life.signal);
  const embedQueue = createEmbedQueue({ embedder, clock, observer, random: () => 0.5, signal: life.signal });
  const redactor = createRedactor({ key: KEY });
  const chunker = createChunker({ tokenizer: hashingTokenizer, maxTokens: 60 });
  const mapper = createMapper({
    applyColumnPolicy: (row, policy) => applyColumnPolicy(row, policy, KEY),
    htmlToText,
    hashKey: KEY,
    maxTextLength: 100_000,
  });
  const mapping = options.mapping ?? MAPPING;
  const mappings = new Map([[TABLE, mapping]]);
  let position = 0;

  const source = Object.assign(scripted, {
    row: (_table: unknown, key: RowKey) => Promise.resolve(rows.get(key)),
    origin: 'a map in memory',
    async *rows() {
      for (const [key, row] of rows) yield { key, row };
    },
    coveredToken: () => String(scripted.committed.values().next().value ?? 0n),
    currentToken: () => Promise.resolve(String(position)),
    reached: async (token: string, _waitMs?: number, _signal?: AbortSignal): Promise<boolean> => {
      for (let turn = 0; turn < 200; turn += 1) {
        if ((scripted.committed.values().next().value ?? 0n) >= BigInt(token)) return true;
        await new Promise((resolve) => setImmediate(resolve));
      }
      return false;
    },
  }) satisfies FullSource & RowLookup & RowScan;
  const documentId = (_table: unknown, key: RowKey): DocumentId => rowDocumentId('app', TABLE, key);
  const pipeline = createPipeline({
    source,
    index: options.wrapIndex?.(index) ?? index,
    mapper,
    redactor,
    chunker,
    embedQueue,
    deadLetters,
    ...(options.withLookup === false ? {} : { rowLookup: source }),
    ...(options.recordFetch === undefined ? {} : { recordFetch: options.recordFetch }),
    mappings,
    documentId,
    generation: 1,
    clock,
    observer,
    random: () => 0.5,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);

  const coordinates = () => {
    position += 1;
    return {
      table: TABLE,
      version: makeVersion(0, position),
      sourcePosition: sourcePosition(BigInt(position)),
      committedAt: clock.now(),
    };
  };
  const live: LiveSource = {
    source,
    rowLookup: source,
    rowScan: source,
    pipeline,
    mappings,
    documentId,
    isPostgres: false,
  };
  return {
    clock,
    rows,
    source,
    index,
    pipeline,
    embedQueue,
    deadLetters,
    observer,
    redactor,
    mapper,
    chunker,
    live,
    expectations: createExpectations({ mapper, redactor, chunker, embedderFingerprint: embedder.fingerprint }),
    signal: life.signal,
    /** Commits a row and delivers its change. */
    write(id: number, row: { readonly title?: string; readonly body: Row[string] }) {
      const whole: Row = { id, title: `Article ${id}`, ...row };
      rows.set(keyOf(id), whole);
      source.push({ kind: 'row-upserted', key: keyOf(id), row: whole, snapshot: false, ...coordinates() });
    },
    remove(id: number) {
      rows.delete(keyOf(id));
      source.push({ kind: 'row-deleted', key: keyOf(id), ...coordinates() });
    },
    truncate() {
      rows.clear();
      const { table, sourcePosition: at, committedAt } = coordinates();
      source.push({ kind: 'table-truncated', table, epoch: 0, sourcePosition: at, committedAt });
    },
    run: () => pipeline.run(stop.signal),
    stop: () => stop.abort(),
    /** Waits until everything delivered so far is committed. */
    async quiet() {
      if (!(await source.reached(String(position), 0, life.signal)))
        throw new Error('The pipeline did not become quiet.');
    },
    async text(id: number): Promise<string | undefined> {
      const stored = await index.document(idOf(id), DEFAULT_TENANT, life.signal);
      return stored === undefined || stored.head.deleted
        ? undefined
        : stored.chunks.map((chunk) => chunk.text).join('\n');
    },
    async close() {
      stop.abort();
      life.abort();
      await index[Symbol.asyncDispose]();
    },
  };
}

export type PipelineKit = ReturnType<typeof createPipelineKit>;
