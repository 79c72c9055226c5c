import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { DocumentId, PartitionId, RowKey, TableId } from '../../../src/domain/ids.ts';
import type { SourcePosition } from '../../../src/domain/source-position.ts';
import type { Version } from '../../../src/domain/version.ts';
import type { DeadLetter, StoredDeadLetter } from '../../../src/ports/dead-letters.ts';
import type { Seal } from '../../../src/runtime/seal.ts';
import type { LetterRecord } from './letter-log.ts';

const FORMAT = 1;

/** The value of a record, as JSON: coordinates and codes. 64-bit offsets as text. */
const packedLetter = z.object({
  format: z.literal(FORMAT),
  /**
   * When the record first failed, in microseconds, made unique: the order of `list`, the same for all instances. Kept when a newer failure
   * replaces the letter.
   */
  sequence: z.int().nonnegative(),
  source: z.string(),
  table: z.string().optional(),
  document: z.string().optional(),
  partition: z.string(),
  offset: z.string().regex(/^-?\d+$/),
  version: z.number().optional(),
  sourcePosition: z.string().optional(),
  committedAt: z.number().optional(),
  stage: z.string(),
  code: z.string(),
  message: z.string(),
  attempts: z.number(),
  failedAt: z.number(),
  /** The row key, sealed (AES-256-GCM, base64): a key can be personal data. */
  sealedKey: z.string().optional(),
});
export type PackedLetter = z.infer<typeof packedLetter>;

/** One letter per document of a source; a record whose document is not known stands for itself. */
export function identityOf({ source, document, position }: DeadLetter): string {
  return document === undefined
    ? hash(['position', source, position.partition, String(position.offset)])
    : documentIdentity(source, document);
}

export const documentIdentity = (source: string, document: DocumentId): string => hash(['document', source, document]);

/** Key of the record, and of the view. Hashed to be short, and one kind of name for both kinds of identity. */
const hash = (parts: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);

export function pack(
  letter: DeadLetter,
  identity: string,
  sequence: number,
  attempts: number,
  seal: Seal,
): PackedLetter {
  const { source, table, key, document, position, version, sourcePosition, committedAt } = letter;
  const { stage, code, message, failedAt } = letter;
  return {
    format: FORMAT,
    sequence,
    source,
    ...(table === undefined ? {} : { table }),
    ...(document === undefined ? {} : { document }),
    partition: position.partition,
    offset: String(position.offset),
    ...(version === undefined ? {} : { version }),
    ...(sourcePosition === undefined ? {} : { sourcePosition }),
    ...(committedAt === undefined ? {} : { committedAt }),
    stage,
    code,
    message,
    attempts,
    failedAt,
    ...(key === undefined ? {} : { sealedKey: Buffer.from(seal.seal(key, identity)).toString('base64') }),
  };
}

/** @param openKey undefined for a key that was sealed under another key than ours: the letter is shown without it */
export function unpack(
  identity: string,
  packed: PackedLetter,
  openKey: (sealed: Uint8Array, identity: string) => string | undefined,
): StoredDeadLetter {
  const { sealedKey } = packed;
  const key = sealedKey === undefined ? undefined : openKey(Buffer.from(sealedKey, 'base64'), identity);
  const letter = {
    id: letterId(identity, packed.sequence),
    source: packed.source,
    table: packed.table as TableId | undefined,
    document: packed.document as DocumentId | undefined,
    position: { partition: packed.partition as PartitionId, offset: BigInt(packed.offset) },
    version: packed.version as Version | undefined,
    sourcePosition: packed.sourcePosition as SourcePosition | undefined,
    committedAt: packed.committedAt,
    stage: packed.stage,
    code: packed.code,
    message: packed.message,
    attempts: packed.attempts,
    failedAt: packed.failedAt,
    key: key as RowKey | undefined,
  } satisfies StoredDeadLetter;
  // There for whoever reads the row again, but not for JSON.stringify, console.log or a spread.
  return Object.defineProperty(letter, 'key', { enumerable: false });
}

/** Holds its place in the order, so that a page can go on after a letter that is gone by then. */
const letterId = (identity: string, sequence: number): string => `dl_${sequence.toString(36)}_${identity}`;

export function parseLetterId(id: string): { readonly sequence: number; readonly identity: string } | undefined {
  const [, sequence, identity] = /^dl_([0-9a-z]{1,11})_([0-9a-f]{32})$/.exec(id) ?? [];
  return sequence === undefined || identity === undefined
    ? undefined
    : { sequence: Number.parseInt(sequence, 36), identity };
}

/** Coordinates in headers too, in the manner of Kafka Connect's own dead letters, for tools that know nothing of the value. */
export function letterRecord(identity: string, packed: PackedLetter): LetterRecord {
  return {
    key: identity,
    value: JSON.stringify(packed),
    headers: {
      '__freshet.error.code': packed.code,
      '__freshet.error.stage': packed.stage,
      '__freshet.error.message': packed.message,
      '__freshet.error.attempts': String(packed.attempts),
      '__freshet.error.source': packed.source,
      '__freshet.error.partition': packed.partition,
      '__freshet.error.offset': packed.offset,
    },
  };
}

const RESOLVED_VERSION = '__freshet.resolved.version';

/** @param version the letter is void at or below it; undefined removes it whatever it is */
export function tombstone(identity: string, version?: Version): LetterRecord {
  return {
    key: identity,
    value: undefined,
    headers: version === undefined ? {} : { [RESOLVED_VERSION]: String(version) },
  };
}

export function resolvedVersion({ headers }: LetterRecord): Version | undefined {
  const version = Number(headers[RESOLVED_VERSION]);
  return Number.isSafeInteger(version) ? (version as Version) : undefined;
}

/** Undefined when it is no letter of ours. */
export function parseLetter(value: string): PackedLetter | undefined {
  try {
    const parsed = packedLetter.safeParse(JSON.parse(value));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
