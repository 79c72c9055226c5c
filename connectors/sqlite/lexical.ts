import { queryWords } from '../../src/domain/words.ts';
import type { Catalogue, CatalogueEntry } from './catalogue.ts';
import type { Database, Statement } from './database.ts';
import type { Ranked } from './fuse.ts';
import { matchExpression } from './words.ts';

/** FTS5's `bm25` is lower for better matches; ours is higher. The scope column only filters: its weight is 0. A word in a title says more. */
const MATCH = `SELECT rowid, -bm25(words, 0.0, 2.0, 1.0) AS score FROM words WHERE words MATCH ? ORDER BY score DESC, rowid LIMIT ?`;
const GROWTH = 32;
/** So many of the best hits tell how well words answer a question; one alone may owe its place to chance. */
const JUDGED = 10;
const HOLDING = `SELECT count(*) FROM words WHERE words MATCH ? AND rowid IN (${Array(JUDGED).fill('?').join(', ')})`;
const NO_ROW = -1;

export interface LexicalResult {
  readonly hits: readonly Ranked<CatalogueEntry>[];
  /** Nothing that passes lies beyond these. */
  readonly exhausted: boolean;
}

export class LexicalSearch {
  readonly #catalogue: Catalogue;
  readonly #match: Statement;
  readonly #holding: Statement;

  constructor(db: Database, catalogue: Catalogue) {
    this.#catalogue = catalogue;
    this.#match = db.prepare(MATCH);
    this.#holding = db.prepare(HOLDING);
  }

  /** The best `count` rows that pass. What fails is made up for by reading further: a filter never shortens the answer. */
  best(text: string, tenant: number, count: number, passes: (entry: CatalogueEntry) => boolean): LexicalResult {
    // The scope token costs a walk over all rows of the tenant, so it is only worth it where the tenant is a part of the whole.
    const scoped = this.#catalogue.chunksOf(tenant) * 2 < this.#catalogue.chunks;
    const words = queryWords(text);
    if (words.length === 0) return { hits: [], exhausted: true };
    const expression = matchExpression(words, scoped ? scopeOf(tenant) : undefined);
    for (let fetch = count; ; fetch *= GROWTH) {
      const rows = this.#match.all(expression, fetch);
      const hits = this.#passing(rows as readonly (readonly [number, number])[], tenant, passes);
      const exhausted = rows.length < fetch;
      if (exhausted || hits.length >= count)
        return { hits: hits.slice(0, count), exhausted: exhausted && hits.length <= count };
    }
  }

  /**
   * The share of the query's words that a hit holds, on average over the best hits: 0 … 1. Near 1 the question is put in the words of the
   * texts; low, it is a paraphrase of them, and what matches does so by its most ordinary words.
   */
  coverage(text: string, hits: readonly Ranked<CatalogueEntry>[]): number {
    const words = queryWords(text);
    const rows = hits.slice(0, JUDGED).map(({ row }) => row);
    if (rows.length === 0) return 0;
    const places = [...rows, ...Array<number>(JUDGED - rows.length).fill(NO_ROW)];
    const held = words.reduce(
      (sum, word) => sum + (this.#holding.get(matchExpression([word]), ...places)![0] as number),
      0,
    );
    return held / (words.length * rows.length);
  }

  #passing(
    rows: readonly (readonly [number, number])[],
    tenant: number,
    passes: (entry: CatalogueEntry) => boolean,
  ): readonly Ranked<CatalogueEntry>[] {
    const hits: Ranked<CatalogueEntry>[] = [];
    for (const [row, score] of rows) {
      const entry = this.#catalogue.entryOfRow(row);
      if (entry !== undefined && entry.facts.tenant === tenant && passes(entry)) hits.push({ row, entry, score });
    }
    return hits;
  }
}

export const scopeOf = (tenant: number): string => `t${tenant}`;
