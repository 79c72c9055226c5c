import { STATUS_CODES } from 'node:http';
import { codeOf, FreshetError, type ErrorDetails } from '../domain/errors.ts';

/** RFC 9457 problem details. `code` is the stable name to program against; `type` is relative to the API's own address. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** The request's id, as in the log and in the `x-request-id` header. */
  readonly instance?: string;
  readonly errors?: readonly FieldProblem[];
  readonly details?: ErrorDetails;
}

/** `pointer` is a JSON pointer (RFC 6901) into the part of the request named by `in`. */
export interface FieldProblem {
  readonly in: 'body' | 'query' | 'path' | 'headers';
  readonly pointer: string;
  readonly detail: string;
}

interface Row {
  readonly status: number;
  readonly title: string;
  /** Seconds a client should wait before it tries again. */
  readonly retryAfterSeconds?: number;
}

/** The one table: every code that the API itself answers with. Codes of services that are not listed fall back on their kind. */
export const PROBLEMS = {
  INVALID_REQUEST: { status: 400, title: 'The request is not valid' },
  INVALID_JSON: { status: 400, title: 'The body is not valid JSON' },
  BAD_TOKEN: { status: 400, title: 'The consistency token is not one of this instance' },
  BAD_POSITION: { status: 400, title: 'The position is not one of this source' },
  UNAUTHENTICATED: { status: 401, title: 'An API key is required' },
  FORBIDDEN: { status: 403, title: 'The API key does not allow this' },
  TENANT_FORBIDDEN: { status: 403, title: 'The API key belongs to another tenant' },
  ORIGIN_FORBIDDEN: { status: 403, title: 'Requests of other sites are refused' },
  NOT_FOUND: { status: 404, title: 'Not found' },
  SOURCE_UNKNOWN: { status: 404, title: 'No such source' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'The method is not supported here' },
  BODY_TOO_LARGE: { status: 413, title: 'The body is too large' },
  URI_TOO_LONG: { status: 414, title: 'The address is too long' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'The body must be JSON' },
  HOST_FORBIDDEN: { status: 421, title: 'This instance does not answer for that host name' },
  RATE_LIMITED: { status: 429, title: 'Too many requests' },
  TOO_MANY_STREAMS: { status: 429, title: 'Too many open streams', retryAfterSeconds: 10 },
  EMBEDDER_UNAVAILABLE: { status: 503, title: 'The embedding model is not available', retryAfterSeconds: 2 },
  SHUTTING_DOWN: { status: 503, title: 'The instance is shutting down', retryAfterSeconds: 2 },
  INTERNAL: { status: 500, title: 'Something went wrong on our side' },
} as const satisfies Record<string, Row>;

export type ProblemCode = keyof typeof PROBLEMS;

/** What to answer for a code the table does not list, by what the runtime would do next with the error. */
const BY_KIND: Record<FreshetError['kind'], Row> = {
  transient: { status: 503, title: 'Not available at the moment', retryAfterSeconds: 2 },
  stale: { status: 409, title: 'The state changed meanwhile' },
  poison: { status: 422, title: 'The request cannot be carried out' },
  fatal: { status: 500, title: PROBLEMS.INTERNAL.title },
  aborted: { status: 503, title: 'The request was cancelled', retryAfterSeconds: 2 },
};

/** Codes of Fastify and what they mean here. */
const OF_FASTIFY: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: [
    'BODY_TOO_LARGE',
    'The body is larger than this instance accepts. Send less in one request.',
  ],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['UNSUPPORTED_MEDIA_TYPE', 'Send JSON with "content-type: application/json".'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['INVALID_REQUEST', 'The body is not as long as its content-length says.'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['INVALID_JSON', 'The body is empty. Send a JSON value, or no content-type.'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['INVALID_JSON', 'The body is not valid JSON.'],
  FST_ERR_BAD_URL: ['INVALID_REQUEST', 'The path is not a valid URL: check its percent-encoding.'],
  FST_ERR_MAX_PARAM_LENGTH: ['URI_TOO_LONG', 'A part of the path is too long.'],
};

/** A request that failed its schema. The fields' messages are the schema's own: they never hold the value that was sent. */
export class InvalidRequestError extends FreshetError {
  readonly fields: readonly FieldProblem[];

  constructor(fields: readonly FieldProblem[]) {
    const first = fields[0];
    const where = first === undefined ? 'the request' : `${first.in}${first.pointer === '' ? '' : ` ${first.pointer}`}`;
    super('INVALID_REQUEST', 'poison', `Not valid: ${where}: ${first?.detail ?? 'unknown'}${more(fields.length)}`);
    this.name = 'InvalidRequestError';
    this.fields = fields;
  }
}

const more = (count: number): string => (count > 1 ? ` (and ${count - 1} more)` : '');

/** A problem as an error to throw in a handler. */
export function problem(code: ProblemCode, detail: string, details: ErrorDetails = {}): FreshetError {
  return new FreshetError(code, PROBLEMS[code].status >= 500 ? 'transient' : 'poison', detail, { details });
}

/** Turns whatever was thrown into what is answered. Errors nobody thought of say nothing about the inside. */
export function toProblem(
  error: unknown,
  requestId?: string,
): { problem: Problem; retryAfterSeconds: number | undefined } {
  const { code, row, detail, details, fields } = describe(error);
  return {
    problem: {
      type: `/problems/${code.toLowerCase().replaceAll('_', '-')}`,
      title: row.title,
      status: row.status,
      code,
      detail,
      ...(requestId === undefined ? {} : { instance: `urn:request:${requestId}` }),
      ...(fields === undefined ? {} : { errors: fields }),
      ...(details === undefined || Object.keys(details).length === 0 ? {} : { details }),
    },
    retryAfterSeconds: row.retryAfterSeconds,
  };
}

interface Description {
  readonly code: string;
  readonly row: Row;
  readonly detail: string;
  readonly details?: ErrorDetails;
  readonly fields?: readonly FieldProblem[];
}

function describe(error: unknown): Description {
  if (error instanceof InvalidRequestError) {
    return { code: error.code, row: PROBLEMS.INVALID_REQUEST, detail: error.message, fields: error.fields };
  }
  if (error instanceof FreshetError) {
    const row: Row = (PROBLEMS as Readonly<Record<string, Row>>)[error.code] ?? BY_KIND[error.kind];
    if (row.status !== 500) return { code: error.code, row, detail: error.message, details: error.details };
  }
  const known = OF_FASTIFY[frameworkCode(error)];
  if (known !== undefined) return { code: known[0], row: PROBLEMS[known[0]], detail: known[1] };
  if (codeOf(error) === 'ABORTED')
    return { code: 'ABORTED', row: BY_KIND.aborted, detail: 'The request was cancelled.' };
  const status = clientStatus(error);
  if (status !== undefined) {
    return {
      code: 'INVALID_REQUEST',
      row: { status, title: STATUS_CODES[status] ?? 'Bad request' },
      detail: 'The request could not be read.',
    };
  }
  return {
    code: 'INTERNAL',
    row: PROBLEMS.INTERNAL,
    detail: 'The log of the instance has the cause under this request id.',
  };
}

function frameworkCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function clientStatus(error: unknown): number | undefined {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined;
}
