import { watch } from 'chokidar';
import { toRelative, type PathRules } from './paths.ts';

export interface WatcherEvents {
  /** Something happened to this path, which is a row's or was one. */
  onPath(path: string): void;
  /** A folder went: all that was below it did, too. */
  onFolderGone(folder: string): void;
  /** The system cannot watch (too many watches, a network drive): only the regular scans are left. */
  onError(code: string): void;
}

/** Resolves once every folder is watched: what changes afterwards is reported, if the system does its part. */
export async function startWatcher(root: string, rules: PathRules, events: WatcherEvents): Promise<AsyncDisposable> {
  const watcher = watch(root, {
    ignoreInitial: true,
    followSymlinks: false,
    atomic: false, // settling is ours
    ignorePermissionErrors: true,
    ignored: (absolute, stats) => {
      const path = toRelative(root, absolute);
      if (path === '') return false;
      return rules.isPruned(path) || (stats?.isFile() === true && !rules.isRow(path));
    },
  });
  const onPath = (absolute: string): void => {
    const path = toRelative(root, absolute);
    if (rules.isRow(path)) events.onPath(path);
  };
  watcher.on('add', onPath).on('change', onPath).on('unlink', onPath);
  watcher.on('unlinkDir', (absolute) => events.onFolderGone(toRelative(root, absolute)));
  watcher.on('error', (error) =>
    events.onError(error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN'),
  );
  // Out of watches, it may never get ready: the scans do without it.
  await new Promise<void>((resolve) => watcher.once('ready', () => resolve()).once('error', () => resolve()));
  return { [Symbol.asyncDispose]: () => watcher.close() };
}
