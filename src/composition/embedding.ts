import { homedir } from 'node:os';
import { join } from 'node:path';
import { createHashingEmbedder } from '../../connectors/hashing/embedder.ts';
import { createTransformersEmbedder } from '../../connectors/transformers/embedder.ts';
import type { ReportProgress } from '../../connectors/transformers/acquire/progress.ts';
import { resolveModel } from '../../connectors/transformers/resolve-model.ts';
import type { FreshetConfig } from '../config/index.ts';
import { FreshetError } from '../domain/errors.ts';
import type { Tokenizer } from '../ports/chunker.ts';
import type { Embedder } from '../ports/embedder.ts';

export interface Embedding {
  readonly embedder: Embedder;
  readonly tokenizer: Tokenizer;
  /** For people. */
  readonly name: string;
  /** Finds words, not meanings: said wherever results are shown. */
  readonly lexicalOnly: boolean;
  /** Why the configured model is not the one in use. */
  readonly fallbackReason?: string;
}

export async function openEmbedding(
  config: FreshetConfig['embedder'],
  env: Readonly<Record<string, string | undefined>>,
  onProgress: ReportProgress,
  signal: AbortSignal,
): Promise<Embedding> {
  if (config.engine === 'hashing') return hashing();
  const resolved = await resolveModel({
    ...(config.modelPath === undefined ? {} : { modelPath: config.modelPath }),
    cacheDir: config.cacheDir ?? defaultCacheDir(env),
    allowHub: config.allowHub,
    onProgress,
    signal,
  });
  if (resolved.kind === 'hashing') {
    if (config.fallback === 'hashing') return { ...hashing(), fallbackReason: resolved.reason };
    throw new FreshetError(
      'MODEL_UNAVAILABLE',
      'fatal',
      `The embedding model cannot be had. ${resolved.reason} Give a folder with --model-path, or choose words-only search with --embedder hashing.`,
    );
  }
  const embedder = await createTransformersEmbedder({
    model: resolved.model,
    device: config.device,
    maxBatchTokens: config.maxBatchTokens,
    ...(config.workers === 0 ? {} : { workers: config.workers }),
  });
  return { embedder, tokenizer: embedder.tokenizer, name: resolved.model.name, lexicalOnly: false };
}

function hashing(): Embedding {
  const embedder = createHashingEmbedder();
  return { embedder, tokenizer: embedder.tokenizer, name: 'hashing (words only)', lexicalOnly: true };
}

/** The user's cache folder (XDG Base Directory Specification), outside any checkout. */
export function defaultCacheDir(env: Readonly<Record<string, string | undefined>>): string {
  const base = env.FRESHET_CACHE_DIR || (env.XDG_CACHE_HOME ? join(env.XDG_CACHE_HOME, 'freshet') : undefined);
  return base ?? join(homedir(), '.cache', 'freshet');
}
