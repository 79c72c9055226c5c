import type { Position } from '../domain/change.ts';
import type { DocumentId, PartitionId, RowKey, TableId } from '../domain/ids.ts';
import type { SourcePosition } from '../domain/source-position.ts';
import type { Instant } from '../domain/time.ts';
import type { Version } from '../domain/version.ts';

/** Coordinates and codes of a record that cannot be processed; never its text. */
export interface DeadLetter {
  readonly source: string;
  readonly table: TableId | undefined;
  /** To read the row again. Stored sealed (a key can be personal data) and never printed. */
  readonly key: RowKey | undefined;
  readonly document: DocumentId | undefined;
  readonly position: Position;
  readonly version: Version | undefined;
  readonly sourcePosition: SourcePosition | undefined;
  readonly committedAt: Instant | undefined;
  /** The stage of the sentence that failed: decode, map, redact, chunk, embed, upsert. */
  readonly stage: string;
  readonly code: string;
  /** The error's own message: written by us, so it holds no text of the record. */
  readonly message: string;
  readonly attempts: number;
  readonly failedAt: Instant;
}

export interface StoredDeadLetter extends DeadLetter {
  readonly id: string;
}

/**
 * Durable before `put` resolves. One letter per (source, document or position): a newer failure of the same document replaces the older
 * one and adds up its attempts. A document indexed at a higher version makes its letter void: `resolve` removes it.
 */
export interface DeadLetters {
  put(letter: DeadLetter): Promise<void>;
  list(options: { readonly limit: number; readonly after?: string }): Promise<readonly StoredDeadLetter[]>;
  get(id: string): Promise<StoredDeadLetter | undefined>;
  /** The newest letter of a document. Cheap when there is no letter at all, otherwise it may look at each. */
  ofDocument(document: DocumentId): Promise<StoredDeadLetter | undefined>;
  /** The lowest known version of a letter per partition, over all letters: nothing at or above it may be forgotten before the retry. */
  lowestVersions(): Promise<ReadonlyMap<PartitionId, Version>>;
  remove(id: string): Promise<void>;
  /**
   * Removes the letter of a document whose version is at or below the one that was just indexed. Cheap when there is none. A letter of
   * unknown version may be of a later change, and stays.
   */
  resolve(source: string, document: DocumentId, version: Version): Promise<void>;
  count(): Promise<number>;
}
