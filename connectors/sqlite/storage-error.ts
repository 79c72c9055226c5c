import { FreshetError, type ErrorKind } from '../../src/domain/errors.ts';

/** How a store names itself in its errors. */
export interface StorageWords {
  /** Prefix of its codes: `INDEX` gives `INDEX_CORRUPT`, `INDEX_DISK_FULL`. */
  readonly code: 'INDEX' | 'STATE' | 'LOCK';
  /** As in "The index file …". */
  readonly noun: string;
  /** What mends a file that is damaged beyond use. */
  readonly mend: string;
}

interface Finding {
  readonly suffix: string;
  readonly kind: ErrorKind;
  readonly text: (words: StorageWords, path: string) => string;
}

const CORRUPT: Finding = {
  suffix: 'CORRUPT',
  kind: 'fatal',
  text: (words, path) => `The ${words.noun} ${path} is damaged or is not a database. ${words.mend}`,
};

const NOT_WRITABLE: Finding = {
  suffix: 'NOT_WRITABLE',
  kind: 'fatal',
  text: (words, path) =>
    `The ${words.noun} ${path} cannot be opened for writing. Check that its folder exists and belongs to the user Freshet runs as.`,
};

/** SQLite's primary result codes (sqlite.org/rescode.html), the low byte of the extended code. */
const FINDINGS: ReadonlyMap<number, Finding> = new Map([
  [3, NOT_WRITABLE],
  [8, NOT_WRITABLE],
  [14, NOT_WRITABLE],
  [23, NOT_WRITABLE],
  [11, CORRUPT],
  [26, CORRUPT],
  [
    13,
    {
      suffix: 'DISK_FULL',
      kind: 'transient',
      text: (words, path) =>
        `No space is left for the ${words.noun} ${path}. Free some space on that disk: writing goes on by itself, and nothing is lost.`,
    },
  ],
  [
    10,
    {
      suffix: 'IO_ERROR',
      kind: 'transient',
      text: (words, path) =>
        `Reading or writing the ${words.noun} ${path} failed. Check the disk; Freshet keeps trying.`,
    },
  ],
  [
    7,
    {
      suffix: 'OUT_OF_MEMORY',
      kind: 'transient',
      text: (words, path) => `SQLite ran out of memory on the ${words.noun} ${path}. Freshet keeps trying.`,
    },
  ],
  [
    5,
    {
      suffix: 'BUSY',
      kind: 'transient',
      text: (words, path) =>
        `The ${words.noun} ${path} is locked by another process. Only one Freshet may use a data folder at a time.`,
    },
  ],
  [
    6,
    {
      suffix: 'BUSY',
      kind: 'transient',
      text: (words, path) => `A table of the ${words.noun} ${path} is locked by another reader.`,
    },
  ],
  [
    18,
    {
      suffix: 'TOO_BIG',
      kind: 'poison',
      text: (words, path) => `A value is too long for the ${words.noun} ${path} (1 GB, 1,000,000,000 bytes).`,
    },
  ],
]);

/** SQLite's error as ours. The cause's message holds names of tables and columns, never values. */
export function storageError(error: unknown, path: string, words: StorageWords): unknown {
  if (!(error instanceof Error)) return error;
  const { code, rawCode } = error as Error & { code?: unknown; rawCode?: unknown };
  if (typeof code !== 'string') return error;
  // A failed opening has no code of its own, only a message that ends in it.
  const opening = /^ConnectionFailed\(.*: (\d+)"\)$/s.exec(error.message)?.[1];
  const primary = (typeof rawCode === 'number' ? rawCode : Number(opening ?? 0)) & 0xff;
  const finding = FINDINGS.get(primary);
  const details = { path, sqlite: code };
  if (finding === undefined) {
    return new FreshetError(
      `${words.code}_FAILED`,
      'fatal',
      `The ${words.noun} ${path} refused an operation (${code}). This is a bug in Freshet; the cause says where.`,
      { cause: error, details },
    );
  }
  return new FreshetError(`${words.code}_${finding.suffix}`, finding.kind, finding.text(words, path), {
    cause: error,
    details,
  });
}
