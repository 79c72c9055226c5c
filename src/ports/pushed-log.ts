import type { Metadata, Redacted, TextFormat } from '../domain/document.ts';
import type { RowKey, TenantId } from '../domain/ids.ts';
import type { Instant } from '../domain/time.ts';

/** A document as it was pushed, after redaction: this log is its only source, and is kept whole. */
export interface PushedRecord {
  readonly id: string;
  readonly tenant: TenantId;
  readonly title?: string;
  readonly uri?: string;
  readonly text: string;
  readonly format?: TextFormat;
  readonly access?: readonly string[];
  readonly metadata?: Metadata;
}

/** The latest that was pushed for one key. A deleted document keeps its place in the log without its content. */
export interface PushedEntry {
  readonly key: RowKey;
  /**
   * Offset in the log and version of the document in one: microseconds since 2020-01-01 UTC, or one more than the last entry's where the
   * clock stands still or went back. One number for both because floors compare versions across documents: numbers that callers choose
   * per document (`sourceVersion`) would drop a new document below a swept one.
   */
  readonly sequence: number;
  readonly committedAt: Instant;
  readonly document: Redacted<PushedRecord> | undefined;
}

export interface PushedWrite {
  readonly key: RowKey;
  /** Undefined deletes. */
  readonly document: Redacted<PushedRecord> | undefined;
  /** The caller's own number for this document; at or below the stored one the write is refused. */
  readonly sourceVersion: number | undefined;
}

export type PushedOutcome =
  | { readonly accepted: true; readonly sequence: number }
  | {
      readonly accepted: false;
      readonly reason: 'superseded' | 'duplicate';
      /** Of the entry that stands. */
      readonly sequence: number;
    };

/**
 * Durable log of pushed documents, compacted: only the latest entry of a key is kept, at its own sequence.
 * `append` resolves once durable, its outcomes in the order of the writes; sequences grow in the order of acceptance.
 */
export interface PushedLog {
  append(writes: readonly PushedWrite[], now: Instant): Promise<readonly PushedOutcome[]>;
  /** Entries above a sequence, in order, deleted ones included. */
  after(sequence: number, limit: number): Promise<readonly PushedEntry[]>;
  /** The highest sequence ever given, 0 before the first. */
  last(): Promise<number>;
  /** How many entries lie above a sequence. */
  countAfter(sequence: number): Promise<number>;
  entry(key: RowKey): Promise<PushedEntry | undefined>;
  /** Entries that are not deleted, above a key, in key order. */
  scan(after: RowKey | undefined, limit: number): Promise<readonly PushedEntry[]>;
}
