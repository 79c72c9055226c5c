import { setMaxListeners } from 'node:events';
import type { Head } from '../../src/domain/document.ts';
import { FreshetError, throwIfAborted } from '../../src/domain/errors.ts';
import type { ChunkId, DocumentId, PartitionId, TableId, TenantId } from '../../src/domain/ids.ts';
import type { SearchHit, SearchQuery } from '../../src/domain/search.ts';
import type { Truncation } from '../../src/domain/source-position.ts';
import type { Generation } from '../../src/domain/version.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { SharedCheckpoints } from '../../src/ports/checkpoints.ts';
import type { FedIndex } from '../../src/ports/index-catalogue.ts';
import type {
  DocumentWrite,
  Floor,
  IndexStats,
  StoredChunk,
  StoredDocument,
  SweepLimits,
} from '../../src/ports/index-store.ts';
import { createCheckpoints } from './checkpoints.ts';
import { QdrantCalls } from './client.ts';
import { all, is, truncated } from './filters.ts';
import { claim, type Identity } from './identity.ts';
import { checkKey, mergeTruncations, raiseTruncation, readFloor, registerSettings } from './ledger.ts';
import type { QdrantCollectionOptions, QdrantIndexOptions } from './options.ts';
import { headOf } from './points.ts';
import { PointReader } from './reader.ts';
import { readDocument, scanChunks, scanHeads } from './scan.ts';
import { ensureCollection } from './schema.ts';
import { search } from './search.ts';
import { QdrantStore } from './store.ts';
import { sweep, type SweepProgress } from './sweep.ts';
import { Truncations } from './truncations.ts';
import { checkServer } from './version.ts';
import { writeRequests, type WriteLimits } from './write.ts';

const DEFAULT_REQUEST_BYTES_MAX = 16 * 1024 * 1024;
/** Points deleted by id in one request. */
const IDS_MAX = 1_000;

export interface QdrantIndex extends FedIndex, SharedCheckpoints {
  readonly collection: string;
  /**
   * Compares with what the index's first instance left. `id`: a keyed hash of a fixed text by the redaction key.
   * Rejects with `fatal` REDACTION_KEY_DIFFERS.
   */
  checkKey(id: string, signal: AbortSignal): Promise<void>;
}

/**
 * The index on a Qdrant server: one collection that is index, ledger and checkpoint in one, shared by any number of instances. Nothing is
 * a transaction there, so the rules of the ledger do what transactions would: guarded writes, the head last, readers that judge.
 *
 * Errors: `transient` INDEX_UNREACHABLE, INDEX_TIMEOUT, INDEX_OVERLOADED, INDEX_UNAVAILABLE, INDEX_NOT_YET_VISIBLE; `fatal`
 * INDEX_UNAUTHORIZED, INDEX_SERVER_OLD, INDEX_FOREIGN, INDEX_DIMENSIONS, INDEX_EMBEDDER_DIFFERS, INDEX_COLLECTION_MISSING; `poison`
 * INDEX_REJECTED, INDEX_DOCUMENT_TOO_LARGE; `stale` INDEX_CHUNK_GONE.
 */
export async function openQdrantIndex(options: QdrantIndexOptions, signal?: AbortSignal): Promise<QdrantIndex> {
  const calls = new QdrantCalls(options);
  const stop = signal ?? lifelong();
  try {
    await checkServer(calls, stop);
    const close = (): Promise<void> => calls[Symbol.asyncDispose]();
    return await openCollection(calls, { ...options, catalogue: null, index: null, close }, stop);
  } catch (error) {
    await calls[Symbol.asyncDispose]();
    throw error;
  }
}

/** Everything that is asked for meanwhile listens to it. */
function lifelong(): AbortSignal {
  const { signal } = new AbortController();
  setMaxListeners(0, signal);
  return signal;
}

