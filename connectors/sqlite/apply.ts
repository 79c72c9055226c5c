import type { Head } from '../../src/domain/document.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import { compareStamps, isBelow, type Stamp, type Version } from '../../src/domain/version.ts';
import type { DocumentWrite, NewChunk } from '../../src/ports/index-store.ts';
import type { Catalogue, DocumentFacts, RowVector } from './catalogue.ts';
import type { Database, Statement } from './database.ts';
import { headValues, INSERT_HEAD } from './heads.ts';
import type { Names } from './names.ts';
import { packText, unpackJson, unpackText } from './odd-text.ts';
import { WordsTable } from './words-table.ts';
import type { Outcome } from './writer.ts';

export interface ApplyDeps {
  readonly db: Database;
  readonly dimensions: number;
  readonly embedder: number;
  readonly catalogue: Catalogue;
  readonly tenants: Names;
  /** Puts a document into memory as the file has it; for a commit that reported failure and yet took place. */
  reload(doc: number): void;
}

const NOTHING: Outcome<void> = { value: undefined };

/**
 * A document's write inside the transaction. Being one transaction it needs no tombstoned chunks: rows that fall out of the document are
 * deleted, and the head alone remembers.
 */
export class Applier {
  readonly #deps: ApplyDeps;
  readonly #stamp: Statement;
  readonly #rows: Statement;
  readonly #head: Statement;
  readonly #insertChunk: Statement;
  readonly #insertVector: Statement;
  readonly #words: WordsTable;
  readonly #text: Statement;
  readonly #deleteChunk: Statement;
  readonly #deleteVector: Statement;

  constructor(deps: ApplyDeps) {
    const { db } = deps;
    this.#deps = deps;
    this.#stamp = db.prepare('SELECT doc, ver, gen, deleted, tenant, titles FROM heads WHERE id = ?');
    this.#rows = db.prepare('SELECT id, row FROM chunks WHERE doc = ?');
    this.#head = db.prepare(INSERT_HEAD);
    this.#insertChunk = db.prepare('INSERT INTO chunks (id, doc, text) VALUES (?, ?, ?) RETURNING row');
    this.#insertVector = db.prepare('INSERT INTO vectors (row, embedder, vector) VALUES (?, ?, ?)');
    this.#words = new WordsTable(db);
    this.#text = db.prepare('SELECT text FROM chunks WHERE row = ?');
    this.#deleteChunk = db.prepare('DELETE FROM chunks WHERE row = ?');
    this.#deleteVector = db.prepare('DELETE FROM vectors WHERE row = ?');
  }

