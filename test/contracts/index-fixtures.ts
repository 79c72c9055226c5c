import type { DocumentAttributes, Head, Metadata, Redacted } from '../../src/domain/document.ts';
import { chunkId, partitionId, tableId, tenantId, type ChunkId, type DocumentId } from '../../src/domain/ids.ts';
import type { SearchHit, SearchQuery } from '../../src/domain/search.ts';
import { sourcePosition } from '../../src/domain/source-position.ts';
import { makeVersion } from '../../src/domain/version.ts';
import type { DocumentWrite, Index } from '../../src/ports/index-store.ts';

export const DIMENSIONS = 8;
export const NOW = Date.UTC(2026, 10, 20, 12);
export const ARTICLES = tableId('app.public.articles');
export const PARTITION = partitionId('app');
export const never = new AbortController().signal;

/** A UUID, as every document has, in the order of the names: their bytes. */
export function documentId(name: string): DocumentId {
  const hex = Buffer.from(name).toString('hex').padEnd(32, '0');
  if (hex.length > 32) throw new RangeError(`The name ${name} does not fit in a UUID.`);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') as DocumentId;
}
export const idOf = (name: string, text: string): ChunkId => chunkId(documentId(name), 'test-embedder', text, 0);

/** A unit vector `degrees` away from `angled(0)`: the cosine of two of them is the cosine of their difference. */
export function angled(degrees: number): Float32Array {
  const vector = new Float32Array(DIMENSIONS);
  vector[0] = Math.cos((degrees * Math.PI) / 180);
  vector[1] = Math.sin((degrees * Math.PI) / 180);
  return vector;
}

export interface Spec {
  readonly version: number;
  readonly epoch?: number;
  readonly generation?: number;
  /** Texts of the chunks, in order; with an angle for those that are inserted. */
  readonly chunks?: readonly (string | readonly [text: string, degrees: number])[];
  /** Texts of the chunks that are kept; all others are inserted. */
  readonly keep?: readonly string[];
  readonly deleted?: boolean;
  readonly tenant?: string;
  readonly access?: readonly string[];
  readonly metadata?: Metadata;
  readonly title?: string;
  readonly table?: string;
  readonly partition?: string;
  readonly committedAt?: number;
  readonly indexedAt?: number;
  /** Position of the change in its log; null: it was read, not streamed. */
  readonly position?: number | null;
}

/** One document's write, as the pipeline would decide it. */
export function write(name: string, spec: Spec): DocumentWrite {
  const chunks = (spec.chunks ?? []).map((one) => (typeof one === 'string' ? ([one, 90] as const) : one));
  const kept = new Set(spec.keep);
  const refs = chunks.map(([text], at) => ({
    id: idOf(name, text),
    start: at * 1000,
    end: at * 1000 + text.length,
    headings: ['Top', `Part ${at + 1}`],
  }));
  const attributes: DocumentAttributes = {
    tenant: tenantId(spec.tenant ?? 'default'),
    access: spec.access ?? [],
    title: spec.title ?? `Title of ${name}`,
    uri: `kb://${name}`,
    metadata: spec.metadata ?? {},
  };
  const position = spec.position === undefined ? spec.version : spec.position;
  const head: Head = {
    id: documentId(name),
    source: 'app',
    table: spec.table === undefined ? ARTICLES : tableId(spec.table),
    partition: spec.partition === undefined ? PARTITION : partitionId(spec.partition),
    version: makeVersion(spec.epoch ?? 0, spec.version),
    generation: spec.generation ?? 1,
    ...(position === null ? {} : { sourcePosition: sourcePosition(BigInt(position)) }),
    committedAt: spec.committedAt ?? NOW - 60_000,
    ...(spec.deleted === true ? {} : { rowHash: `hash-${spec.version}` }),
    attributes,
    chunks: refs,
    deleted: spec.deleted ?? false,
    receivedAt: NOW - 1_000,
    indexedAt: spec.indexedAt ?? NOW,
  };
  return {
    head,
    keep: refs.filter((_, at) => kept.has(chunks[at]![0])).map(({ id }) => id),
    insert: chunks.flatMap(([text, degrees], at) => {
      const chunk = { ...refs[at]!, text: text as Redacted<string>, tokens: text.length };
      return kept.has(text) ? [] : [{ chunk, vector: angled(degrees) }];
    }),
  };
}

export function query(
  overrides: Partial<Omit<SearchQuery, 'text' | 'tenant'>> & { text?: string; tenant?: string },
): SearchQuery {
  const { text, tenant, ...rest } = overrides;
  return {
    limit: 10,
    mode: 'dense',
    vector: angled(0),
    now: NOW,
    ...rest,
    text: (text ?? 'anything') as Redacted<string>,
    tenant: tenantId(tenant ?? 'default'),
  };
}

export const lexical = (text: string, rest: Parameters<typeof query>[0] = {}): SearchQuery => {
  const { vector: _vector, ...words } = query({ ...rest, text, mode: 'lexical' });
  return words;
};

export const search = (index: Index, wanted: SearchQuery): Promise<readonly SearchHit[]> => index.search(wanted, never);

export async function texts(index: Index, wanted: SearchQuery = query({ limit: 100 })): Promise<readonly string[]> {
  return (await search(index, wanted)).map((hit) => hit.text);
}

export async function collect<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
