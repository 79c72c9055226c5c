import type { Head } from '../../src/domain/document.ts';
import { FreshetError, throwIfAborted } from '../../src/domain/errors.ts';
import type { ChunkId, DocumentId, PartitionId, TableId, TenantId } from '../../src/domain/ids.ts';
import type { SearchHit, SearchQuery } from '../../src/domain/search.ts';
import { isLaterTruncation, type Truncation } from '../../src/domain/source-position.ts';
import type { Generation } from '../../src/domain/version.ts';
import { isTruncated } from '../../src/domain/visibility.ts';
import type { Checkpoints } from '../../src/ports/checkpoints.ts';
import type {
  DocumentWrite,
  Floor,
  HeadFilter,
  Index,
  IndexStats,
  StoredChunk,
  StoredDocument,
  SweepLimits,
} from '../../src/ports/index-store.ts';
import { Applier } from './apply.ts';
import { Catalogue } from './catalogue.ts';
import type { Database } from './database.ts';
import { LogSync } from './log-sync.ts';
import { LexicalSearch } from './lexical.ts';
import { loadCatalogue, reloadDocument, type LoadProgress } from './load.ts';
import { embedderNumber, Names } from './names.ts';
import { packJson, unpackJson } from './odd-text.ts';
import { readDocument, readHeads, readTruncations, scanChunks, scanHeads, type ChunkScan } from './read.ts';
import { configure, INDEX_STORE, openStore, sizeOf } from './schema.ts';
import { Searcher } from './search.ts';
import { floorOf, sweep } from './sweep.ts';
import { GroupCommit, type Outcome } from './writer.ts';

/** An exact scan in JavaScript stays in the tens of milliseconds up to here. */
const COMFORTABLE_CHUNKS = 200_000;

export interface SqliteIndexOptions {
  readonly path: string;
  readonly dimensions: number;
  /** Of the embedder whose vectors are inserted and searched with; chunks of another are found by their words only. */
  readonly embedderFingerprint: string;
  /** The file never grows past this: writes then fail as on a full disk, until something is deleted. */
  readonly bytesMax?: number;
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Called once per opening, when the index outgrows an exact scan. */
  readonly onLarge?: (message: string, chunks: number) => void;
}

export interface SqliteIndex extends Index, Checkpoints {
  /**
   * Gives the file another name, in place of the file that has it, without loading anything again. Nothing may use the index meanwhile. When
   * it fails, the file has its old name; if it cannot be opened again even there, every later use fails.
   */
  moveTo(path: string): Promise<void>;
}

/**
 * The embedded index: one SQLite file that is index, ledger and checkpoint in one, searched from memory. One process owns it (see lock.ts).
 *
 * Durability: a commit is visible at once and survives the end of the process, however it ends; it survives a power cut once a position
 * above it is saved, for saving waits until the whole log up to there is on disk. So nothing is acknowledged to a source that a power cut
 * could take back, and no edit waits for the disk before it can be found.
 *
 * Errors: `fatal` INDEX_CORRUPT, INDEX_NEWER, INDEX_FOREIGN, INDEX_NOT_WRITABLE; `transient` INDEX_DISK_FULL, INDEX_IO_ERROR, INDEX_BUSY;
 * `stale` INDEX_CHUNK_GONE.
 */
export async function openSqliteIndex(options: SqliteIndexOptions): Promise<SqliteIndex> {
  const db = openStore(options.path, INDEX_STORE, options.bytesMax, options.onProgress);
  try {
    const embedder = embedderNumber(db, options.embedderFingerprint, options.dimensions);
    const catalogue = new Catalogue(options.dimensions);
    await loadCatalogue(db, catalogue, embedder, options.onProgress ?? (() => undefined));
    return new EmbeddedIndex(db, options, embedder, catalogue);
  } catch (error) {
    db.close();
    throw error;
  }
}

class EmbeddedIndex implements SqliteIndex {
  readonly dimensions: number;
  readonly #db: Database;
  readonly #options: SqliteIndexOptions;
  readonly #catalogue: Catalogue;
  readonly #writer: GroupCommit;
  #log: LogSync;
  readonly #applier: Applier;
  readonly #searcher: Searcher;
  readonly #truncations: Map<TableId, Truncation>;
  #warned = false;
  #closed: Promise<void> | undefined;

