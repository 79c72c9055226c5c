import type { DocumentAttributes, Metadata, TextFormat } from '../domain/document.ts';
import type { DocumentId, TenantId } from '../domain/ids.ts';
import type { MetadataFilter, Recency, SearchHit } from '../domain/search.ts';
import type { Instant } from '../domain/time.ts';
import type { StageTimes } from '../observability/events.ts';
import type { StoredDeadLetter } from '../ports/dead-letters.ts';
import type { PartitionFreshness, SourceFreshness } from '../ports/source.ts';
import type { IndexesService } from './blue-green/service.ts';

/** What the HTTP API and the CLI call. The composition root builds one; tests may build it from fakes. */
export interface Services {
  readonly search: SearchService;
  readonly documents: DocumentService;
  readonly freshness: FreshnessService;
  readonly admin: AdminService;
  readonly indexes: IndexesService;
}

export interface Consistency {
  /** `eventual` answers at once; `at_least` waits until the token is covered. */
  readonly mode: 'eventual' | 'at_least';
  readonly token?: string;
  readonly waitMs?: number;
}

export interface SearchRequest {
  readonly query: string;
  readonly limit: number;
  readonly tenant: TenantId;
  readonly principals?: readonly string[];
  readonly tables?: readonly string[];
  readonly filter?: MetadataFilter;
  readonly committedFrom?: Instant;
  readonly committedTo?: Instant;
  readonly recency?: Recency;
  readonly mode: 'hybrid' | 'dense' | 'lexical';
  readonly perDocument?: number;
  readonly consistency?: Consistency;
}

/** How fresh an answer is. `asOf` is the oldest over the sources asked; absent while any of them does not know. */
export interface AnswerFreshness {
  readonly asOf: Instant | undefined;
  readonly lagMs: number | undefined;
  /** Pass it as `consistency.token` to read at least this state. */
  readonly token: string;
  /** False when a token was asked for and not reached within `waitMs`: the answer may miss that write, and says so. */
  readonly tokenReached: boolean;
  readonly perSource: readonly {
    readonly source: string;
    readonly asOf: Instant | undefined;
    readonly lagMs: number | undefined;
  }[];
}

export interface SearchAnswer {
  readonly hits: readonly SearchHit[];
  readonly freshness: AnswerFreshness;
  /** Set when the query could not be answered as asked, e.g. `EMBEDDER_UNAVAILABLE`: lexical results only. */
  readonly degraded?: { readonly code: string; readonly message: string };
  /** After redaction; what was really searched. */
  readonly query: string;
  /** Name of the index that answered. */
  readonly index?: string;
}

export interface SearchService {
  search(request: SearchRequest, signal: AbortSignal): Promise<SearchAnswer>;
}

export interface DocumentView {
  readonly id: DocumentId;
  readonly source: string;
  readonly table: string;
  readonly attributes: DocumentAttributes;
  readonly version: number;
  readonly committedAt: Instant;
  readonly indexedAt: Instant;
  readonly chunks: readonly {
    readonly id: string;
    readonly text: string;
    readonly start: number;
    readonly end: number;
    readonly headings: readonly string[];
  }[];
}

export type DocumentState = 'unknown' | 'received' | 'redacted' | 'embedded' | 'visible' | 'deleted' | 'failed';

export interface DocumentStatus {
  readonly id: DocumentId;
  readonly state: DocumentState;
  readonly version: number | undefined;
  readonly times: Partial<StageTimes>;
  /** Commit → visible of the last change, milliseconds. */
  readonly freshnessMs: number | undefined;
  readonly failure?: {
    readonly stage: string;
    readonly code: string;
    readonly message: string;
    readonly deadLetter: string;
  };
}

export interface PushedDocument {
  readonly id: string;
  readonly tenant: TenantId;
  readonly title?: string;
  readonly uri?: string;
  readonly text: string;
  readonly format?: TextFormat;
  readonly access?: readonly string[];
  readonly metadata?: Metadata;
  /** Monotonic number of the caller's own; without it a hybrid logical clock in microseconds is used. */
  readonly sourceVersion?: number;
}

export interface PushReceipt {
  readonly id: DocumentId;
  readonly externalId: string;
  readonly accepted: boolean;
  /** Why not: an older or equal `sourceVersion` is stored already. */
  readonly reason?: 'superseded' | 'duplicate';
  readonly token: string;
}

