import { setMaxListeners } from 'node:events';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { createRecordDecoder } from '../../connectors/kafka/decode/decoder.ts';
import type { KafkaRecord, RecordDecoder } from '../../connectors/kafka/record.ts';
import { hashingTokenizer } from '../../connectors/hashing/tokenizer.ts';
import { createMemoryDeadLetters } from '../../connectors/memory/dead-letters.ts';
import type { Head } from '../../src/domain/document.ts';
import {
  DEFAULT_TENANT,
  partitionId,
  rowDocumentId,
  tableId,
  type DocumentId,
  type TableId,
} from '../../src/domain/ids.ts';
import type { Truncation } from '../../src/domain/source-position.ts';
import { isBelow } from '../../src/domain/version.ts';
import type { TableMapping } from '../../src/domain/mapping.ts';
import { createChunker } from '../../src/ingest/chunk/chunker.ts';
import { htmlToText } from '../../src/ingest/chunk/html-to-text.ts';
import { createEmbedQueue } from '../../src/ingest/embed-queue.ts';
import { createMapper } from '../../src/ingest/map.ts';
import { createPipeline, type Pipeline } from '../../src/ingest/pipeline.ts';
import type { PipelineLimits } from '../../src/ingest/context.ts';
import type { FreshetEvent, Observer } from '../../src/observability/events.ts';
import { createObserver } from '../../src/observability/observer.ts';
import type { Embedder } from '../../src/ports/embedder.ts';
import type { Index } from '../../src/ports/index-store.ts';
import type { Source } from '../../src/ports/source.ts';
import { applyColumnPolicy } from '../../src/redaction/column-policy.ts';
import { createRedactor } from '../../src/redaction/redactor.ts';
import { systemClock } from '../../src/runtime/clock.ts';

export const DIMENSIONS = 384;
export const NOTES = tableId('bench.public.notes');
export const SOURCE_NAME = 'bench';
const KEY = new Uint8Array(32).fill(7);
const MAX_TEXT_TOKENS = 510;

const MAPPING: TableMapping = {
  table: NOTES,
  text: '{body}',
  title: '{title}',
  uri: 'bench://{id}',
  tenant: { value: DEFAULT_TENANT },
  metadata: {},
  format: 'markdown',
  columns: {},
};

export const createBenchDecoder = (): RecordDecoder =>
  createRecordDecoder({ source: SOURCE_NAME, tables: [{ id: NOTES, name: 'public.notes' }] });

/** The product's observer, with nobody who reads its log. */
export function createBenchObserver(also: (event: FreshetEvent) => void): Observer {
  const logger = pino({ level: 'warn' }, { write: () => undefined });
  return createObserver({ logger, registry: new Registry(), also: [{ emit: also }] });
}

/** The real pipeline and its stages, on whatever source, engine and index a job brings. */
export function createBenchPipeline(parts: {
  readonly source: Source;
  readonly index: Index;
  readonly embedder: Embedder;
  readonly observer: Observer;
  readonly signal: AbortSignal;
  readonly limits?: Partial<PipelineLimits>;
}): Pipeline {
  const { source, index, embedder, observer, signal, limits } = parts;
  setMaxListeners(0, signal);
  return createPipeline({
    ...{ source, index, observer, clock: systemClock, random: Math.random, generation: 1 },
    mapper: createMapper({
      applyColumnPolicy: (row, policy) => applyColumnPolicy(row, policy, KEY),
      ...{ htmlToText, hashKey: KEY, maxTextLength: 1_000_000 },
    }),
    redactor: createRedactor({ key: KEY }),
    chunker: createChunker({ tokenizer: hashingTokenizer, maxTokens: MAX_TEXT_TOKENS }),
    embedQueue: createEmbedQueue({ embedder, observer, signal, clock: systemClock, random: Math.random }),
    deadLetters: createMemoryDeadLetters(),
    mappings: new Map([[NOTES, MAPPING]]),
    documentId: (table, key) => rowDocumentId(SOURCE_NAME, table, key),
    ...(limits === undefined ? {} : { limits }),
  });
}

/** Records that were fetched already, decoded one after another as the Kafka source does. Commits are taken at their word. */
export function createRecordsSource(
  records: Iterable<KafkaRecord>,
  decoder: RecordDecoder,
  onCommit: (offset: bigint) => void,
): Source {
  const idle = new AbortController();
  return {
    name: SOURCE_NAME,
    async *read(signal) {
      for (const record of records) {
        if (signal.aborted) return;
        const decoding = decoder.decode(record, 0, idle.signal);
        const { event } = decoding instanceof Promise ? await decoding : decoding;
        yield {
          position: { partition: partitionId(`${record.topic}/${record.partition}`), offset: record.offset },
          endsPosition: true,
          event,
          receivedAt: Date.now(),
          bytes: 200 + (record.value?.length ?? 0) + (record.key?.length ?? 0),
        };
      }
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
    commit(positions) {
      for (const { offset } of positions) onCommit(offset);
      return Promise.resolve();
    },
    onRevoked: () => undefined,
    freshness: () =>
      Promise.resolve({
        ...{ source: SOURCE_NAME, connected: true, partitions: [], snapshotFinished: true, snapshots: [], gauges: {} },
      }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** An engine that answers at once. */
export function createInstantEmbedder(): Embedder {
  const vector = new Float32Array(DIMENSIONS).fill(1 / Math.sqrt(DIMENSIONS));
  return {
    ...{ fingerprint: 'bench:instant', dimensions: DIMENSIONS, maxTextTokens: MAX_TEXT_TOKENS },
    ...{ maxBatchTokens: 8_192, concurrency: 4 },
    embed: (texts) => Promise.resolve(texts.map(() => vector)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** An index that keeps heads and answers at once: what is measured is the way there. */
export function createInstantIndex(): Index {
  const heads = new Map<DocumentId, Head>();
  const none = new Map<TableId, Truncation>();
  const unused = (): never => {
    throw new Error('The instant index keeps heads only.');
  };
  return {
    dimensions: DIMENSIONS,
    registerSettings: () => Promise.resolve(1),
    heads(ids) {
      const found = new Map<DocumentId, Head>();
      for (const id of ids) {
        const head = heads.get(id);
        if (head !== undefined) found.set(id, head);
      }
      return Promise.resolve(found);
    },
    apply({ head }) {
      const stored = heads.get(head.id);
      if (stored === undefined || isBelow(stored, head)) heads.set(head.id, head);
      return Promise.resolve();
    },
    floor: () => Promise.resolve(undefined),
    truncations: () => Promise.resolve(none),
    truncate: unused,
    search: unused,
    document: unused,
    scanHeads: unused,
    scanChunks: unused,
    sweep: unused,
    deleteChunks: unused,
    stats: unused,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
