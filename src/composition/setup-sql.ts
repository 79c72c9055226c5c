import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { FreshetError } from '../domain/errors.ts';

/** SQLSTATEs whose messages name tables, columns, types and roles only. All others may quote values and stay out of ours. */
const SPEAKABLE_STATES = /^(42(?!601|000)|3D|3F|2BP|0A|55|53|57)/;

/**
 * Runs a file of SQL on a server of our own, as one request: where it sets no transaction itself, all of it or nothing.
 * @throws SETUP_UNREADABLE, SETUP_FAILED (both fatal), with the file, the line and the SQLSTATE, and never a value
 */
export async function runSetup(file: string, connectionString: string): Promise<void> {
  const sql = await readSetup(file);
  const client = new pg.Client({ connectionString, application_name: 'freshet setup' });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(sql);
  } catch (error) {
    throw setupFailed(file, sql, error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function readSetup(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  } catch (cause) {
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
    throw new FreshetError(
      'SETUP_UNREADABLE',
      'fatal',
      `${file}, which "setup" names, cannot be read (${code}). Check the path, which is relative to the configuration file, and its permissions.`,
      { cause, details: { file } },
    );
  }
}

/** The server's error is no cause of ours: it may quote values. */
function setupFailed(file: string, sql: string, error: unknown): FreshetError {
  const { code, message = '', position, table, constraint } = error as Partial<pg.DatabaseError>;
  const place = position === undefined ? '' : `:${lineAndColumn(sql, Number(position))}`;
  const isState = /^[0-9A-Z]{5}$/.test(code ?? '');
  const said =
    isState && SPEAKABLE_STATES.test(code as string)
      ? message.split('\n')[0]
      : code === '42601'
        ? 'syntax error'
        : "the server's message may quote values and is left out";
  const about = [table && `table ${table}`, constraint && `constraint ${constraint}`].filter(Boolean).join(', ');
  return new FreshetError(
    'SETUP_FAILED',
    'fatal',
    `${file}${place}: ${said}${about === '' ? '' : ` (${about})`} (${isState ? `SQLSTATE ${code}` : (code ?? 'no code')}). ` +
      'The file is run at every start: it must be SQL without psql commands, and idempotent (CREATE TABLE IF NOT EXISTS, INSERT … ON CONFLICT DO NOTHING).',
    { details: { file, sqlState: isState ? code : undefined } },
  );
}

/** @param position counted in characters from 1, as the server does */
function lineAndColumn(sql: string, position: number): string {
  const before = [...sql]
    .slice(0, position - 1)
    .join('')
    .split('\n');
  return `${before.length}:${[...(before.at(-1) as string)].length + 1}`;
}
