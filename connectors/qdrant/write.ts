import type { Schemas } from '@qdrant/js-client-rest';
import { FreshetError } from '../../src/domain/errors.ts';
import type { DocumentWrite, NewChunk } from '../../src/ports/index-store.ts';
import { all, at, below, hasId, is } from './filters.ts';
import { vectorNumbers } from './numbers.ts';
import { chunkPayload, headPayload, sharedChunkPayload } from './points.ts';
import { documentTerms } from './terms.ts';

export type WriteOperation = Schemas['UpdateOperation'];

export interface WriteLimits {
  readonly averageWords: number;
  /** Bytes of JSON in one request. */
  readonly requestBytesMax: number;
}

/**
 * One document's change as requests, nearly always one, each a list of operations the server runs in their order: kept chunks to the new
 * stamp, new chunks, tombstones for all chunks of the document below the stamp, and the head last, as the commit mark. A reader may for a
 * moment see old beside new, never a hole. Every operation is guarded, so what is replayed or stale changes nothing.
 */
export function writeRequests(write: DocumentWrite, limits: WriteLimits): readonly (readonly WriteOperation[])[] {
  const requests = new Requests(limits.requestBytesMax);
  const { head, keep, insert } = write;
  const guard = below(head);
  const title = documentTerms(head.attributes.title, limits.averageWords);
  if (keep.length > 0) {
    requests.add({ set_payload: { payload: sharedChunkPayload(head), filter: all(hasId(keep), guard) } });
    // Titles are searched in a vector of their own, which a new title changes also for chunks that stay as they are. Only chunks that took
    // this very write take it: another writer may be a version ahead.
    const points = keep.map((id) => ({ id, vector: { title } }));
    requests.add({ update_vectors: { points, update_filter: at(head) } });
  }
  for (const points of requests.slices(insert.map((chunk) => chunkPoint(write, chunk, title, limits)))) {
    requests.add({ upsert: { points, update_filter: guard } });
  }
  const tombstone = { ver: head.version, gen: head.generation, deleted: true, indexed: head.indexedAt };
  // Whose mark the version belongs to: a snapshot's chunk may be tombstoned by the stream.
  const payload = { ...tombstone, partition: headPayload(head)['partition'] };
  requests.add({ set_payload: { payload, filter: all(is('doc', head.id), is('kind', 'chunk'), guard) } });
  requests.add({ upsert: { points: [headPoint(write)], update_filter: guard } });
  return requests.all;
}

type Point = Schemas['PointStruct'];

function chunkPoint(
  { head }: DocumentWrite,
  chunk: NewChunk,
  title: Schemas['SparseVector'],
  { averageWords }: WriteLimits,
): Point {
  const bm25 = documentTerms(chunk.chunk.text, averageWords);
  return {
    id: chunk.chunk.id,
    vector: { dense: vectorNumbers(chunk.vector), bm25, title },
    payload: chunkPayload(head, chunk),
  };
}

/** A head has no vector: no search finds it. */
const headPoint = ({ head }: DocumentWrite): Point => ({ id: head.id, vector: {}, payload: headPayload(head) });

/** Operations, packed into as few requests as their order and the server's limit allow. */
class Requests {
  readonly #requests: WriteOperation[][] = [];
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  add(operation: WriteOperation): void {
    const bytes = sizeOf(operation);
    if (bytes > this.#bytesMax) {
      throw new FreshetError(
        'INDEX_DOCUMENT_TOO_LARGE',
        'poison',
        `A part of one document's write has ${bytes} bytes; a request may have ${this.#bytesMax}. Split the document at its source, or raise the server's max_request_size_mb and "requestBytesMax".`,
        { details: { bytes, limit: this.#bytesMax } },
      );
    }
    const last = this.#requests.at(-1);
    if (last === undefined || this.#bytes + bytes > this.#bytesMax) {
      this.#requests.push([operation]);
      this.#bytes = bytes;
    } else {
      last.push(operation);
      this.#bytes += bytes;
    }
  }

  /** Points in groups that fit, a quarter of the limit each, so that other operations find room beside them. */
  *slices(points: readonly Point[]): Iterable<Point[]> {
    let slice: Point[] = [];
    let bytes = 0;
    for (const point of points) {
      const size = sizeOf(point);
      if (slice.length > 0 && bytes + size > this.#bytesMax / 4) {
        yield slice;
        [slice, bytes] = [[], 0];
      }
      slice.push(point);
      bytes += size;
    }
    if (slice.length > 0) yield slice;
  }

  get all(): readonly (readonly WriteOperation[])[] {
    return this.#requests;
  }
}

/** `-1.2345678901234567e-300` and a comma. */
const BYTES_PER_NUMBER = 25;

/** Upper bound of the JSON's bytes, without making it: walking the values costs a fraction of writing them out. */
export function sizeOf(value: unknown): number {
  if (typeof value === 'string') return 2 + 6 * controlCharacters(value) + Buffer.byteLength(value);
  if (typeof value !== 'object' || value === null) return BYTES_PER_NUMBER;
  if (Array.isArray(value)) return value.reduce((sum: number, one) => sum + 1 + sizeOf(one), 2);
  return Object.entries(value).reduce((sum, [key, one]) => sum + 2 + sizeOf(key) + sizeOf(one), 2);
}

/** Those JSON escapes; quotes and backslashes count as well. */
function controlCharacters(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x20 || unit === 0x22 || unit === 0x5c) count += 1;
  }
  return count;
}
