import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Report } from './error.ts';

const PARTIAL = 'partial-';
const ABANDONED_AFTER_MS = 24 * 3_600_000;

/** Beside the product's own downloads: the user's cache folder (XDG Base Directory Specification). */
export function stackCache(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.FRESHET_CACHE_DIR || (env.XDG_CACHE_HOME ? join(env.XDG_CACHE_HOME, 'freshet') : undefined);
  return join(base ?? join(homedir(), '.cache', 'freshet'), 'stack');
}

export interface Fetch {
  readonly name: string;
  /** Everything the content depends on; another pin gives another folder. */
  readonly pin: string;
  /** Fills an empty folder. Whatever it throws leaves nothing behind that looks complete. */
  readonly fill: (folder: string) => Promise<void>;
}

const inFlight = new Map<string, Promise<string>>();

/**
 * The folder of something fetched: from the cache, else filled beside it and put in place by one rename. So a folder that is there is
 * whole, an interrupted download is none, and two processes that fetch at once do not disturb each other.
 */
export function cached(fetch: Fetch, report: Report): Promise<string> {
  const digest = createHash('sha256').update(fetch.pin).digest('hex').slice(0, 12);
  const folder = join(stackCache(), `${fetch.name}-${digest}`);
  let running = inFlight.get(folder);
  if (running === undefined) {
    running = fetchInto(folder, fetch, report).finally(() => inFlight.delete(folder));
    inFlight.set(folder, running);
  }
  return running;
}

async function fetchInto(folder: string, { name, fill }: Fetch, report: Report): Promise<string> {
  if (existsSync(folder)) return folder;
  const cache = stackCache();
  await mkdir(cache, { recursive: true });
  await sweepAbandoned(cache);
  const partial = join(cache, `${PARTIAL}${randomUUID()}`);
  await mkdir(partial);
  report(`fetching ${name}`);
  const startedAt = performance.now();
  try {
    await fill(partial);
    await rename(partial, folder).catch((error: unknown) => {
      // Another process was faster; what it put there is as whole as ours.
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  report(`fetched ${name} in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  return folder;
}

async function sweepAbandoned(cache: string): Promise<void> {
  for (const entry of await readdir(cache)) {
    if (!entry.startsWith(PARTIAL)) continue;
    const path = join(cache, entry);
    const changed = await stat(path).catch(() => undefined);
    if (changed !== undefined && Date.now() - changed.mtimeMs > ABANDONED_AFTER_MS) {
      await rm(path, { recursive: true, force: true });
    }
  }
}
