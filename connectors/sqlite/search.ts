import type { Redacted } from '../../src/domain/document.ts';
import type { TableId } from '../../src/domain/ids.ts';
import type { SearchHit, SearchQuery } from '../../src/domain/search.ts';
import type { Truncation } from '../../src/domain/source-position.ts';
import { isTruncated, judge } from '../../src/domain/visibility.ts';
import type { Catalogue, CatalogueEntry } from './catalogue.ts';
import type { Database, Statement } from './database.ts';
import { matches } from './filter.ts';
import { bestFirst, fuse, perDocument, withRecency, type Ranked } from './fuse.ts';
import { HEAD_COLUMNS, headOf } from './heads.ts';
import type { LexicalSearch } from './lexical.ts';
import { unpackText } from './odd-text.ts';

/** Fused lists are at least this deep, so that a chunk both lists know can rise from the middle of each. */
const FUSED_DEPTH_MIN = 100;
const GROWTH = 4;

type Hits = readonly Ranked<CatalogueEntry>[];

export interface SearchDeps {
  readonly db: Database;
  readonly dimensions: number;
  readonly catalogue: Catalogue;
  readonly lexical: LexicalSearch;
  readonly truncations: ReadonlyMap<TableId, Truncation>;
  tenant(name: string): number | undefined;
}

/**
 * One search, start to end without giving up the event loop: memory, full-text index and heads are all of the same commit, so the
 * reader's rule (chunks first, then heads, again on `retry`) holds in one pass.
 */
export class Searcher {
  readonly #deps: SearchDeps;
  readonly #chunk: Statement;
  #number = 0;

  constructor(deps: SearchDeps) {
    this.#deps = deps;
    this.#chunk = deps.db.prepare(
      `SELECT ${HEAD_COLUMNS}, c.id, c.text FROM chunks c JOIN heads h ON h.doc = c.doc JOIN tenants t ON t.number = h.tenant WHERE c.row = ?`,
    );
  }

  search(query: SearchQuery): readonly SearchHit[] {
    const tenant = this.#deps.tenant(query.tenant);
    if (tenant === undefined || query.limit <= 0) return [];
    const passes = this.#oncePerDocument(query);
    const hits: SearchHit[] = [];
    for (const ranked of this.#ranked(query, tenant, passes)) {
      const hit = this.#hit(ranked);
      if (hit !== undefined) hits.push(hit);
    }
    return hits;
  }

  /** Looks deeper until the limit is met or nothing is left: `perDocument` drops rows only after they are ranked. */
  #ranked(query: SearchQuery, tenant: number, passes: (entry: CatalogueEntry) => boolean): Hits {
    const vector =
      query.mode === 'lexical' || query.vector?.length !== this.#deps.dimensions ? undefined : query.vector;
    const wantsWords = query.mode !== 'dense' || vector === undefined;
    const slab = vector === undefined ? undefined : this.#deps.catalogue.slab(tenant);
    const scores = slab === undefined ? undefined : slab.scores(vector!, passes);
    const start = query.mode === 'hybrid' ? Math.max(FUSED_DEPTH_MIN, query.limit * GROWTH) : query.limit;
    for (let depth = start; ; depth *= GROWTH) {
      const dense: Hits = scores === undefined ? [] : slab!.best(scores, depth);
      const words = wantsWords
        ? this.#deps.lexical.best(query.text, tenant, depth, passes)
        : { hits: [], exhausted: true };
      const ranked = this.#order(query, dense, words.hits);
      const kept = query.perDocument === undefined ? ranked : perDocument(ranked, query.perDocument);
      if (kept.length >= query.limit || (dense.length < depth && words.exhausted)) return kept.slice(0, query.limit);
    }
  }

  /** Words count in the fusion as far as they cover the question; without vectors to fuse with, they stand alone. */
  #order(query: SearchQuery, dense: Hits, words: Hits): Hits {
    if (query.mode !== 'hybrid') return [...dense, ...words].sort(bestFirst);
    const weight = dense.length === 0 ? 1 : this.#deps.lexical.coverage(query.text, words);
    const fused = fuse([
      { hits: dense, weight: 1 },
      { hits: words, weight },
    ]);
    return query.recency === undefined
      ? fused
      : withRecency(fused, query.recency, query.now, (entry) => entry.facts.committedAt);
  }

  #oncePerDocument(query: SearchQuery): (entry: CatalogueEntry) => boolean {
    const number = ++this.#number;
    const tables = query.tables === undefined ? undefined : new Set(query.tables);
    const principals = query.principals === undefined ? undefined : new Set(query.principals);
    const judgeOnce = ({ facts }: CatalogueEntry): boolean =>
      (tables === undefined || tables.has(facts.table)) &&
      (principals === undefined || facts.access.length === 0 || facts.access.some((one) => principals.has(one))) &&
      (query.committedFrom === undefined || facts.committedAt >= query.committedFrom) &&
      (query.committedTo === undefined || facts.committedAt < query.committedTo) &&
      !isTruncated(facts, this.#deps.truncations.get(facts.table)) &&
      (query.filter === undefined || matches(query.filter, facts.metadata));
    return (entry) => {
      if (entry.judgedBy !== number) {
        entry.judgedBy = number;
        entry.passes = judgeOnce(entry);
      }
      return entry.passes;
    };
  }

  #hit({ row, score }: Ranked<CatalogueEntry>): SearchHit | undefined {
    const cells = this.#chunk.get(row);
    if (cells === undefined) return undefined;
    const head = headOf(cells);
    const [id, text] = cells.slice(-2);
    const ref = head.chunks.find((one) => one.id === id);
    if (ref === undefined || judge({ ...head, id: ref.id }, head, this.#deps.truncations.get(head.table)) !== 'show')
      return undefined;
    return {
      chunk: ref.id,
      document: head.id,
      table: head.table,
      score,
      text: unpackText(text) as Redacted<string>,
      start: ref.start,
      end: ref.end,
      headings: ref.headings,
      title: head.attributes.title,
      uri: head.attributes.uri,
      metadata: head.attributes.metadata,
      version: head.version,
      committedAt: head.committedAt,
      indexedAt: head.indexedAt,
    };
  }
}
