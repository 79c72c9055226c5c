import { createHash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { lstat, open, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FreshetError } from '../../src/domain/errors.ts';

/** What a file looked like from outside when it was read. */
export interface Outside {
  readonly size: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

export type ReadResult =
  | { readonly kind: 'text'; readonly outside: Outside; readonly hash: string; readonly text: string }
  /** No regular file (any more), or not one that really lies below the root. */
  | { readonly kind: 'missing' }
  /** It was written to while it was read. */
  | { readonly kind: 'changing' }
  | { readonly kind: 'undecodable'; readonly outside: Outside; readonly error: FreshetError }
  /** The system is short of something; nothing is known about the file. */
  | { readonly kind: 'busy'; readonly code: string };

const outsideOf = ({ size, mtimeMs, ctimeMs }: Stats): Outside => ({ size, mtimeMs, ctimeMs });
const isSame = (a: Stats, b: Stats): boolean => a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs;

/** Symlinks are never followed: they make loops and lead out of the folder. NONBLOCK, or a pipe put in a file's place would hang us. */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
const MISSING = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'ENXIO', 'ENAMETOOLONG', 'EINVAL']);

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN';

/** @param root absolute, without symlinks */
export async function readText(root: string, path: string, maxBytes: number): Promise<ReadResult> {
  const absolute = join(root, path);
  let outside: Outside = { size: 0, mtimeMs: 0, ctimeMs: 0 };
  try {
    const folder = dirname(absolute);
    if ((await realpath(folder)) !== folder) return { kind: 'missing' };
    const seen = await lstat(absolute);
    outside = outsideOf(seen);
    if (!seen.isFile()) return { kind: 'missing' };
    if (seen.size > maxBytes) return tooLarge(outside, maxBytes);
    const handle = await open(absolute, FLAGS);
    try {
      const before = await handle.stat();
      if (!before.isFile()) return { kind: 'missing' };
      if (before.size > maxBytes) return tooLarge(outsideOf(before), maxBytes);
      const bytes = await handle.readFile();
      const after = await handle.stat();
      if (!isSame(before, after) || bytes.length !== after.size) return { kind: 'changing' };
      return decode(bytes, outsideOf(after));
    } finally {
      await handle.close();
    }
  } catch (error) {
    const code = codeOf(error);
    if (MISSING.has(code)) return { kind: 'missing' };
    if (code === 'EACCES' || code === 'EPERM')
      return undecodable(
        outside,
        'FILE_UNREADABLE',
        `may not be read (${code}). Grant this process the right to read it.`,
      );
    return { kind: 'busy', code };
  }
}

function tooLarge(outside: Outside, maxBytes: number): ReadResult {
  return undecodable(
    outside,
    'FILE_TOO_LARGE',
    `has ${outside.size} bytes, over the limit of ${maxBytes}. Split it, exclude it, or raise maxFileBytes.`,
  );
}

function undecodable(outside: Outside, code: string, what: string): ReadResult {
  const error = new FreshetError(code, 'poison', `A file ${what} Its last version, if any, stays in the index.`, {
    details: { bytes: outside.size },
  });
  return { kind: 'undecodable', outside, error };
}

/** UTF-8, or UTF-16 behind a byte order mark. The mark itself is not text. */
function encodingOf(bytes: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return 'utf-8';
}

function decode(bytes: Uint8Array, outside: Outside): ReadResult {
  const encoding = encodingOf(bytes);
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    if (text.includes('\0'))
      return undecodable(outside, 'FILE_NOT_TEXT', 'holds NUL characters: it is binary. Exclude it.');
    return { kind: 'text', outside, text, hash: createHash('sha256').update(bytes).digest('hex').slice(0, 32) };
  } catch {
    return undecodable(
      outside,
      'FILE_NOT_TEXT',
      `is no valid ${encoding.toUpperCase()}. Save it as UTF-8, or exclude it.`,
    );
  }
}