export interface CollectionToOpen extends QdrantCollectionOptions, Pick<Identity, 'catalogue' | 'index'> {
  readonly collection: string;
  readonly dimensions: number;
  readonly embedderFingerprint: string;
  readonly clock: Clock;
  readonly requestBytesMax?: number;
  readonly onMessage?: (message: string) => void;
  /** Called when the index is disposed of. */
  readonly close?: () => Promise<void>;
}

/** On a connection that others use too, and close. */
export async function openCollection(
  calls: QdrantCalls,
  options: CollectionToOpen,
  signal: AbortSignal,
): Promise<QdrantIndex> {
  const { collection, dimensions, catalogue, index, averageWords, onMessage = () => undefined } = options;
  const info = await ensureCollection(calls, { collection, dimensions, options, onMessage }, signal);
  const store = new QdrantStore(calls, collection, info.config.params.replication_factor ?? 1);
  const wanted = { embedder: options.embedderFingerprint, catalogue, index, averageWords };
  const identity = await claim(store, wanted, info.points_count ?? 0, signal);
  const limits = {
    averageWords: identity.averageWords,
    requestBytesMax: options.requestBytesMax ?? DEFAULT_REQUEST_BYTES_MAX,
  };
  const isSharded = (info.config.params.shard_number ?? 1) > 1;
  return new QdrantCollectionIndex(store, { dimensions, isSharded }, limits, options.clock, options.close);
}

class QdrantCollectionIndex implements QdrantIndex {
  readonly collection: string;
  readonly dimensions: number;
  readonly #store: QdrantStore;
  readonly #isSharded: boolean;
  readonly #reader: PointReader;
  readonly #limits: WriteLimits;
  readonly #close: () => Promise<void>;
  readonly #truncations: Truncations;
  readonly #sweepProgress: SweepProgress = { lookedAt: undefined };
  readonly #lifetime = new AbortController();
  readonly load: FedIndex['load'];
  readonly save: FedIndex['save'];
  readonly change: SharedCheckpoints['change'];

