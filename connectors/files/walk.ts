import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { PathRules } from './paths.ts';
import type { Outside } from './read-text.ts';

export interface WalkedFile {
  readonly path: string;
  readonly outside: Outside;
}

/**
 * Every file below the root that is a row, without reading any. Symlinks are not followed, so there are no loops.
 * @param onUnreadable a folder that could not be listed: what it holds is unknown, not gone
 */
export async function* walk(
  root: string,
  rules: PathRules,
  signal: AbortSignal,
  onUnreadable: (folder: string) => void,
): AsyncGenerator<WalkedFile> {
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    let entries: Dirent[];
    try {
      entries = await readdir(join(root, folder), { withFileTypes: true });
    } catch (error) {
      // A folder may go between being listed and being read; anything else leaves its content unknown.
      const isGone = error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
      if (!isGone || folder === '') onUnreadable(folder);
      continue;
    }
    for (const entry of entries) {
      if (signal.aborted) return;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!rules.isPruned(path)) folders.push(path);
      } else if (entry.isFile() && rules.isRow(path)) {
        const stats = await lstat(join(root, path)).catch(() => undefined);
        if (stats?.isFile() !== true) continue;
        yield { path, outside: { size: stats.size, mtimeMs: stats.mtimeMs, ctimeMs: stats.ctimeMs } };
      }
    }
  }
}
