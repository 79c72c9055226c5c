import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FreshetError } from '../../src/domain/errors.ts';
import { Database } from './database.ts';
import type { StorageWords } from './storage-error.ts';

const LOCK_FILE = 'freshet.lock';
/** Beside the lock and not in it: nobody else can read a file under an exclusive transaction. */
const PID_FILE = 'freshet.pid';

const WORDS: StorageWords = {
  code: 'LOCK',
  noun: 'lock file',
  mend: 'It holds no data: delete it and start again.',
};

export interface DataLock extends Disposable {
  readonly dataDir: string;
  release(): void;
}

/**
 * Makes this process the only owner of a data folder, until it is released or the process ends, however it ends: the lock is an exclusive
 * SQLite transaction that is never committed, so the kernel lets go of it even on kill -9. The folder is made if it is missing.
 * Errors: `fatal` DATA_DIR_LOCKED (names the process that holds it), DATA_DIR_NOT_WRITABLE.
 */
export function acquireDataLock(dataDir: string): DataLock {
  const db = openLock(dataDir);
  try {
    db.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    throw error instanceof FreshetError && error.code === 'LOCK_BUSY' ? locked(dataDir) : error;
  }
  writeFileSync(join(dataDir, PID_FILE), `${process.pid}\n`);
  let held = true;
  const release = (): void => {
    if (!held) return;
    held = false;
    rmSync(join(dataDir, PID_FILE), { force: true });
    db.exec('ROLLBACK');
    db.close();
  };
  return { dataDir, release, [Symbol.dispose]: release };
}

/** The process that owns the folder, if one says so; for commands that look for a running instance. */
export function dataLockHolder(dataDir: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(dataDir, PID_FILE), 'utf8'), 10);
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined; // No file, no holder: a stale or missing hint never decides anything.
  }
}

function openLock(dataDir: string): Database {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    return new Database(join(dataDir, LOCK_FILE), WORDS);
  } catch (cause) {
    throw new FreshetError(
      'DATA_DIR_NOT_WRITABLE',
      'fatal',
      `The data folder ${dataDir} cannot be made or written. Give it to the user Freshet runs as, or name another with --data-dir.`,
      { cause, details: { dataDir } },
    );
  }
}

function locked(dataDir: string): FreshetError {
  const pid = dataLockHolder(dataDir);
  const holder = pid === undefined ? 'another process' : `process ${pid}`;
  return new FreshetError(
    'DATA_DIR_LOCKED',
    'fatal',
    `The data folder ${dataDir} is in use by ${holder}. Stop that one, or name another folder with --data-dir.`,
    { details: { dataDir, pid } },
  );
}
