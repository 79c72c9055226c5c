import type { Head } from '../../src/domain/document.ts';
import type { DocumentId, TableId, TenantId } from '../../src/domain/ids.ts';
import type { Truncation } from '../../src/domain/source-position.ts';
import { throwIfAborted } from '../../src/domain/errors.ts';
import { compareStamps } from '../../src/domain/version.ts';
import { isTruncated } from '../../src/domain/visibility.ts';
import type { HeadFilter, StoredChunk, StoredDocument } from '../../src/ports/index-store.ts';
import { all, hasId, is, none, oneOf, within, type Filter } from './filters.ts';
import { documentNumber } from './ids.ts';
import { packText } from './pack.ts';
import { chunkOf, headOf, storedChunk, type FoundChunk } from './points.ts';
import type { PointReader } from './reader.ts';
import { Judgement, readVisible } from './search.ts';
import type { Found, QdrantStore } from './store.ts';

const HEADS_PAGE = 500;
const CHUNKS_PAGE = 250;

/** Every point a filter finds, in the order of ids. */
export async function* scroll(
  store: QdrantStore,
  filter: Filter,
  options: { readonly page: number; readonly payload?: readonly string[] },
  signal: AbortSignal,
): AsyncGenerator<readonly Found[]> {
  const { page: limit, payload } = options;
  let offset: string | undefined;
  do {
    throwIfAborted(signal);
    const request = { filter, limit, ...(payload === undefined ? {} : { payload }) };
    const page = await store.scroll({ ...request, ...(offset === undefined ? {} : { offset }) }, signal);
    yield page.points;
    offset = page.next;
  } while (offset !== undefined);
}

/** A head's point has the document's id, so the order of points is the order of documents. */
export async function* scanHeads(
  store: QdrantStore,
  { table, belowVersion, livingOutside }: HeadFilter,
  signal: AbortSignal,
): AsyncGenerator<Head> {
  const wanted = {
    ...all(
      is('kind', 'head'),
      ...(table === undefined ? [] : [is('table', packText(table))]),
      ...(belowVersion === undefined ? [] : [within('ver', { lt: belowVersion })]),
      ...(livingOutside === undefined ? [] : [is('deleted', false)]),
    ),
    ...(livingOutside === undefined || livingOutside.length === 0
      ? {}
      : none(oneOf('table', livingOutside.map(packText)))),
  };
  for await (const page of scroll(store, wanted, { page: HEADS_PAGE }, signal)) {
    for (const { payload } of page) yield headOf(payload);
  }
}

/** Each document's chunks together, documents in the order of their ids; within a document in the order of its points. */
export async function* scanChunks(
  store: QdrantStore,
  options: { readonly vectors: boolean; readonly document?: DocumentId },
  signal: AbortSignal,
): AsyncGenerator<StoredChunk> {
  const { vectors, document: only } = options;
  if (only !== undefined) {
    for (const chunk of await chunksOf(store, only, vectors, signal)) yield storedChunk(chunk);
    return;
  }
  let from = 0;
  /** Points already given of those at `from`: a page begins again at the number the last one ended with. */
  let seen: readonly string[] = [];
  for (;;) {
    throwIfAborted(signal);
    const filter = { ...all(is('kind', 'chunk')), ...(seen.length === 0 ? {} : none(hasId(seen))) };
    const page = await store.scroll(
      {
        filter,
        limit: CHUNKS_PAGE,
        orderBy: { key: 'docn', startFrom: from },
        ...(vectors ? { vectors: ['dense'] } : {}),
      },
      signal,
    );
    const chunks = page.points.map((point) => toChunk(point));
    yield* inDocumentOrder(chunks).map(storedChunk);
    const last = chunks.at(-1);
    if (last === undefined || chunks.length < CHUNKS_PAGE) return;
    const next = documentNumber(last.document);
    const ids = chunks.filter(({ document }) => documentNumber(document) === next).map(({ id }) => id);
    seen = next === from ? [...seen, ...ids] : ids;
    from = next;
  }
}

function inDocumentOrder(chunks: readonly FoundChunk[]): readonly FoundChunk[] {
  return chunks.toSorted((a, b) =>
    a.document === b.document ? (a.id < b.id ? -1 : 1) : a.document < b.document ? -1 : 1,
  );
}

function toChunk({ id, payload, vector }: Found): FoundChunk {
  const dense =
    vector !== undefined && !Array.isArray(vector) ? (vector as Record<string, unknown>)['dense'] : undefined;
  return chunkOf(id, payload, Array.isArray(dense) ? Float32Array.from(dense as number[]) : undefined);
}

async function chunksOf(
  store: QdrantStore,
  document: DocumentId,
  vectors: boolean,
  signal: AbortSignal,
): Promise<readonly FoundChunk[]> {
  const filter = all(is('doc', document), is('kind', 'chunk'));
  const chunks: FoundChunk[] = [];
  let offset: string | undefined;
  do {
    const page = await store.scroll(
      {
        ...{ filter, limit: CHUNKS_PAGE },
        ...(offset === undefined ? {} : { offset }),
        ...(vectors ? { vectors: ['dense'] } : {}),
      },
      signal,
    );
    chunks.push(...page.points.map(toChunk));
    offset = page.next;
  } while (offset !== undefined);
  return chunks;
}

/** Undefined also for a document of another tenant: who may not see it does not learn that it exists. */
export async function readDocument(
  deps: { readonly store: QdrantStore; readonly reader: PointReader; readonly truncations: Map<TableId, Truncation> },
  id: DocumentId,
  tenant: TenantId,
  signal: AbortSignal,
): Promise<StoredDocument | undefined> {
  const judgement = new Judgement(deps.reader, deps.truncations);
  const find = async (): Promise<readonly { readonly chunk: FoundChunk }[]> =>
    (await chunksOf(deps.store, id, false, signal)).map((chunk) => ({ chunk }));
  const { visible } = await readVisible(judgement, find, signal);
  // An empty document has a head and no chunk to find it by.
  await judgement.read([id], [], signal);
  const head = judgement.heads.get(id);
  if (head === undefined || head.deleted || head.attributes.tenant !== tenant) return undefined;
  await judgement.read([], [head.table], signal);
  if (isTruncated(head, judgement.truncation(head.table))) return undefined;
  const listed = new Map(visible.map(({ chunk }) => [chunk.id, chunk]));
  const chunks = head.chunks.flatMap((ref) => {
    const chunk = listed.get(ref.id);
    listed.delete(ref.id);
    return chunk === undefined || chunk.attributes.tenant !== tenant ? [] : [{ ...storedChunk(chunk), ...ref }];
  });
  // Chunks of a commit under way stand above the head and are in no list yet: without them the new version would have holes.
  const underWay = [...listed.values()].filter(
    (chunk) => compareStamps(chunk, head) > 0 && chunk.attributes.tenant === tenant,
  );
  return { head, chunks: [...chunks, ...underWay.map((chunk) => ({ ...storedChunk(chunk), ...chunk.place }))] };
}