  constructor(
    store: QdrantStore,
    { dimensions, isSharded }: { readonly dimensions: number; readonly isSharded: boolean },
    limits: WriteLimits,
    clock: Clock,
    close: () => Promise<void> = () => Promise.resolve(),
  ) {
    this.#close = close;
    setMaxListeners(0, this.#lifetime.signal);
    this.collection = store.collection;
    this.dimensions = dimensions;
    this.#store = store;
    this.#isSharded = isSharded;
    this.#reader = new PointReader(store);
    this.#limits = limits;
    this.#truncations = new Truncations(store, clock, this.#lifetime.signal);
    ({ load: this.load, save: this.save, change: this.change } = createCheckpoints(store, this.#lifetime.signal));
  }

  registerSettings(fingerprint: string, signal: AbortSignal): Promise<Generation> {
    return registerSettings(this.#store, fingerprint, signal);
  }

  checkKey(id: string, signal: AbortSignal): Promise<void> {
    return checkKey(this.#store, id, signal);
  }

  async heads(ids: readonly DocumentId[], signal: AbortSignal): Promise<ReadonlyMap<DocumentId, Head>> {
    const found = await this.#reader.read(ids, signal);
    const heads = new Map<DocumentId, Head>();
    for (const id of ids) {
      const payload = found.get(id);
      if (payload !== undefined) heads.set(id, headOf(payload));
    }
    return heads;
  }

  floor(partition: PartitionId, signal: AbortSignal): Promise<Floor | undefined> {
    return readFloor(this.#store, partition, signal);
  }

  async apply(write: DocumentWrite, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    for (const { vector } of write.insert) this.#refuseOtherDimensions(vector);
    for (const operations of writeRequests(write, this.#limits)) {
      try {
        await this.#store.write(operations, signal);
      } catch (error) {
        throw await this.#chunkGone(error, write, signal);
      }
    }
  }

  /** The server answers alike for a point and for a collection that is not there. */
  async #chunkGone(error: unknown, { head, keep }: DocumentWrite, signal: AbortSignal): Promise<unknown> {
    if (!(error instanceof FreshetError) || error.code !== 'INDEX_COLLECTION_MISSING' || keep.length === 0)
      return error;
    const found = await this.#store.retrieve(keep, signal, ['doc']);
    if (found.length === keep.length) return error;
    return new FreshetError(
      'INDEX_CHUNK_GONE',
      'stale',
      `${keep.length - found.length} chunks that a write keeps are not in the index any more: it was decided on an older head.`,
      { details: { document: head.id, missing: keep.length - found.length } },
    );
  }

  async truncate(table: TableId, truncation: Truncation, signal: AbortSignal): Promise<void> {
    await raiseTruncation(this.#store, table, truncation, signal);
    mergeTruncations(this.#truncations.known, new Map([[table, truncation]]));
  }

  truncations(signal: AbortSignal): Promise<ReadonlyMap<TableId, Truncation>> {
    return this.#truncations.recent(signal);
  }

  async search(query: SearchQuery, signal: AbortSignal): Promise<readonly SearchHit[]> {
    throwIfAborted(signal);
    if (query.vector !== undefined) this.#refuseOtherDimensions(query.vector, 'poison');
    return search({ ...this.#parts(), isSharded: this.#isSharded }, query, signal);
  }

  document(id: DocumentId, tenant: TenantId, signal: AbortSignal): Promise<StoredDocument | undefined> {
    return readDocument(this.#parts(), id, tenant, signal);
  }

  scanHeads(filter: Parameters<FedIndex['scanHeads']>[0], signal: AbortSignal): AsyncIterable<Head> {
    return scanHeads(this.#store, filter, signal);
  }

  scanChunks(options: Parameters<FedIndex['scanChunks']>[0], signal: AbortSignal): AsyncIterable<StoredChunk> {
    return scanChunks(this.#store, options, signal);
  }

  async sweep(limits: SweepLimits, signal: AbortSignal): Promise<{ readonly heads: number; readonly chunks: number }> {
    const truncations = await this.#truncations.fresh(signal);
    return sweep(this.#parts(), truncations, limits, this.#sweepProgress, signal);
  }

  async deleteChunks(ids: readonly ChunkId[], signal: AbortSignal): Promise<void> {
    for (let from = 0; from < ids.length; from += IDS_MAX) {
      await this.#store.write([{ delete: { points: ids.slice(from, from + IDS_MAX) } }], signal);
    }
  }

  /** Counted by the server. A chunk that only a sweep will find to be garbage is counted; readers do not see it. */
  async stats(signal: AbortSignal): Promise<IndexStats> {
    const truncations = await this.#truncations.fresh(signal);
    const count = (kind: string): Promise<number> =>
      this.#store.count(
        {
          ...all(is('kind', kind), is('deleted', false)),
          ...(truncations.size === 0 ? {} : { must_not: [...truncations].map((one) => truncated(...one)) }),
        },
        signal,
      );
    const [documents, chunks] = await Promise.all([count('head'), count('chunk')]);
    return { documents, chunks, bytesOnDisk: undefined };
  }

  #parts(): { store: QdrantStore; reader: PointReader; truncations: Map<TableId, Truncation> } {
    return { store: this.#store, reader: this.#reader, truncations: this.#truncations.known };
  }

  #refuseOtherDimensions({ length }: Float32Array, kind: 'fatal' | 'poison' = 'fatal'): void {
    if (length === this.dimensions) return;
    throw new FreshetError(
      'INDEX_DIMENSIONS',
      kind,
      `A vector has ${length} dimensions, the Qdrant collection "${this.collection}" ${this.dimensions}. Use the embedder that feeds the index.`,
      { details: { found: length, expected: this.dimensions } },
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#lifetime.abort();
    return this.#close();
  }
}
