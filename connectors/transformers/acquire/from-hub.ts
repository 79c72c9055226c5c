import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { KnownModel, ModelPiece } from '../known-model.ts';
import { byteCounter, type ReportProgress } from './progress.ts';

export interface HubOptions {
  /** Default: the hub transformers.js is set to. */
  readonly url: string | undefined;
  /** How long the hub may take to answer the first request. */
  readonly answerWithinMs: number;
  /** How long no byte may arrive before a download is given up. */
  readonly stalledAfterMs: number;
  readonly signal: AbortSignal;
  readonly report: ReportProgress;
}

/**
 * Downloads the model's pieces into `folder` at the pinned revision and checks size and SHA-256 of each. Throws a plain Error that says
 * why; what was written by then is the caller's to delete.
 */
export async function downloadFromHub(known: KnownModel, folder: string, options: HubOptions): Promise<void> {
  const total = known.pieces.reduce((sum, piece) => sum + piece.bytes, 0);
  const base = await repositoryUrl(known, options.url);
  const count = byteCounter(options.report, `Downloading ${known.name} from ${base.host}`, total);
  let received = 0;
  let answered = false;
  for (const piece of known.pieces) {
    await downloadPiece(new URL(piece.source, base), piece, join(folder, piece.target), {
      // Only the first answer tells whether the hub can be reached; later ones get the patience of a download.
      answerWithinMs: answered ? options.stalledAfterMs : options.answerWithinMs,
      stalledAfterMs: options.stalledAfterMs,
      signal: options.signal,
      onBytes: (bytes) => count((received += bytes)),
    });
    answered = true;
  }
}

interface PieceOptions {
  readonly answerWithinMs: number;
  readonly stalledAfterMs: number;
  readonly signal: AbortSignal;
  readonly onBytes: (bytes: number) => void;
}

/** Host and path template are transformers.js's, so that one setting of its `env` (a mirror) holds for both. */
async function repositoryUrl(known: KnownModel, hubUrl: string | undefined): Promise<URL> {
  const { env } = await import('@huggingface/transformers');
  const path = env.remotePathTemplate
    .replace('{model}', known.hub.repository)
    .replace('{revision}', encodeURIComponent(known.hub.revision));
  return new URL(path, hubUrl ?? env.remoteHost);
}

async function downloadPiece(url: URL, piece: ModelPiece, path: string, options: PieceOptions): Promise<void> {
  using watchdog = new Watchdog(options.signal);
  watchdog.expect(options.answerWithinMs, `it did not answer within ${options.answerWithinMs / 1000} s`);
  const response = await fetch(url, { signal: watchdog.signal }).catch((error: unknown) => {
    throw watchdog.reason ?? new Error(`it cannot be reached (${reasonOf(error)})`);
  });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Error(`it answered ${response.status} for ${piece.source}`);
  }

  const hash = createHash('sha256');
  const file = await open(path, 'wx');
  let bytes = 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      watchdog.expect(options.stalledAfterMs, `no data came for ${options.stalledAfterMs / 1000} s`);
      bytes += chunk.length;
      if (bytes > piece.bytes) throw new Error(`${piece.source} is longer than the ${piece.bytes} bytes expected`);
      hash.update(chunk);
      await file.writeFile(chunk);
      options.onBytes(chunk.length);
    }
  } catch (error) {
    throw watchdog.reason ?? error;
  } finally {
    await file.close();
  }
  if (bytes !== piece.bytes) throw new Error(`${piece.source} ended after ${bytes} of ${piece.bytes} bytes`);
  if (hash.digest('hex') !== piece.sha256)
    throw new Error(`${piece.source} is not the file expected (its SHA-256 differs)`);
}

/** Aborts a request when the next sign of life is late, and remembers why. */
class Watchdog implements Disposable {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  #timer: NodeJS.Timeout | undefined;
  reason: Error | undefined;

  constructor(outer: AbortSignal) {
    this.#outer = outer;
    outer.addEventListener('abort', this.#forward, { once: true });
    if (outer.aborted) this.#controller.abort(outer.reason);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  expect(withinMs: number, otherwise: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.reason = new Error(otherwise);
      this.#controller.abort(this.reason);
    }, withinMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener('abort', this.#forward);
  }

  readonly #forward = (): void => this.#controller.abort(this.#outer.reason);
}

/** fetch says only "fetch failed"; its cause has the system's code, such as ENOTFOUND or ECONNREFUSED. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
  return cause?.code ?? cause?.message ?? (error instanceof Error ? error.message : String(error));
}
