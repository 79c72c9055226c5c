/**
 * What a source must remember to resume, as JSON. For the embedded index it lives in the index's own file, written in the same
 * transactions, so that index and position can never disagree. Saved durably before it resolves.
 */
export interface Checkpoints {
  load(source: string): Promise<unknown>;
  save(source: string, state: unknown): Promise<void>;
}
