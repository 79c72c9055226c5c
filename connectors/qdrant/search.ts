import type { DocumentAttributes, Head } from '../../src/domain/document.ts';
import type { DocumentId, TableId } from '../../src/domain/ids.ts';
import { matchesFilter } from '../../src/domain/metadata-filter.ts';
import type { SearchHit, SearchQuery } from '../../src/domain/search.ts';
import type { Truncation } from '../../src/domain/source-position.ts';
import { judge, type Verdict } from '../../src/domain/visibility.ts';
import { metaId } from './ids.ts';
import { mergeTruncations, truncationOf } from './ledger.ts';
import { chunkOf, headOf, type FoundChunk } from './points.ts';
import { coverageOf, coverageRequest, queryRequest } from './query.ts';
import type { PointReader } from './reader.ts';
import type { Found, QdrantStore } from './store.ts';

/** More than asked for at once, so that what visibility drops seldom costs a second request. */
const SPARE = 10;
const GROWTH = 4;
/** Past it an answer may be short: only when ten thousand better chunks were all dropped, as all of a few documents' or under way. */
const DEPTH_MAX = 10_000;
/** Looks at chunks that are older than their heads. One more is the rule; documents that came new into it may need another. */
const LOOKS_MAX = 4;

export interface Scored {
  readonly chunk: FoundChunk;
  readonly score: number;
}

/** What a reader judges chunks by. Once read, a head stays: chunks that are looked at again must be newer than it. */
export class Judgement {
  readonly heads = new Map<DocumentId, Head | undefined>();
  readonly #truncations = new Map<TableId, Truncation | undefined>();
  readonly #reader: PointReader;
  /** What is known of truncations beyond this answer: excluded in the query itself. */
  readonly #known: Map<TableId, Truncation>;

  constructor(reader: PointReader, known: Map<TableId, Truncation>) {
    this.#reader = reader;
    this.#known = known;
  }