  apply(write: DocumentWrite): Outcome<void> {
    const { head } = write;
    this.#assertSound(write);
    const stored = this.#stamp.get(head.id);
    if (stored !== undefined) {
      const [doc, version, generation, deleted] = stored as unknown as readonly [number, Version, number, number];
      if (!isBelow({ version, generation }, head)) return this.#settled(doc, { version, generation }, deleted === 1);
    }
    const before = stored === undefined ? new Map<string, number>() : this.#chunkRows(stored[0] as number);
    const kept = this.#kept(write, before);
    const tenant = this.#deps.tenants.number(head.attributes.tenant);
    const removed = [...before].filter(([id]) => !kept.has(id)).map(([, row]) => row);
    for (const row of removed) this.deleteRow(row);
    const doc = this.#head.get(...headValues(head, tenant))![0] as number;
    const { title } = head.attributes;
    if (stored !== undefined && (stored[4] !== tenant || titleOf(stored[5]) !== title))
      for (const row of kept.values()) this.#indexAgain(row, tenant, title);
    const added = write.insert.map((one) => this.#insert(one, doc, tenant, title));
    return { value: undefined, effect: () => this.#show(head, doc, tenant, removed, added) };
  }

  /** A chunk's three rows. */
  deleteRow(row: number): void {
    this.#words.delete(row);
    this.#deleteVector.run(row);
    this.#deleteChunk.run(row);
  }

  chunkRowsOf(doc: number): readonly number[] {
    return [...this.#chunkRows(doc).values()];
  }

  /** Nothing to do. Unless memory lags behind the file: then the commit that wrote this stamp had reported a failure. */
  #settled(doc: number, stamp: Stamp, deleted: boolean): Outcome<void> {
    const facts = this.#deps.catalogue.entry(doc)?.facts;
    const current = facts === undefined ? deleted : !deleted && compareStamps(facts, stamp) === 0;
    return current ? NOTHING : { value: undefined, effect: () => this.#deps.reload(doc) };
  }

  #chunkRows(doc: number): Map<string, number> {
    return new Map(this.#rows.all(doc) as readonly (readonly [string, number])[]);
  }

  /**
   * The rows of the kept chunks. One that is gone was dropped by a writer this decision did not know of: deciding again finds out, while
   * writing the head anyway would name a chunk that is not there.
   */
  #kept(write: DocumentWrite, before: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
    const kept = new Map<string, number>();
    for (const id of write.keep) {
      const row = before.get(id);
      if (row === undefined) {
        throw new FreshetError(
          'INDEX_CHUNK_GONE',
          'stale',
          `Document ${write.head.id} was changed by another writer: a chunk it was to keep is gone. It is read and decided again.`,
          { details: { document: write.head.id, chunk: id } },
        );
      }
      kept.set(id, row);
    }
    // An inserted chunk replaces a row of its id, if there is one.
    for (const { chunk } of write.insert) kept.delete(chunk.id);
    return kept;
  }

  #insert({ chunk, vector }: NewChunk, doc: number, tenant: number, title: string): RowVector {
    const row = this.#insertChunk.get(chunk.id, doc, packText(chunk.text))![0] as number;
    const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
    this.#insertVector.run(row, this.#deps.embedder, bytes);
    this.#words.insert(row, tenant, title, chunk.text);
    return { row, vector: bytes };
  }

  /** A kept chunk's words under its document's new tenant or title. */
  #indexAgain(row: number, tenant: number, title: string): void {
    this.#words.delete(row);
    this.#words.insert(row, tenant, title, unpackText(this.#text.get(row)?.[0]));
  }

  #show(head: Head, doc: number, tenant: number, removed: readonly number[], added: readonly RowVector[]): void {
    if (head.deleted) this.#deps.catalogue.delete(doc);
    else this.#deps.catalogue.put(factsOf(head, doc, tenant), removed, added);
  }

  /** What no store could hold: refused before anything is touched. */
  #assertSound({ head, keep, insert }: DocumentWrite): void {
    const { dimensions } = this.#deps;
    const wrong = insert.find(({ vector }) => vector.length !== dimensions);
    if (wrong !== undefined) {
      throw new FreshetError(
        'INDEX_DIMENSIONS',
        'fatal',
        `A vector of document ${head.id} has ${wrong.vector.length} dimensions, the index has ${dimensions}. The index must be opened with the embedder that feeds it.`,
        { details: { document: head.id, found: wrong.vector.length, expected: dimensions } },
      );
    }
    const given = new Set<string>([...keep, ...insert.map(({ chunk }) => chunk.id)]);
    if (head.deleted ? given.size > 0 || head.chunks.length > 0 : head.chunks.some(({ id }) => !given.has(id))) {
      throw new FreshetError(
        'INDEX_BAD_WRITE',
        'fatal',
        `The write of document ${head.id} contradicts itself: its head's list and the chunks it keeps and inserts do not agree. This is a bug in Freshet.`,
        { details: { document: head.id, listed: head.chunks.length, given: given.size } },
      );
    }
  }
}

const titleOf = (titles: unknown): string => unpackJson<readonly [string, string]>(titles)[0];

export function factsOf(head: Head, doc: number, tenant: number): DocumentFacts {
  return {
    doc,
    id: head.id,
    table: head.table,
    tenant,
    access: head.attributes.access,
    metadata: head.attributes.metadata,
    version: head.version,
    generation: head.generation,
    ...(head.sourcePosition === undefined ? {} : { sourcePosition: head.sourcePosition }),
    committedAt: head.committedAt,
  };
}
