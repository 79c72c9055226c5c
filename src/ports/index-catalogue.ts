import type { Checkpoints } from './checkpoints.ts';
import type { Index } from './index-store.ts';

/** An index together with the positions of the sources that feed it. */
export type FedIndex = Index & Checkpoints;

/** What an index must fit: vectors of one embedder. */
export interface IndexSpec {
  readonly dimensions: number;
  readonly embedderFingerprint: string;
}

/** Which index answers. Names are those given to `open`: short, lower-case, never given twice. */
export interface CatalogueState {
  /** Queries go to it. Undefined before the first index was made live. */
  readonly live: string | undefined;
  /** Built and fed beside it. */
  readonly candidate: string | undefined;
  /** Was live before the last switch and is still fed, so that a rollback never goes back in time. */
  readonly previous: string | undefined;
  /** Share of queries the candidate answers first (canary), 0 … 1. */
  readonly canaryShare: number;
  /** Counts the changes of this state, from 0 before the first. */
  readonly revision: number;
}

/**
 * The indexes of one instance or cluster, by name, and which of them answers (blue/green). Shared by all instances that use the store.
 *
 * - `open` makes what is not there yet and checks what is; opening twice gives two handles on the same index.
 * - `state` is cheap enough to be asked every second; `update` is atomic for every reader: a query sees the state before or after, never a mixture.
 */
export interface IndexCatalogue extends AsyncDisposable {
  open(name: string, spec: IndexSpec, signal: AbortSignal): Promise<FedIndex>;
  list(signal: AbortSignal): Promise<readonly string[]>;
  state(signal: AbortSignal): Promise<CatalogueState>;
  /** Compare-and-set on `revision`. Rejects with `stale` CATALOGUE_CHANGED when another instance was faster. */
  update(
    expectedRevision: number,
    next: Omit<CatalogueState, 'revision'>,
    signal: AbortSignal,
  ): Promise<CatalogueState>;
  /** Removes an index for good. Refuses (`poison` INDEX_IN_USE) one that the state names. */
  drop(name: string, signal: AbortSignal): Promise<void>;
}
