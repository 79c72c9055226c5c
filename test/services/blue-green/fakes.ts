import { FreshetError } from '../../../src/domain/errors.ts';
import type { TenantId } from '../../../src/domain/ids.ts';
import type { CatalogueState, IndexCatalogue } from '../../../src/ports/index-catalogue.ts';
import type { Line } from '../../../src/services/blue-green/line.ts';
import type { LiveSource } from '../../../src/services/live-source.ts';
import type { LiveEvent, SearchAnswer, SearchRequest } from '../../../src/services/services.ts';

export const STATE: CatalogueState = {
  live: undefined,
  candidate: undefined,
  previous: undefined,
  canaryShare: 0,
  revision: 0,
};

/** The roles of indexes, in memory; another instance may change them. */
export function fakeCatalogue(first: Partial<CatalogueState> = {}) {
  let state: CatalogueState = { ...STATE, ...first };
  const names = new Set<string>();
  const dropped: string[] = [];
  const catalogue: Pick<IndexCatalogue, 'state' | 'update' | 'list' | 'drop'> = {
    state: async () => state,
    async update(expected, next) {
      if (expected !== state.revision) throw new FreshetError('CATALOGUE_CHANGED', 'stale', 'Changed meanwhile.');
      return (state = { ...next, revision: expected + 1 });
    },
    list: async () => [...names].sort(),
    drop: async (name) => {
      names.delete(name);
      dropped.push(name);
    },
  };
  return {
    catalogue: catalogue as IndexCatalogue,
    names,
    dropped,
    /** As another instance does it. */
    set: (next: Partial<CatalogueState>) => {
      state = { ...state, ...next, revision: state.revision + 1 };
    },
    get state() {
      return state;
    },
  };
}

export interface FakeLine extends Line {
  readonly asked: SearchRequest[];
  readonly tokens: string[];
  isClosed: boolean;
  isBuilt: boolean;
  isConnected: boolean;
  lagMs: number | undefined;
  letters: number;
  documents: number;
  /** What a search answers; by default nothing was found. */
  answer: (request: SearchRequest) => Promise<Partial<SearchAnswer>>;
  /** Whether it covers a token; by default at once. */
  reached: (token: string, signal: AbortSignal) => Promise<boolean>;
  /** Tells whoever subscribed. */
  happens(event: LiveEvent): void;
  /** A pipeline of it fails for good. */
  fail(error: FreshetError): void;
}

export function fakeLine(name: string, over: Partial<FakeLine> = {}): FakeLine {
  let fail: (error: FreshetError) => void = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => (fail = reject));
  let failure: FreshetError | undefined;
  failed.catch((error: FreshetError) => (failure = error));
  const listeners = new Set<(event: LiveEvent) => void>();
  const line: FakeLine = {
    name,
    settings: 'main',
    rebuildsInPlace: true,
    embedderName: 'fake',
    failed,
    get failure() {
      return failure;
    },
    asked: [],
    tokens: [],
    isClosed: false,
    isBuilt: true,
    isConnected: true,
    lagMs: 0,
    letters: 0,
    documents: 10,
    answer: () => Promise.resolve({}),
    reached: () => Promise.resolve(true),
    happens: (event) => listeners.forEach((listener) => listener(event)),
    fail: (error) => fail(error),
    index: {
      stats: () => Promise.resolve({ documents: line.documents, chunks: 2 * line.documents, bytesOnDisk: undefined }),
    } as unknown as Line['index'],
    deadLetters: { count: () => Promise.resolve(line.letters) } as unknown as Line['deadLetters'],
    sources: [
      {
        source: {
          name: 'app',
          currentToken: () => Promise.resolve(`now of ${name}`),
          reached: (token: string, _waitMs: number, signal: AbortSignal) => {
            line.tokens.push(token);
            return line.reached(token, signal);
          },
          freshness: () =>
            Promise.resolve({
              source: 'app',
              connected: line.isConnected,
              partitions: [
                {
                  partition: 'app',
                  asOf: line.lagMs === undefined ? undefined : Date.now() - line.lagMs,
                  lagEvents: undefined,
                  lagMs: line.lagMs,
                },
              ],
              snapshotFinished: line.isBuilt,
              snapshots: [],
              gauges: {},
            }),
        },
      } as unknown as LiveSource,
    ],
    services: {
      freshness: {
        subscribe: (_tenant: TenantId, listener: (event: LiveEvent) => void) => {
          listeners.add(listener);
          return () => void listeners.delete(listener);
        },
      },
      search: {
        search: async (request: SearchRequest) => {
          line.asked.push(request);
          return {
            hits: [],
            query: request.query,
            freshness: { asOf: 0, lagMs: 0, token: 't', tokenReached: true, perSource: [] },
            ...(await line.answer(request)),
          };
        },
      },
    } as unknown as Line['services'],
    close: async () => {
      line.isClosed = true;
    },
    ...over,
  };
  return line;
}
