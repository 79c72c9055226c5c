import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FreshetError } from '../../../src/domain/errors.ts';
import { inspectModelFolder } from '../model-folder.ts';
import type { KnownModel } from '../known-model.ts';
import type { LocalModel } from '../model.ts';

const PARTIAL_PREFIX = '.partial-';
/** A partial folder this old belongs to a process that died. */
const ABANDONED_AFTER_MS = 24 * 3600 * 1000;

/** Where a verified model stands: complete or absent, never in between. */
export function cachedFolder(cacheDir: string, known: KnownModel): string {
  return join(cacheDir, `${known.name}-${known.digest}`);
}

/** The cached model, or why there is none. Reads and hashes everything: 0.2 s against an index of wrong vectors. */
export async function readCached(cacheDir: string, known: KnownModel): Promise<LocalModel | 'absent' | 'damaged'> {
  const folder = cachedFolder(cacheDir, known);
  if ((await stat(folder).catch(() => undefined)) === undefined) return 'absent';
  const model = await inspectModelFolder(folder).catch(() => undefined);
  return model?.digest === known.digest ? model : 'damaged';
}

/** Moves a damaged folder out of the way in one step, so that another process sees it whole or not at all. */
export async function discardDamaged(cacheDir: string, known: KnownModel): Promise<void> {
  const aside = join(cacheDir, `${PARTIAL_PREFIX}${randomUUID()}`);
  await rename(cachedFolder(cacheDir, known), aside).catch((error: unknown) => ignoreMissing(error));
  await rm(aside, { recursive: true, force: true });
}

/** A new empty folder on the cache's own file system, so that publishing it is one rename. */
export async function openPartial(cacheDir: string): Promise<string> {
  const partial = join(cacheDir, `${PARTIAL_PREFIX}${randomUUID()}`);
  try {
    await mkdir(join(partial, 'model', 'onnx'), { recursive: true });
  } catch (cause) {
    throw unwritable(cacheDir, cause);
  }
  return partial;
}

/** Puts a verified folder in place. Of several processes that finish together the first wins, the others drop theirs. */
export async function publish(partialModel: string, cacheDir: string, known: KnownModel): Promise<void> {
  try {
    await rename(partialModel, cachedFolder(cacheDir, known));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'EPERM') throw error;
  }
}

export async function sweepAbandoned(cacheDir: string, nowMs: number): Promise<void> {
  const names = await readdir(cacheDir).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(PARTIAL_PREFIX))) {
    const path = join(cacheDir, name);
    const info = await stat(path).catch(() => undefined);
    if (info !== undefined && nowMs - info.mtimeMs > ABANDONED_AFTER_MS)
      await rm(path, { recursive: true, force: true });
  }
}

export function unwritable(cacheDir: string, cause: unknown): FreshetError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
  return new FreshetError(
    'MODEL_CACHE_UNWRITABLE',
    'fatal',
    `The model cache ${cacheDir} cannot be written (${code}). Make room or give it another place, or name a model folder with --model-path.`,
    { cause, details: { code } },
  );
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
