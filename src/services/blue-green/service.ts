import type { Instant } from '../../domain/time.ts';

/** What an index is to queries; `unused` is none of the three any more, and only waits to be dropped. */
export type IndexRole = 'live' | 'candidate' | 'previous' | 'unused';

export interface IndexReport {
  readonly name: string;
  readonly role: IndexRole;
  /** Whether this instance feeds it. What is not fed says nothing of itself below. */
  readonly fed: boolean;
  readonly embedder?: string;
  readonly built: boolean | undefined;
  /** Share of the first copy, 0 … 1. */
  readonly progress: number | undefined;
  readonly documents: number | undefined;
  readonly chunks: number | undefined;
  readonly bytesOnDisk: number | undefined;
  readonly asOf: Instant | undefined;
  readonly lagMs: number | undefined;
  readonly deadLetters: number | undefined;
  /** Why it is not fed any more, where it failed. */
  readonly failure?: { readonly code: string; readonly message: string };
}

/** How the candidate compares with the live index, by queries of lately that both answered. */
export interface ShadowReport {
  readonly compared: number;
  readonly failed: number;
  /** Left out, to stay below the limits. */
  readonly skipped: number;
  /** Mean share of the best ten results that both have, by document and by text. */
  readonly overlapByDocument: number | undefined;
  readonly overlapByText: number | undefined;
  /** Milliseconds per query. */
  readonly liveMs: { readonly p50: number | undefined; readonly p95: number | undefined };
  readonly candidateMs: { readonly p50: number | undefined; readonly p95: number | undefined };
}

export interface IndexesReport {
  readonly indexes: readonly IndexReport[];
  /** Share of queries that the candidate answers, 0 … 1. */
  readonly canaryShare: number;
  readonly shadow: ShadowReport | undefined;
  /** What would keep `switch` and `rollback` from being done now; empty: nothing. */
  readonly switchBlockers: readonly string[];
  readonly rollbackBlockers: readonly string[];
  /** What a person should know or do. */
  readonly notes: readonly string[];
}

/** Blue/green: a second index is built beside the live one, compared, tried and switched to, and back. */
export interface IndexesService {
  report(signal: AbortSignal): Promise<IndexesReport>;
  /** @param share of queries that the candidate answers, 0 … 1 */
  canary(share: number, signal: AbortSignal): Promise<IndexesReport>;
  /** Makes the candidate the live one. Rejects with `poison` INDEX_NOT_READY; `force` does it all the same, where it can be done at all. */
  switch(options: { readonly force: boolean }, signal: AbortSignal): Promise<IndexesReport>;
  /** Makes the previous one the live one again; as `switch`. */
  rollback(options: { readonly force: boolean }, signal: AbortSignal): Promise<IndexesReport>;
  /** Stops feeding an index and deletes it, with what feeds it at the sources. Never the live one. */
  drop(
    name: string,
    signal: AbortSignal,
  ): Promise<{
    readonly dropped: string;
    /** What could not be removed and has to be by hand, one sentence each. */
    readonly leftBehind: readonly string[];
  }>;
}