  /** Heads of documents and truncations of tables that are not in hand yet, in one request. */
  async read(documents: Iterable<DocumentId>, tables: Iterable<TableId>, signal: AbortSignal): Promise<void> {
    const newDocuments = [...new Set(documents)].filter((id) => !this.heads.has(id));
    const newTables = [...new Set(tables)].filter((table) => !this.#truncations.has(table));
    const ids = [...newDocuments, ...newTables.map((table) => metaId('truncation', table))];
    const found = await this.#reader.read(ids, signal);
    for (const id of newDocuments) {
      const payload = found.get(id);
      this.heads.set(id, payload === undefined ? undefined : headOf(payload));
    }
    for (const table of newTables) {
      const payload = found.get(metaId('truncation', table));
      const truncation = payload === undefined ? undefined : truncationOf(payload);
      this.#truncations.set(table, truncation);
      if (truncation !== undefined) mergeTruncations(this.#known, new Map([[table, truncation]]));
    }
  }

  truncation(table: TableId): Truncation | undefined {
    return this.#truncations.get(table);
  }

  verdict(chunk: FoundChunk): Verdict {
    return judge(chunk, this.heads.get(chunk.document), this.#truncations.get(chunk.table));
  }
}

/**
 * Chunks, then their heads, then the verdicts; where a chunk is older than its head, the chunks once more, judged by the heads in hand
 * (a commit between the two reads would look like a hole otherwise).
 */
export async function readVisible<T extends { readonly chunk: FoundChunk }>(
  judgement: Judgement,
  find: () => Promise<readonly T[]>,
  signal: AbortSignal,
): Promise<{ readonly visible: readonly T[]; readonly found: number }> {
  for (let look = 1; ; look++) {
    const found = await find();
    await judgement.read(
      found.map(({ chunk }) => chunk.document),
      found.map(({ chunk }) => chunk.table),
      signal,
    );
    const verdicts = found.map(({ chunk }) => judgement.verdict(chunk));
    if (look < LOOKS_MAX && verdicts.includes('retry')) continue;
    return { visible: found.filter((_, at) => verdicts[at] === 'show'), found: found.length };
  }
}

export interface SearchDeps {
  readonly store: QdrantStore;
  readonly reader: PointReader;
  readonly truncations: Map<TableId, Truncation>;
  /** Over several shards: each ranks by itself. */
  readonly isSharded: boolean;
}

export async function search(deps: SearchDeps, query: SearchQuery, signal: AbortSignal): Promise<readonly SearchHit[]> {
  if (query.limit <= 0) return [];
  const plan = { wordsCountFor: await coverage(deps, query, signal), isSharded: deps.isSharded };
  const wanted = query.perDocument === undefined ? query.limit + SPARE : query.limit * GROWTH + SPARE;
  for (let depth = Math.min(wanted, DEPTH_MAX); ; depth = Math.min(depth * GROWTH, DEPTH_MAX)) {
    const judgement = new Judgement(deps.reader, deps.truncations);
    const find = async (): Promise<readonly Scored[]> => {
      const request = queryRequest(query, depth, deps.truncations, plan);
      if (request === undefined) return [];
      const points = await deps.store.query(request, signal);
      const scored = points.map(({ id, payload, score }) => ({ chunk: chunkOf(id, payload), score }));
      return deps.isSharded && query.mode === 'hybrid' ? withRecency(scored, query).slice(0, depth) : scored;
    };
    const { visible, found } = await readVisible(judgement, find, signal);
    const hits = pick(visible, query, judgement);
    if (hits.length === query.limit || found < depth || depth === DEPTH_MAX) return hits;
  }
}

/** How much of the question the words' best hits hold; 1 where nothing is weighed against them. */
async function coverage({ store, truncations }: SearchDeps, query: SearchQuery, signal: AbortSignal): Promise<number> {
  const request = coverageRequest(query, truncations);
  if (request === undefined) return 1;
  const hits = await store.query(request, signal);
  return coverageOf(query, hits.map(termsOf));
}

function termsOf({ vector }: Pick<Found, 'vector'>): ReadonlySet<number> {
  const vectors = Object.values((vector ?? {}) as Record<string, { readonly indices?: readonly number[] }>);
  return new Set(vectors.flatMap(({ indices = [] }) => indices));
}

/** What the server adds where there is one shard, see `HybridPlan`. */
function withRecency(scored: readonly Scored[], { recency, now }: SearchQuery): readonly Scored[] {
  if (recency === undefined) return scored;
  const worth = ({ committedAt }: FoundChunk): number =>
    recency.weight * 2 ** (-Math.max(0, now - committedAt) / recency.halfLifeMs);
  return scored.map(({ chunk, score }) => ({ chunk, score: score + worth(chunk) })).sort(bestFirst);
}

function pick(visible: readonly Scored[], query: SearchQuery, { heads }: Judgement): readonly SearchHit[] {
  const taken = new Map<DocumentId, number>();
  const hits: SearchHit[] = [];
  for (const { chunk, score } of visible.toSorted(bestFirst)) {
    const head = heads.get(chunk.document);
    const count = (taken.get(chunk.document) ?? 0) + 1;
    if (head === undefined || hits.length === query.limit || count > (query.perDocument ?? Infinity)) continue;
    if (!isWanted(chunk, query)) continue;
    taken.set(chunk.document, count);
    hits.push(toHit(chunk, score, head));
  }
  return hits;
}

/** Equal scores by chunk id, so that one state gives one answer. */
const bestFirst = (a: Scored, b: Scored): number => b.score - a.score || (a.chunk.id < b.chunk.id ? -1 : 1);

/**
 * The query's conditions once more: the server's filter lets some text bounds through, and no mistake in a filter may ever show one tenant
 * another's text (invariant 10).
 */
function isWanted({ attributes }: FoundChunk, { tenant, principals, filter }: SearchQuery): boolean {
  return (
    attributes.tenant === tenant &&
    isAllowed(attributes, principals) &&
    (filter === undefined || matchesFilter(attributes.metadata, filter))
  );
}

function isAllowed({ access }: DocumentAttributes, principals: readonly string[] | undefined): boolean {
  return principals === undefined || access.length === 0 || access.some((name) => principals.includes(name));
}

function toHit(chunk: FoundChunk, score: number, head: Head): SearchHit {
  // The head's list is the truth about places; a chunk of a commit under way is not in it yet and knows its own.
  const { start, end, headings } = head.chunks.find((ref) => ref.id === chunk.id) ?? chunk.place;
  const { title, uri, metadata } = chunk.attributes;
  return {
    ...{ chunk: chunk.id, document: chunk.document, table: chunk.table, score, text: chunk.text },
    ...{ start, end, headings, title, uri, metadata },
    version: chunk.version,
    committedAt: chunk.committedAt,
    indexedAt: chunk.indexedAt,
  };
}
