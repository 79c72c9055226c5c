/**
 * What the runtime does next with an error:
 * - `transient`  back off with jitter and try again; the record keeps its place in its lane
 * - `stale`      re-read what the decision was based on and decide again
 * - `poison`     this record can never succeed as it is: dead-letter it, settle it, count it
 * - `fatal`      stop without settling anything; the process exits non-zero
 * - `aborted`    leave quietly: a shutdown or a cancelled request
 */
export type ErrorKind = 'transient' | 'stale' | 'poison' | 'fatal' | 'aborted';

/** Ids and numbers only: never text of a document, a row or a query. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null | undefined>>;

/**
 * The one error class of Freshet. `code` is a stable UPPER_SNAKE name that appears in logs, metrics, dead letters and problem+json.
 * `message` says what happened, where, and how to mend it.
 */
export class FreshetError extends Error {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly details: ErrorDetails;

  constructor(
    code: string,
    kind: ErrorKind,
    message: string,
    options: { readonly cause?: unknown; readonly details?: ErrorDetails } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'FreshetError';
    this.code = code;
    this.kind = kind;
    this.details = options.details ?? {};
  }
}

/** Unknown errors are `fatal`: carrying on after something nobody thought of is how indexes rot. */
export function kindOf(error: unknown): ErrorKind {
  if (error instanceof FreshetError) return error.kind;
  if (error instanceof Error && error.name === 'AbortError') return 'aborted';
  return 'fatal';
}

export function codeOf(error: unknown): string {
  if (error instanceof FreshetError) return error.code;
  return kindOf(error) === 'aborted' ? 'ABORTED' : 'UNEXPECTED';
}

/** The error itself, or what stands for one that nobody thought of: its own message may hold anything. */
export function freshetErrorOf(error: unknown): FreshetError {
  if (error instanceof FreshetError) return error;
  const message = 'An error that nobody thought of; the log has it.';
  return new FreshetError(codeOf(error), kindOf(error), message, { cause: error });
}

export function abortedError(signal?: AbortSignal): FreshetError {
  return new FreshetError('ABORTED', 'aborted', 'The operation was cancelled.', { cause: signal?.reason });
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortedError(signal);
}
