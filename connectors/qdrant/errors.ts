import { FreshetError, type ErrorDetails } from '../../src/domain/errors.ts';

/** What an answer or its absence means, before it is put into words. Never holds what the server or the library said: both quote payloads. */
export type Failure =
  | { readonly what: 'status'; readonly status: number }
  | { readonly what: 'timeout'; readonly ms: number }
  /** A code of the operating system or of undici: ECONNREFUSED, UND_ERR_SOCKET … */
  | { readonly what: 'network'; readonly code: string }
  | { readonly what: 'unreadable' }
  | { readonly what: 'unknown'; readonly name: string };

const CODE = /^[A-Z][A-Z0-9_]{2,60}$/;

/** Sorts what a call of the library threw by its shape alone: a status, a failed `fetch`, an unparsable body. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { what: 'unknown', name: typeof error };
  if ('status' in error && typeof error.status === 'number') return { what: 'status', status: error.status };
  if (error.name === 'QdrantClientResourceExhaustedError') return { what: 'status', status: 429 };
  const unexpected =
    error.name === 'QdrantClientUnexpectedResponseError' ? /Response: (\d{3})/.exec(error.message) : null;
  if (unexpected !== null) return { what: 'status', status: Number(unexpected[1]) };
  if (error instanceof SyntaxError) return { what: 'unreadable' };
  if (error instanceof TypeError) {
    const code = networkCode(error.cause);
    if (code !== undefined) return { what: 'network', code };
    // `fetch` says no more about a body that broke off, nor about most protocol errors.
    if (/^(fetch failed|terminated)$/.test(error.message)) return { what: 'network', code: 'FETCH_FAILED' };
  }
  return { what: 'unknown', name: error.name };
}

function networkCode(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined;
  if ('code' in cause && typeof cause.code === 'string' && CODE.test(cause.code)) return cause.code;
  return cause instanceof AggregateError ? networkCode(cause.errors[0]) : undefined;
}

export interface Operation {
  /** As the API names it: `batchUpdate`, `queryPoints` … */
  readonly name: string;
  readonly collection?: string;
}

/** The one place that says what a failed request means for the runtime. */
export function toFreshetError(failure: Failure, operation: Operation): FreshetError {
  const where = `${operation.name}${operation.collection === undefined ? '' : ` on the collection "${operation.collection}"`}`;
  const details: ErrorDetails = { operation: operation.name, collection: operation.collection };
  const transient = (code: string, message: string, more: ErrorDetails = {}): FreshetError =>
    new FreshetError(code, 'transient', message, { details: { ...details, ...more } });
  switch (failure.what) {
    case 'timeout':
      return transient('INDEX_TIMEOUT', `Qdrant did not answer ${where} within ${failure.ms} ms.`, { ms: failure.ms });
    case 'network':
      return transient(
        'INDEX_UNREACHABLE',
        `Qdrant could not be reached for ${where} (${failure.code}). Check "index.url" and that the server runs.`,
        { network: failure.code },
      );
    case 'unreadable':
      return transient(
        'INDEX_ANSWER_UNREADABLE',
        `The answer to ${where} was not JSON: something between here and Qdrant answers in its place, or broke off.`,
      );
    case 'status':
      return byStatus(failure.status, where, details);
    case 'unknown':
      return new FreshetError(
        'INDEX_UNEXPECTED',
        'fatal',
        `${where} failed in a way nobody thought of (${failure.name}).`,
        {
          details: { ...details, name: failure.name },
        },
      );
  }
}

function byStatus(status: number, where: string, more: ErrorDetails): FreshetError {
  const details = { ...more, status };
  if (status === 401 || status === 403) {
    return new FreshetError(
      'INDEX_UNAUTHORIZED',
      'fatal',
      `Qdrant refused ${where} (status ${status}). Give a key with write access as "index.apiKey".`,
      { details },
    );
  }
  if (status === 404) {
    return new FreshetError(
      'INDEX_COLLECTION_MISSING',
      'fatal',
      `Qdrant does not know what ${where} asks for (status 404): the collection was removed while in use, or "index.url" leads elsewhere. Start Freshet again to make it anew.`,
      { details },
    );
  }
  if (status === 408 || status === 425 || status === 429 || status >= 500 || status < 400) {
    const code = status === 429 ? 'INDEX_OVERLOADED' : 'INDEX_UNAVAILABLE';
    return new FreshetError(code, 'transient', `Qdrant could not do ${where} now (status ${status}).`, { details });
  }
  return new FreshetError(
    'INDEX_REJECTED',
    'poison',
    `Qdrant rejected ${where} (status ${status}): a point or a filter is not what the collection takes. The server's log says which.`,
    { details },
  );
}
