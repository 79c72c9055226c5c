import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { createMemoryDeadLetters } from '../../connectors/memory/dead-letters.ts';
import { createScriptedSource } from '../../connectors/memory/scripted-source.ts';
import { DEFAULT_TENANT, rowDocumentId, rowKey, tableId } from '../../src/domain/ids.ts';
import type { TableMapping } from '../../src/domain/mapping.ts';
import type { SearchHit, SearchQuery } from '../../src/domain/search.ts';
import { sourcePosition } from '../../src/domain/source-position.ts';
import { makeVersion } from '../../src/domain/version.ts';
import { createChunker } from '../../src/ingest/chunk/chunker.ts';
import { htmlToText } from '../../src/ingest/chunk/html-to-text.ts';
import { createEmbedQueue } from '../../src/ingest/embed-queue.ts';
import { createMapper } from '../../src/ingest/map.ts';
import { createPipeline } from '../../src/ingest/pipeline.ts';
import { silentObserver } from '../../src/observability/events.ts';
import type { Tokenizer } from '../../src/ports/chunker.ts';
import type { Embedder } from '../../src/ports/embedder.ts';
import type { Index } from '../../src/ports/index-store.ts';
import { applyColumnPolicy } from '../../src/redaction/column-policy.ts';
import { createRedactor } from '../../src/redaction/redactor.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { Dataset } from './datasets.ts';

const TABLE = tableId('eval.public.documents');
/** The product's default. */
const MAX_TOKENS = 200;
const INDEXING_MS_MAX = 3_600_000;

export interface Instance extends AsyncDisposable {
  readonly index: Index;
  search(
    text: string,
    options: Pick<SearchQuery, 'mode' | 'limit'> & { readonly perDocument?: number },
  ): Promise<readonly SearchHit[]>;
}

export interface InstanceOptions {
  /** Empty, for the embedder's vectors. The instance disposes of it. */
  readonly index: Index;
  readonly embedder: Embedder;
  readonly tokenizer: Tokenizer;
}

/**
 * Indexes a data set as the product does: as rows of a table, through mapper, redactor, chunker, diff and embedder into an index.
 * Each document's uri is its id in the data set.
 */
export async function indexDataset(dataset: Dataset, options: InstanceOptions): Promise<Instance> {
  const { index, embedder, tokenizer } = options;
  const life = new AbortController();
  setMaxListeners(0, life.signal);
  const key = randomBytes(32);
  const redactor = createRedactor({ key });
  const embedQueue = createEmbedQueue({
    embedder,
    clock: systemClock,
    observer: silentObserver,
    random: Math.random,
    signal: life.signal,
  });
  const mapping: TableMapping = {
    table: TABLE,
    text: '{body}',
    title: '{title}',
    uri: '{id}',
    tenant: { value: DEFAULT_TENANT },
    metadata: {},
    format: dataset.format,
    columns: {},
  };
  const source = createScriptedSource({ name: 'eval' });
  const deadLetters = createMemoryDeadLetters();
  const pipeline = createPipeline({
    source,
    index,
    mapper: createMapper({
      applyColumnPolicy: (row, policy) => applyColumnPolicy(row, policy, key),
      htmlToText,
      hashKey: key,
      maxTextLength: 1_000_000,
    }),
    redactor,
    chunker: createChunker({ tokenizer, maxTokens: Math.min(MAX_TOKENS, embedder.maxTextTokens) }),
    embedQueue,
    deadLetters,
    mappings: new Map([[TABLE, mapping]]),
    documentId: (_table, row) => rowDocumentId('eval', TABLE, row),
    generation: await index.registerSettings(embedder.fingerprint, life.signal),
    clock: systemClock,
    observer: silentObserver,
    random: Math.random,
    // The source ends at once: all of its work is still in flight then.
    limits: { drainMs: INDEXING_MS_MAX, writeDeadlineMs: INDEXING_MS_MAX },
  });
  dataset.documents.forEach(({ id, title, body }, at) =>
    source.push({
      kind: 'row-upserted',
      table: TABLE,
      key: rowKey([id]),
      row: { id, title, body },
      version: makeVersion(0, at + 1),
      sourcePosition: sourcePosition(BigInt(at + 1)),
      committedAt: systemClock.now(),
      snapshot: false,
    }),
  );
  source.end();
  await pipeline.run(life.signal);
  const { documents } = await index.stats(life.signal);
  if (documents !== dataset.documents.length)
    throw new Error(`${documents} of the ${dataset.documents.length} documents of ${dataset.name} could be indexed.`);

  return {
    index,
    async search(asked, { mode, limit, perDocument }) {
      const text = redactor.redactText(asked);
      const vector = mode === 'lexical' ? undefined : await embedQueue.embedQuery(text, life.signal);
      const query: SearchQuery = {
        text,
        mode,
        limit,
        tenant: DEFAULT_TENANT,
        now: systemClock.now(),
        ...(vector === undefined ? {} : { vector }),
        ...(perDocument === undefined ? {} : { perDocument }),
      };
      return index.search(query, life.signal);
    },
    async [Symbol.asyncDispose]() {
      life.abort();
      await index[Symbol.asyncDispose]();
    },
  };
}