  constructor(db: Database, options: SqliteIndexOptions, embedder: number, catalogue: Catalogue) {
    const tenants = new Names(db);
    this.dimensions = options.dimensions;
    this.#db = db;
    this.#options = options;
    this.#catalogue = catalogue;
    this.#writer = new GroupCommit(db);
    this.#log = new LogSync(options.path, INDEX_STORE.words);
    this.#truncations = readTruncations(db);
    this.#applier = new Applier({
      db,
      dimensions: options.dimensions,
      embedder,
      catalogue,
      tenants,
      reload: (doc) => reloadDocument(db, catalogue, embedder, doc),
    });
    this.#searcher = new Searcher({
      db,
      dimensions: options.dimensions,
      catalogue,
      lexical: new LexicalSearch(db, catalogue),
      truncations: this.#truncations,
      tenant: (name) => tenants.known(name),
    });
    this.#warnWhenLarge();
  }

  async registerSettings(fingerprint: string, signal: AbortSignal): Promise<Generation> {
    const registered = await this.#writer.write(() => {
      const last = this.#db
        .prepare('SELECT generation, fingerprint FROM generations ORDER BY generation DESC LIMIT 1')
        .get();
      if (last !== undefined && last[1] === fingerprint) return { value: last[0] as number };
      const generation = ((last?.[0] as number | undefined) ?? 0) + 1;
      this.#db.prepare('INSERT INTO generations (generation, fingerprint) VALUES (?, ?)').run(generation, fingerprint);
      return { value: generation };
    }, signal);
    await this.#log.sync();
    return registered;
  }

  async heads(ids: readonly DocumentId[], signal: AbortSignal): Promise<ReadonlyMap<DocumentId, Head>> {
    throwIfAborted(signal);
    return readHeads(this.#db, ids);
  }

  async floor(partition: PartitionId, signal: AbortSignal): Promise<Floor | undefined> {
    throwIfAborted(signal);
    return floorOf(this.#db, partition);
  }

  async apply(write: DocumentWrite, signal: AbortSignal): Promise<void> {
    await this.#writer.write(() => this.#applier.apply(write), signal);
    this.#warnWhenLarge();
  }

  async truncate(table: TableId, truncation: Truncation, signal: AbortSignal): Promise<void> {
    await this.#writer.write(() => {
      if (!isLaterTruncation(truncation, readTruncations(this.#db).get(table))) return { value: undefined };
      this.#db
        .prepare(
          'INSERT INTO truncations (tbl, epoch, pos) VALUES (?, ?, ?) ON CONFLICT (tbl) DO UPDATE SET epoch = excluded.epoch, pos = excluded.pos',
        )
        .run(table, truncation.epoch, truncation.sourcePosition);
      return { value: undefined, effect: () => void this.#truncations.set(table, truncation) };
    }, signal);
    await this.#log.sync();
  }

  async truncations(signal: AbortSignal): Promise<ReadonlyMap<TableId, Truncation>> {
    throwIfAborted(signal);
    return new Map(this.#truncations);
  }

  async search(query: SearchQuery, signal: AbortSignal): Promise<readonly SearchHit[]> {
    throwIfAborted(signal);
    if (query.vector !== undefined && query.vector.length !== this.dimensions) {
      throw new FreshetError(
        'INDEX_DIMENSIONS',
        'poison',
        `The query's vector has ${query.vector.length} dimensions, the index has ${this.dimensions}. Embed queries with the embedder that feeds the index.`,
        { details: { found: query.vector.length, expected: this.dimensions } },
      );
    }
    return this.#searcher.search(query);
  }

  async document(id: DocumentId, tenant: TenantId, signal: AbortSignal): Promise<StoredDocument | undefined> {
    throwIfAborted(signal);
    return readDocument(this.#db, id, tenant, this.#truncations);
  }

  scanHeads(filter: HeadFilter, signal: AbortSignal): AsyncIterable<Head> {
    return scanHeads(this.#db, filter, signal);
  }

  scanChunks(options: ChunkScan, signal: AbortSignal): AsyncIterable<StoredChunk> {
    return scanChunks(this.#db, options, signal);
  }

  sweep(limits: SweepLimits, signal: AbortSignal): Promise<{ readonly heads: number; readonly chunks: number }> {
    const deps = {
      db: this.#db,
      writer: this.#writer,
      applier: this.#applier,
      catalogue: this.#catalogue,
      truncations: this.#truncations,
    };
    return sweep(deps, limits, signal);
  }

  deleteChunks(ids: readonly ChunkId[], signal: AbortSignal): Promise<void> {
    return this.#writer.write(() => {
      const find = this.#db.prepare('SELECT row FROM chunks WHERE id = ?');
      const rows = ids.map((id) => find.get(id)?.[0] as number | undefined).filter((row) => row !== undefined);
      for (const row of rows) this.#applier.deleteRow(row);
      return { value: undefined, effect: () => rows.forEach((row) => this.#catalogue.removeRow(row)) };
    }, signal);
  }

  async stats(signal: AbortSignal): Promise<IndexStats> {
    throwIfAborted(signal);
    const { documents, chunks } = this.#catalogue;
    const visible =
      this.#truncations.size === 0
        ? { documents, chunks }
        : this.#catalogue.count((facts) => !isTruncated(facts, this.#truncations.get(facts.table)));
    return {
      ...visible,
      bytesOnDisk: ['', '-wal'].reduce((sum, suffix) => sum + sizeOf(this.#db.path + suffix), 0),
    };
  }

  async load(source: string): Promise<unknown> {
    const cells = this.#db.prepare('SELECT state FROM checkpoints WHERE source = ?').get(source);
    return cells === undefined ? undefined : unpackJson(cells[0]);
  }

  async save(source: string, state: unknown): Promise<void> {
    const json = packJson(state);
    const write = (): Outcome<void> => {
      this.#db
        .prepare(
          'INSERT INTO checkpoints (source, state) VALUES (?, ?) ON CONFLICT (source) DO UPDATE SET state = excluded.state',
        )
        .run(source, json);
      return { value: undefined };
    };
    // Readers see a change before its position is saved, and only the server's log waits for that.
    await this.#writer.write(write, undefined, 'patient');
    // The log is one file in the order of the commits: with the position, every change below it is on disk.
    await this.#log.sync();
  }

  async moveTo(path: string): Promise<void> {
    await this.#log.close();
    try {
      this.#db.moveTo(path);
    } finally {
      this.#log = new LogSync(this.#db.path, INDEX_STORE.words);
      configure(this.#db, INDEX_STORE, this.#options.bytesMax);
      this.#writer.connected();
    }
  }

  #warnWhenLarge(): void {
    const { chunks } = this.#catalogue;
    if (this.#warned || chunks <= COMFORTABLE_CHUNKS) return;
    this.#warned = true;
    this.#options.onLarge?.(
      `The embedded index holds ${chunks} chunks. It scans all of a tenant's vectors for every search: past ${COMFORTABLE_CHUNKS} chunks use the Qdrant index.`,
      chunks,
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#writer
      .close()
      .then(() => this.#log.close())
      .then(() => this.#db.close());
    return this.#closed;
  }
}
