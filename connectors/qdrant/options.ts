import type { Clock } from '../../src/ports/clock.ts';

/** How to reach the server, and how hard to try. */
export interface QdrantConnection {
  /** `http(s)://host[:port][/prefix]`; port 6333 unless it says another. */
  readonly url: string;
  readonly apiKey?: string;
  /** Certificates (PEM) of the authorities to trust, instead of the system's. */
  readonly ca?: string;
  /** One request's time before it counts as failed. Default 10,000. */
  readonly timeoutMs?: number;
  /** Requests under way at a time. Default 16. */
  readonly concurrency?: number;
  /** How often a request that failed for a passing reason is sent again before the caller is told. Default 3. */
  readonly retries?: number;
  /** A write beyond this goes in several requests; below the server's `max_request_size_mb` (32 MB unless changed). Default 16 MiB. */
  readonly requestBytesMax?: number;
  readonly clock: Clock;
  /** In [0, 1), for the jitter of retries. Default `Math.random`. */
  readonly random?: () => number;
  /** Told what was made or changed in the store, for the log: names and numbers only. */
  readonly onMessage?: (message: string) => void;
}

/** What a collection is made with. An existing one keeps what it has, except for what would make it unusable. */
export interface QdrantCollectionOptions {
  /** Default 1. */
  readonly shards?: number;
  /** Copies of each shard. Default 1. */
  readonly replicas?: number;
  /** Copies that must have a write before it counts. Default: a majority of `replicas`. */
  readonly writeConsistency?: number;
  /** Default `none`. */
  readonly quantization?: 'none' | 'scalar' | 'binary';
  /** Full vectors on disk. Default false. */
  readonly onDisk?: boolean;
  readonly hnsw?: { readonly m?: number; readonly efConstruct?: number };
  /** Words of an average chunk, for BM25's length normalisation. Fixed for the life of a collection. Default 150. */
  readonly averageWords?: number;
}

export interface QdrantIndexOptions extends QdrantConnection, QdrantCollectionOptions {
  readonly collection: string;
  readonly dimensions: number;
  /** Of the embedder whose vectors are stored; a collection of another is refused. */
  readonly embedderFingerprint: string;
}

export interface QdrantCatalogueOptions extends QdrantConnection, QdrantCollectionOptions {
  /** Begins the name of every collection: `<prefix>-<name>`; the live one has the alias `<prefix>`. */
  readonly prefix: string;
}
