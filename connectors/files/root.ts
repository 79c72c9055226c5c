import { realpath, stat } from 'node:fs/promises';
import { resolve } from 'node:path';

/** The watched folder's identity. On another device it is an empty mount point, not a folder whose files were deleted. */
export interface Root {
  /** Absolute, without symlinks. */
  readonly path: string;
  readonly device: number;
  readonly inode: number;
}

/** Undefined when there is no such folder now. */
export async function findRoot(folder: string): Promise<Root | undefined> {
  try {
    const path = await realpath(resolve(folder));
    const stats = await stat(path);
    return stats.isDirectory() ? { path, device: stats.dev, inode: stats.ino } : undefined;
  } catch {
    return undefined; // whatever hides it, it is not there for us
  }
}
