import type { Schemas } from '@qdrant/js-client-rest';
import { FreshetError } from '../../src/domain/errors.ts';
import type { Api, Init, QdrantCalls, Send, Urgency } from './client.ts';
import type { Filter } from './filters.ts';
import type { Payload } from './points.ts';
import type { WriteOperation } from './write.ts';

export interface Found {
  readonly id: string;
  readonly payload: Payload;
  readonly vector?: Schemas['VectorStructOutput'];
}

export interface ScrollOptions {
  readonly filter: Filter;
  readonly limit: number;
  readonly offset?: string;
  readonly orderBy?: { readonly key: string; readonly startFrom?: number };
  readonly vectors?: readonly string[];
  readonly payload?: readonly string[];
}

/** One collection's calls, each in the terms of the index and nothing more. */
export class QdrantStore {
  readonly collection: string;
  readonly #calls: QdrantCalls;
  /** How many copies have to agree on what is read; undefined where there is one copy. */
  readonly #consistency: 'majority' | undefined;

  constructor(calls: QdrantCalls, collection: string, replicas: number) {
    this.#calls = calls;
    this.collection = collection;
    this.#consistency = replicas > 1 ? 'majority' : undefined;
  }

  /**
   * Resolves when readers can see it. `wait_timeout` and `acknowledged` mean "in the log, not visible yet": what is guarded is sent once
   * more, for an operation that completes has all earlier ones of its shard behind it.
   */
  async write(operations: readonly WriteOperation[], signal: AbortSignal): Promise<void> {
    const send = async (api: Api, init: Init): ReturnType<Send<true>> => {
      const { data } = await api.batchUpdate(
        {
          collection_name: this.collection,
          wait: true,
          ordering: 'strong',
          // The server gives up waiting a moment before we do, so that we learn that the write is in its log.
          timeout: Math.max(1, Math.floor((this.#calls.timeoutMs * 0.8) / 1000)),
          operations: [...operations],
        },
        init,
      );
      const isVisible = data.result?.every(({ status }) => status === 'completed') ?? false;
      if (isVisible) return { data: { result: true } };
      throw new FreshetError(
        'INDEX_NOT_YET_VISIBLE',
        'transient',
        `A write to the collection "${this.collection}" is in Qdrant's log, but readers cannot see it yet: the server is behind.`,
        { details: { collection: this.collection } },
      );
    };
    await this.#call('batchUpdate', send, signal, 'write');
  }

  async retrieve(ids: readonly string[], signal: AbortSignal, payload?: readonly string[]): Promise<readonly Found[]> {
    if (ids.length === 0) return [];
    const found = await this.#call(
      'getPoints',
      (api, init) =>
        api.getPoints(
          {
            collection_name: this.collection,
            ids: [...ids],
            with_payload: payload === undefined ? true : [...payload],
            ...(this.#consistency === undefined ? {} : { consistency: this.#consistency }),
          },
          init,
        ),
      signal,
    );
    return found.map(toFound);
  }

  async scroll(options: ScrollOptions, signal: AbortSignal): Promise<{ points: readonly Found[]; next?: string }> {
    const { filter, limit, offset, orderBy, vectors, payload } = options;
    const page = await this.#call(
      'scrollPoints',
      (api, init) =>
        api.scrollPoints(
          {
            collection_name: this.collection,
            filter,
            limit,
            with_payload: payload === undefined ? true : [...payload],
            with_vector: vectors === undefined ? false : [...vectors],
            ...(offset === undefined ? {} : { offset }),
            ...(orderBy === undefined
              ? {}
              : {
                  order_by: {
                    key: orderBy.key,
                    ...(orderBy.startFrom === undefined ? {} : { start_from: orderBy.startFrom }),
                  },
                }),
            ...(this.#consistency === undefined ? {} : { consistency: this.#consistency }),
          },
          init,
        ),
      signal,
    );
    const next = page.next_page_offset;
    return { points: page.points.map(toFound), ...(typeof next === 'string' ? { next } : {}) };
  }

  async query(
    request: Schemas['QueryRequest'],
    signal: AbortSignal,
  ): Promise<readonly (Found & { readonly score: number })[]> {
    const { points } = await this.#call(
      'queryPoints',
      (api, init) => api.queryPoints({ collection_name: this.collection, ...request }, init),
      signal,
    );
    return points.map((point) => ({ ...toFound(point), score: point.score }));
  }

  async count(filter: Filter, signal: AbortSignal): Promise<number> {
    const { count } = await this.#call(
      'countPoints',
      (api, init) => api.countPoints({ collection_name: this.collection, filter, exact: true }, init),
      signal,
    );
    return count;
  }

  #call<T>(name: string, send: Send<T>, signal: AbortSignal, urgency?: Urgency): Promise<T> {
    return this.#calls.call({ name, collection: this.collection }, send, signal, urgency);
  }
}

function toFound(record: {
  readonly id: Schemas['ExtendedPointId'];
  readonly payload?: Schemas['Payload'] | Record<string, unknown> | null;
  readonly vector?: unknown;
}): Found {
  const { id, payload, vector } = record;
  return {
    id: String(id),
    payload: payload ?? {},
    ...(vector === undefined || vector === null ? {} : { vector: vector as Schemas['VectorStructOutput'] }),
  };
}
