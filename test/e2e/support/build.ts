import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const ROOT = resolve(import.meta.dirname, '../../..');

const STAMP = join(ROOT, 'dist', '.built-for-e2e');
const LOCK = join(tmpdir(), `freshet-e2e-build-${createHash('sha256').update(ROOT).digest('hex').slice(0, 12)}`);
const BUILD_MS_MAX = 120_000;

/** Time of the last change, or 0 without such a file. */
const changedAt = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function newestSource(): number {
  const files = ['src', 'connectors'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(ROOT, folder, name)),
  );
  return Math.max(...files.map(changedAt));
}

const isBuilt = (): boolean => changedAt(STAMP) > newestSource() && changedAt(join(ROOT, 'dist/src/main.js')) > 0;

/** Compiles what `bin/freshet.js` runs, once for all test files of a run: they are workers of one another's unknown. */
export async function ensureBuilt(): Promise<void> {
  while (!isBuilt()) {
    if (!takeLock()) {
      await sleep(100);
      continue;
    }
    try {
      if (!isBuilt()) compile();
    } finally {
      rmSync(LOCK, { recursive: true, force: true });
    }
  }
}

function takeLock(): boolean {
  try {
    mkdirSync(LOCK);
    return true;
  } catch {
    // Left behind by a run that was killed.
    if (Date.now() - changedAt(LOCK) > BUILD_MS_MAX) rmSync(LOCK, { recursive: true, force: true });
    return false;
  }
}

function compile(): void {
  const startedAt = new Date();
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [compiler, '-b'], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: BUILD_MS_MAX,
  });
  if (status !== 0) throw new Error(`tsc -b failed:\n${stdout}`);
  writeFileSync(STAMP, startedAt.toISOString());
}
