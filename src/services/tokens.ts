import { FreshetError } from '../domain/errors.ts';
import type { LiveSource } from './live-source.ts';

/** `16/B374D848`, as pg_current_wal_insert_lsn() prints it. */
const LSN = /^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/;
const PREFIX = 'f1.';

/** One opaque token over several sources: `f1.` and base64url of JSON {source: its own token}. */
export function encodeToken(parts: Readonly<Record<string, string>>): string {
  return PREFIX + Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/** @throws poison BAD_TOKEN */
export function decodeToken(token: string, sources: readonly LiveSource[]): Readonly<Record<string, string>> {
  if (LSN.test(token)) {
    const postgres = sources.filter((live) => live.isPostgres);
    if (postgres.length !== 1) {
      throw badToken('A plain LSN names a position only where there is exactly one PostgreSQL source.');
    }
    return Object.fromEntries(postgres.map((live) => [live.source.name, token]));
  }
  try {
    if (!token.startsWith(PREFIX)) throw new SyntaxError('prefix');
    const parsed: unknown = JSON.parse(Buffer.from(token.slice(PREFIX.length), 'base64url').toString('utf8'));
    if (
      parsed === null ||
      typeof parsed !== 'object' ||
      Object.values(parsed).some((part) => typeof part !== 'string')
    ) {
      throw new SyntaxError('shape');
    }
    return parsed as Record<string, string>;
  } catch (cause) {
    throw badToken('Pass a token exactly as an answer of this API gave it, or a PostgreSQL LSN.', cause);
  }
}

function badToken(how: string, cause?: unknown): FreshetError {
  return new FreshetError('BAD_TOKEN', 'poison', `The consistency token cannot be read. ${how}`, { cause });
}

/** A token that covers every write committed at any source before the call. */
export async function currentToken(sources: readonly LiveSource[], signal: AbortSignal): Promise<string> {
  const parts = await Promise.all(
    sources.map(async ({ source }) => [source.name, await source.currentToken(signal)] as const),
  );
  return encodeToken(Object.fromEntries(parts));
}

/** A token for what the index covers now: no hop to any source. */
export function coveredToken(sources: readonly LiveSource[]): string {
  const parts = sources.flatMap(({ source }) => {
    const token = source.coveredToken();
    return token === undefined ? [] : [[source.name, token] as const];
  });
  return encodeToken(Object.fromEntries(parts));
}

/** True once every part is settled downstream, false when any is not within `waitMs`. Tokens of sources that are gone are covered. */
export async function tokenReached(
  token: string,
  sources: readonly LiveSource[],
  waitMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const parts = decodeToken(token, sources);
  const waits = sources.flatMap(({ source }) => {
    const part = parts[source.name];
    return part === undefined ? [] : [source.reached(part, waitMs, signal)];
  });
  return (await Promise.all(waits)).every(Boolean);
}
