import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { FreshetError } from '../domain/errors.ts';

/** One file of the page, held in memory: there are a handful, together a few dozen kilobytes. */
export interface Asset {
  /** Path under the page's root; the page itself is `/`. */
  readonly path: string;
  readonly contentType: string;
  readonly etag: string;
  readonly content: Buffer;
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The package's `web` folder, found from wherever this module runs: `src/web` from source, `dist/src/web` when built. */
export function findWebRoot(from: string = import.meta.dirname): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'web');
    if (existsSync(join(candidate, 'index.html'))) return candidate;
    if (dirname(folder) === folder) {
      throw new FreshetError(
        'WEB_ASSETS_MISSING',
        'fatal',
        'The files of the web page are not in the package. Install it again.',
      );
    }
  }
}

export async function loadAssets(root: string): Promise<readonly Asset[]> {
  const names = (await readdir(root)).filter((name) => CONTENT_TYPES[extname(name)] !== undefined).sort();
  return Promise.all(
    names.map(async (name) => {
      const content = await readFile(join(root, name));
      return {
        path: name === 'index.html' ? '/' : `/${name}`,
        contentType: CONTENT_TYPES[extname(name)] ?? 'application/octet-stream',
        etag: `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`,
        content,
      };
    }),
  );
}
