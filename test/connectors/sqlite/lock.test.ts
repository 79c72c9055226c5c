import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acquireDataLock, dataLockHolder } from '../../../connectors/sqlite/lock.ts';
import type { FreshetError } from '../../../src/domain/errors.ts';
import { testFolder, type TestFolder } from './support.ts';

describe("the data folder's lock", () => {
  let folder: TestFolder;
  beforeEach(() => {
    folder = testFolder();
  });
  afterEach(() => folder[Symbol.dispose]());

  const refusal = (dataDir: string): FreshetError => {
    try {
      acquireDataLock(dataDir).release();
    } catch (error) {
      return error as FreshetError;
    }
    throw new Error('The lock was given.');
  };

  it('makes the folder, and is given again after it was released', () => {
    const dataDir = join(folder.path, 'new', 'data');
    acquireDataLock(dataDir).release();
    using lock = acquireDataLock(dataDir);
    expect(dataLockHolder(dataDir)).toBe(process.pid);
    lock.release();
    expect(dataLockHolder(dataDir)).toBeUndefined();
    lock.release();
  });

  it('refuses a second owner in the same process', () => {
    using _lock = acquireDataLock(folder.path);
    expect(refusal(folder.path)).toMatchObject({ code: 'DATA_DIR_LOCKED', kind: 'fatal' });
  });

  it('refuses another process by the pid that holds it, and is free once that is killed', async () => {
    const script = new URL('lock-child.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, ['--import', 'tsx', script, folder.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    const error = refusal(folder.path);
    expect(error).toMatchObject({ code: 'DATA_DIR_LOCKED', details: { pid: child.pid } });
    expect(error.message).toContain(String(child.pid));
    child.kill('SIGKILL');
    await once(child, 'exit');
    using _lock = acquireDataLock(folder.path);
    expect(dataLockHolder(folder.path)).toBe(process.pid);
  });

  it('says what is wrong with a folder that cannot be made', () => {
    writeFileSync(folder.file('file'), '');
    expect(refusal(join(folder.file('file'), 'data'))).toMatchObject({ code: 'DATA_DIR_NOT_WRITABLE', kind: 'fatal' });
  });
});
