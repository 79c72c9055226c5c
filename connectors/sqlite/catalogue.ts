import type { Metadata } from '../../src/domain/document.ts';
import type { DocumentId, TableId } from '../../src/domain/ids.ts';
import type { SourcePosition } from '../../src/domain/source-position.ts';
import type { Instant } from '../../src/domain/time.ts';
import type { Stamp } from '../../src/domain/version.ts';
import { VectorSlab } from './dense.ts';

/** What a search must know of a live document to filter it, kept in memory. Titles, texts and chunk lists stay in the file. */
export interface DocumentFacts extends Stamp {
  readonly doc: number;
  readonly id: DocumentId;
  readonly table: TableId;
  readonly tenant: number;
  readonly access: readonly string[];
  readonly metadata: Metadata;
  readonly sourcePosition?: SourcePosition;
  readonly committedAt: Instant;
}

export interface CatalogueEntry {
  facts: DocumentFacts;
  readonly rows: Set<number>;
  /** The verdict of the search numbered `judgedBy`, so that a document is judged once per search and not once per chunk. */
  judgedBy: number;
  passes: boolean;
}

export interface RowVector {
  readonly row: number;
  /** Absent when the vector is of another embedder: such a chunk is found by its words only. */
  readonly vector: Uint8Array | undefined;
}

/** The part of the index that searches need at hand: live documents, which chunk row is whose, and the vectors of each tenant. */
export class Catalogue {
  readonly #dimensions: number;
  readonly #entries = new Map<number, CatalogueEntry>();
  readonly #entryOfRow = new Map<number, CatalogueEntry>();
  readonly #slabs = new Map<number, VectorSlab>();
  readonly #chunksOfTenant = new Map<number, number>();

  constructor(dimensions: number) {
    this.#dimensions = dimensions;
  }

  get documents(): number {
    return this.#entries.size;
  }

  get chunks(): number {
    return this.#entryOfRow.size;
  }

  /** Documents and chunks that pass, one by one: only where what is stored is more than what can be seen. */
  count(isVisible: (facts: DocumentFacts) => boolean): { readonly documents: number; readonly chunks: number } {
    let documents = 0;
    let chunks = 0;
    for (const { facts, rows } of this.#entries.values()) {
      if (!isVisible(facts)) continue;
      documents += 1;
      chunks += rows.size;
    }
    return { documents, chunks };
  }

  chunksOf(tenant: number): number {
    return this.#chunksOfTenant.get(tenant) ?? 0;
  }

  slab(tenant: number): VectorSlab | undefined {
    return this.#slabs.get(tenant);
  }

  entry(doc: number): CatalogueEntry | undefined {
    return this.#entries.get(doc);
  }

  entryOfRow(row: number): CatalogueEntry | undefined {
    return this.#entryOfRow.get(row);
  }

  /** A document's new facts; `removed` and `added` are the rows that changed. Kept rows follow the document into another tenant. */
  put(facts: DocumentFacts, removed: readonly number[], added: readonly RowVector[]): void {
    const entry = this.#entries.get(facts.doc) ?? this.#create(facts);
    const before = entry.facts.tenant;
    for (const row of removed) this.#removeRow(entry, row);
    entry.facts = facts;
    if (before !== facts.tenant) this.#move(entry, before, facts.tenant);
    for (const { row, vector } of added) this.#addRow(entry, row, vector);
  }

  delete(doc: number): void {
    const entry = this.#entries.get(doc);
    if (entry === undefined) return;
    for (const row of entry.rows) this.#removeRow(entry, row);
    this.#entries.delete(doc);
  }

  removeRow(row: number): void {
    const entry = this.#entryOfRow.get(row);
    if (entry !== undefined) this.#removeRow(entry, row);
  }

  #create(facts: DocumentFacts): CatalogueEntry {
    const entry: CatalogueEntry = { facts, rows: new Set(), judgedBy: 0, passes: false };
    this.#entries.set(facts.doc, entry);
    return entry;
  }

  #addRow(entry: CatalogueEntry, row: number, vector: Uint8Array | undefined): void {
    const { tenant } = entry.facts;
    if (!entry.rows.has(row)) this.#count(tenant, 1);
    entry.rows.add(row);
    this.#entryOfRow.set(row, entry);
    if (vector !== undefined) this.#slabFor(tenant).put(row, entry, vector);
    else this.#slabs.get(tenant)?.remove(row);
  }

  #removeRow(entry: CatalogueEntry, row: number): void {
    if (!entry.rows.delete(row)) return;
    this.#entryOfRow.delete(row);
    this.#slabs.get(entry.facts.tenant)?.remove(row);
    this.#count(entry.facts.tenant, -1);
  }

  #move(entry: CatalogueEntry, from: number, to: number): void {
    const source = this.#slabs.get(from);
    for (const row of entry.rows) {
      this.#count(from, -1);
      this.#count(to, 1);
      const vector = source?.bytes(row);
      if (vector === undefined) continue;
      source!.remove(row);
      this.#slabFor(to).put(row, entry, vector);
    }
  }

  #count(tenant: number, change: number): void {
    const count = this.chunksOf(tenant) + change;
    if (count > 0) {
      this.#chunksOfTenant.set(tenant, count);
    } else {
      this.#chunksOfTenant.delete(tenant);
      this.#slabs.delete(tenant);
    }
  }

  #slabFor(tenant: number): VectorSlab {
    let slab = this.#slabs.get(tenant);
    if (slab === undefined) this.#slabs.set(tenant, (slab = new VectorSlab(this.#dimensions)));
    return slab;
  }
}