export interface DocumentService {
  /** `id` is a document id (UUID) or, for pushed documents, the caller's own id. */
  get(id: string, tenant: TenantId, signal: AbortSignal): Promise<DocumentView | undefined>;
  status(id: string, tenant: TenantId, signal: AbortSignal): Promise<DocumentStatus>;
  /** Resolves once durable; visible a moment later (see `status`, or pass the token to a search). */
  put(documents: readonly PushedDocument[], signal: AbortSignal): Promise<readonly PushReceipt[]>;
  delete(
    id: string,
    options: { readonly tenant: TenantId; readonly sourceVersion?: number },
    signal: AbortSignal,
  ): Promise<PushReceipt>;
}

export interface FreshnessReport {
  readonly now: Instant;
  readonly ready: boolean;
  readonly asOf: Instant | undefined;
  readonly token: string;
  readonly sources: readonly (SourceFreshness & { readonly partitions: readonly PartitionFreshness[] })[];
  /** Commit → visible of recent streamed changes, milliseconds. */
  readonly commitToVisible: {
    readonly count: number;
    readonly p50: number | undefined;
    readonly p95: number | undefined;
    readonly p99: number | undefined;
  };
  readonly deadLetters: number;
  readonly embedder: {
    readonly fingerprint: string;
    /** The model as people know it, e.g. `all-MiniLM-L6-v2`. */
    readonly name?: string;
    readonly lexicalOnly: boolean;
    readonly down: boolean;
  };
  readonly index: {
    readonly name?: string;
    readonly documents: number;
    readonly chunks: number;
    readonly bytesOnDisk: number | undefined;
  };
}

/** One finished change, newest first on the page. */
export interface RecentChange {
  readonly document: DocumentId;
  readonly table: string;
  readonly title: string;
  readonly uri: string;
  readonly kind: 'upserted' | 'deleted';
  readonly times: StageTimes;
  readonly chunksTotal: number;
  readonly chunksEmbedded: number;
}

export type LiveEvent =
  | {
      readonly type: 'document.stage';
      readonly document: DocumentId;
      readonly state: DocumentState;
      readonly times: StageTimes;
    }
  | ({ readonly type: 'document.upserted' | 'document.deleted' } & RecentChange)
  | { readonly type: 'document.failed'; readonly document: DocumentId; readonly stage: string; readonly code: string };

export interface FreshnessService {
  report(signal: AbortSignal): Promise<FreshnessReport>;
  ready(): Promise<{ readonly ready: boolean; readonly reasons: readonly string[] }>;
  recent(tenant: TenantId, limit: number): readonly RecentChange[];
  /** Live events of one tenant, until the returned function is called. Listeners must not throw or block. */
  subscribe(tenant: TenantId, listener: (event: LiveEvent) => void): () => void;
}

export interface VerifyReport {
  readonly missing: number;
  readonly stale: number;
  readonly ghost: number;
  readonly duplicate: number;
  readonly documents: number;
  readonly chunks: number;
  readonly vectorsChecked: number;
  /** Rows that cannot be indexed as they are: they are in the dead letters, and not compared. */
  readonly unindexable: number;
  readonly tookMs: number;
  /** The token the comparison was made at. */
  readonly token: string;
  readonly problems: readonly {
    readonly kind: 'missing' | 'stale' | 'ghost' | 'duplicate';
    readonly table: string;
    readonly document: DocumentId;
    readonly chunk?: string;
    readonly detail: string;
  }[];
  readonly repaired: number;
  /** What each source's rows were read from. */
  readonly comparedWith: readonly { readonly source: string; readonly origin: string }[];
  /** Sources whose rows cannot be read: their documents were left out. */
  readonly notCompared: readonly { readonly source: string; readonly reason: string }[];
}

export interface Progress {
  readonly phase: string;
  readonly done: number;
  readonly total: number | undefined;
}

/** Each of these is about the live index, or about the one that is named. */
export interface AdminService {
  verify(
    options: { readonly repair: boolean; readonly vectorSample: number; readonly index?: string },
    onProgress: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<VerifyReport>;
  rebuild(
    onProgress: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<{ readonly documents: number; readonly chunks: number }>;
  /** Starts a source again from a position (`snapshot` or, where its log reaches back, an LSN). */
  replay(
    options: { readonly source: string; readonly from: string; readonly index?: string },
    signal: AbortSignal,
  ): Promise<{ readonly message: string }>;
  deadLetters: {
    list(limit: number, after?: string, index?: string): Promise<readonly StoredDeadLetter[]>;
    get(id: string, index?: string): Promise<StoredDeadLetter | undefined>;
    /** Reads the row again by its key, or its record by its place in the log, and puts it back in its lane. `all` retries every letter. */
    retry(
      id: string | 'all',
      signal: AbortSignal,
      index?: string,
    ): Promise<{ readonly retried: number; readonly failed: number }>;
  };
}
