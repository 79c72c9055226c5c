import { FreshetError, type ErrorKind } from '../../src/domain/errors.ts';

interface Coded {
  readonly code?: string;
  readonly message?: string;
}

/** SQLSTATE classes and codes after which the same thing, tried later, may succeed. */
const TRANSIENT_STATES = /^(08...|53...|57P0[1-5]|57014|55006|40001|40P01|25006|58...)$/;
const TRANSIENT_NODE = /^(ECONN\w+|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENETDOWN)$/;
const TRANSIENT_TEXT =
  /^(Connection terminated|timeout expired|Client has encountered a connection error|Client was closed|timeout exceeded when trying to connect|Cannot use a pool after)/;

/** Classes whose messages name objects and roles only. All others may quote values of rows and stay out of our message. */
const SPEAKABLE_STATES = /^(08|28|3D|42501|42704|42P01|53|55|57|58|0A)/;

function kindOf({ code = '', message = '' }: Coded): ErrorKind {
  return TRANSIENT_STATES.test(code) || TRANSIENT_NODE.test(code) || TRANSIENT_TEXT.test(message)
    ? 'transient'
    : 'fatal';
}

export function sqlState(error: unknown): string | undefined {
  const { code } = error as Coded;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** SQLSTATE of an error of ours that came from the server. */
export function stateOf(error: unknown): string | undefined {
  const state = error instanceof FreshetError ? error.details['sqlState'] : undefined;
  return typeof state === 'string' ? state : undefined;
}

/** The table, or a column of its key, is no longer there under the name we know. */
export const isDefinitionGone = (error: unknown): boolean => /^(42P01|42703)$/.test(stateOf(error) ?? '');

/**
 * An error of the driver as one of ours. PostgreSQL quotes values in many messages and details, so the original is not kept as cause:
 * causes are logged.
 */
export function postgresError(error: unknown, doing: string): FreshetError {
  if (error instanceof FreshetError) return error;
  const { code = '', message = '' } = error as Coded;
  const state = sqlState(error);
  const kind = kindOf({ code, message });
  const speakable =
    kind === 'transient' ||
    (state !== undefined && SPEAKABLE_STATES.test(state)) ||
    (state === undefined && code !== '');
  const what = speakable ? message.split('\n')[0] : "the server's message may quote row values and is left out";
  const name = state === undefined ? code || 'no code' : `SQLSTATE ${state}`;
  return new FreshetError(
    kind === 'transient' ? 'POSTGRES_UNAVAILABLE' : 'POSTGRES_FAILED',
    kind,
    `PostgreSQL: ${doing} failed (${name}): ${what}`,
    { details: { sqlState: state, nodeCode: state === undefined ? code : undefined } },
  );
}

export function setupError(code: string, message: string, details: Record<string, string | number> = {}): FreshetError {
  return new FreshetError(code, 'fatal', message, { details });
}

/** Thrown inside the source to make it connect and check everything again; with a reason, in a new epoch. */
export class Restart extends Error {
  readonly newEpoch: string | undefined;

  constructor(newEpoch?: string) {
    super(newEpoch ?? 'restart');
    this.newEpoch = newEpoch;
  }
}
