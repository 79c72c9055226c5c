/**
 * What a source must remember to resume, as JSON. For the embedded index it lives in the index's own file, written in the same
 * transactions, so that index and position can never disagree. Saved durably before it resolves.
 */
export interface Checkpoints {
  load(source: string): Promise<unknown>;
  save(source: string, state: unknown): Promise<void>;
}

/** Those of an index that several instances share. */
export interface SharedCheckpoints extends Checkpoints {
  /**
   * Changes a state by compare-and-set. `next` is pure: it is asked again when another instance was faster; undefined leaves what is stored.
   * Resolves with what is stored then.
   */
  change(source: string, next: (stored: unknown) => unknown): Promise<unknown>;
}
