import { FreshetError, throwIfAborted } from '../../src/domain/errors.ts';
import type { ChunkRef } from '../../src/domain/document.ts';
import type { SearchHit } from '../../src/domain/search.ts';
import { isLaterTruncation } from '../../src/domain/source-position.ts';
import { compareStamps } from '../../src/domain/version.ts';
import { isTruncated, judge as domainJudge } from '../../src/domain/visibility.ts';
import type { DocumentWrite, Index, StoredChunk } from '../../src/ports/index-store.ts';
import { isWanted } from './filter.ts';
import { rank } from './rank.ts';
import { readVisible, toHit, type Judge } from './read.ts';
import { createMemoryStore, type MemoryChunk, type MemoryStore } from './store.ts';
import { sweep, type isUnreachable } from './sweep.ts';
import { writeParts, type WritePart } from './write.ts';

export interface MemoryIndexOptions {
  readonly dimensions: number;
  /** Shared with other indexes on the same state; a fresh one by default. */
  readonly store?: MemoryStore;
  /** Awaited before every atomic step, so that a simulation can put other writers, readers and crashes there. */
  readonly step?: (what: string) => Promise<void>;
  /** The rules of the ledger. Only the simulation's mutants ever replace them. */
  readonly parts?: (write: DocumentWrite) => readonly WritePart[];
  readonly judge?: Judge;
  readonly unreachable?: typeof isUnreachable;
}

/**
 * The index in memory: not atomic, on purpose. A write is four guarded steps and a read is two or three, as on a vector server, so that
 * whatever holds here holds there.
 */
export function createMemoryIndex(options: MemoryIndexOptions): Index & { readonly store: MemoryStore } {
  const { dimensions, store = createMemoryStore(), parts = writeParts, judge = domainJudge } = options;
  const step = options.step ?? (() => Promise.resolve());

  return {
    dimensions,
    store,

    async registerSettings(fingerprint, signal) {
      for (;;) {
        throwIfAborted(signal);
        await step('read settings');
        const seen = store.settings.length;
        if (seen > 0 && store.settings[seen - 1] === fingerprint) return seen;
        await step('append settings');
        if (store.settings.length === seen) return store.settings.push(fingerprint);
      }
    },

    async heads(ids, signal) {
      throwIfAborted(signal);
      await step('heads');
      return new Map(ids.flatMap((id) => (store.heads.has(id) ? [[id, store.heads.get(id)!] as const] : [])));
    },

    async floor(partition, signal) {
      throwIfAborted(signal);
      await step('floor');
      return store.floors.get(partition);
    },

    async apply(write, signal) {
      throwIfAborted(signal);
      refuseOtherDimensions(write, dimensions);
      for (const part of parts(write)) {
        await step(part.name);
        part.run(store);
      }
    },

    async truncate(table, truncation, signal) {
      throwIfAborted(signal);
      await step('truncate');
      if (isLaterTruncation(truncation, store.truncations.get(table))) store.truncations.set(table, truncation);
    },

    async truncations(signal) {
      throwIfAborted(signal);
      await step('truncations');
      return new Map(store.truncations);
    },

    async search(query, signal) {
      throwIfAborted(signal);
      const find = (): readonly MemoryChunk[] => [...allChunks(store)].filter((chunk) => isWanted(chunk, query));
      const { visible, inHand } = await readVisible(store, find, judge, step);
      const taken = new Map<string, number>();
      const hits: SearchHit[] = [];
      for (const { chunk, score } of rank(visible, query)) {
        const head = inHand.heads.get(chunk.document);
        const count = (taken.get(chunk.document) ?? 0) + 1;
        if (head === undefined || hits.length === query.limit || count > (query.perDocument ?? Infinity)) continue;
        taken.set(chunk.document, count);
        hits.push(toHit(chunk, score, head));
      }
      return hits;
    },

    async document(id, tenant, signal) {
      throwIfAborted(signal);
      const find = (): readonly MemoryChunk[] => [...(store.chunks.get(id)?.values() ?? [])];
      const { visible, inHand } = await readVisible(store, find, judge, step);
      const head = inHand.heads.get(id) ?? store.heads.get(id);
      if (head === undefined || head.deleted || head.attributes.tenant !== tenant) return undefined;
      if (isTruncated(head, store.truncations.get(head.table))) return undefined;
      const listed = new Map(visible.map((chunk) => [chunk.id, chunk]));
      const chunks = head.chunks.flatMap((ref) => {
        const chunk = listed.get(ref.id);
        listed.delete(ref.id);
        return chunk === undefined ? [] : [withPlace(chunk, ref)];
      });
      // Chunks of a commit under way stand above the head and are in no list yet: without them the new version would have holes.
      const underWay = [...listed.values()].filter((chunk) => compareStamps(chunk, head) > 0);
      return { head, chunks: [...chunks, ...underWay.map((chunk) => withPlace(chunk, chunk.chunk))] };
    },

    async *scanHeads(filter, signal) {
      for (const id of [...store.heads.keys()].sort()) {
        throwIfAborted(signal);
        await step('scan heads');
        const head = store.heads.get(id);
        if (head === undefined) continue;
        if (filter.table !== undefined && head.table !== filter.table) continue;
        if (filter.belowVersion !== undefined && head.version >= filter.belowVersion) continue;
        if (filter.livingOutside !== undefined && (head.deleted || filter.livingOutside.includes(head.table))) continue;
        yield head;
      }
    },

    async *scanChunks({ vectors, document: only }, signal) {
      for (const document of only === undefined ? [...store.chunks.keys()].sort() : [only]) {
        throwIfAborted(signal);
        await step('scan chunks');
        for (const chunk of store.chunks.get(document)?.values() ?? []) yield toStored(chunk, vectors);
      }
    },

    async sweep(limits, signal) {
      throwIfAborted(signal);
      return sweep(store, limits, step, options.unreachable);
    },

    async deleteChunks(ids, signal) {
      throwIfAborted(signal);
      await step('delete chunks');
      for (const chunks of store.chunks.values()) for (const id of ids) chunks.delete(id);
    },

    async stats(signal) {
      throwIfAborted(signal);
      await step('stats');
      let documents = 0;
      let chunks = 0;
      for (const head of store.heads.values()) {
        if (head.deleted || isTruncated(head, store.truncations.get(head.table))) continue;
        documents++;
        chunks += head.chunks.length;
      }
      return { documents, chunks, bytesOnDisk: undefined };
    },

    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function refuseOtherDimensions({ insert }: DocumentWrite, dimensions: number): void {
  const odd = insert.find(({ vector }) => vector.length !== dimensions);
  if (odd === undefined) return;
  throw new FreshetError(
    'INDEX_DIMENSIONS',
    'fatal',
    `A vector has ${odd.vector.length} dimensions, the memory index ${dimensions}. Open the index with the embedder's dimensions.`,
    { details: { vector: odd.vector.length, index: dimensions } },
  );
}

function* allChunks(store: MemoryStore): Iterable<MemoryChunk> {
  for (const chunks of store.chunks.values()) yield* chunks.values();
}

function toStored(stored: MemoryChunk, vectors: boolean): StoredChunk {
  const { id, document, text, attributes, version, generation, sourcePosition, deleted, vector } = stored;
  return {
    ...{ id, document, text, attributes, version, generation, deleted },
    ...(sourcePosition === undefined ? {} : { sourcePosition }),
    ...(vectors ? { vector } : {}),
  };
}

function withPlace(stored: MemoryChunk, { id, start, end, headings }: ChunkRef): StoredChunk & ChunkRef {
  return { ...toStored(stored, false), id, start, end, headings };
}
