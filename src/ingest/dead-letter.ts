import type { Position } from '../domain/change.ts';
import { codeOf, FreshetError } from '../domain/errors.ts';
import type { DocumentId, RowKey, TableId } from '../domain/ids.ts';
import type { SourcePosition } from '../domain/source-position.ts';
import type { Instant } from '../domain/time.ts';
import type { Version } from '../domain/version.ts';
import type { DeadLetter } from '../ports/dead-letters.ts';

/** The stages of the sentence in which a record can turn out to be poison. */
export type Stage = 'decode' | 'map' | 'redact' | 'chunk' | 'embed' | 'upsert';

export interface FailedRecord {
  readonly source: string;
  readonly position: Position;
  readonly table: TableId | undefined;
  readonly key: RowKey | undefined;
  readonly document: DocumentId | undefined;
  readonly version: Version | undefined;
  readonly sourcePosition: SourcePosition | undefined;
  readonly committedAt: Instant | undefined;
}

/** Coordinates and codes, never text. A foreign error's message may quote the record, so only our own messages are kept. */
export function deadLetter(record: FailedRecord, stage: Stage, error: unknown, now: Instant): DeadLetter {
  return {
    ...record,
    stage,
    code: codeOf(error),
    message:
      error instanceof FreshetError ? error.message : 'An error that is not of Freshet; see the log for its class.',
    attempts: 1,
    failedAt: now,
  };
}
