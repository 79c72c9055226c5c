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
 * @param source of whose connection it is the error, if that is being opened
 */
export function postgresError(error: unknown, doing: string, source?: string): FreshetError {
  if (error instanceof FreshetError) return error;
  const { code = '', message = '' } = error as Coded;
  const state = sqlState(error);
  const refused = source === undefined ? undefined : connectionRefused(error, source);
  if (refused !== undefined) return refused;
  const kind = kindOf({ code, message });
  const speakable =
    kind === 'transient' ||
    (state !== undefined && SPEAKABLE_STATES.test(state)) ||
    (state === undefined && code !== '');
  const said = speakable ? message.split('\n')[0] : "the server's message may quote row values and is left out";
  const name = state === undefined ? code || 'no code' : `SQLSTATE ${state}`;
  return new FreshetError(
    kind === 'transient' ? 'POSTGRES_UNAVAILABLE' : 'POSTGRES_FAILED',
    kind,
    `PostgreSQL: ${doing} failed (${name}): ${sentence(said ?? '')}`,
    { details: { sqlState: state, nodeCode: state === undefined ? code : undefined } },
  );
}

/** Ends as a sentence does, so that another may follow it. */
const sentence = (text: string): string => (/[.!?…]$/.test(text.trim()) ? text.trim() : `${text.trim()}.`);

const TLS_NODE =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_\w+|ERR_TLS_\w+|ERR_SSL_\w+|EPROTO)$/;
const TLS_TEXT = /^The server does not support SSL connections|^There was an error establishing an SSL connection/;
/** What the driver says when the server asks for a password that the connection URL lacks. */
const NO_PASSWORD = /^SASL: .*password must be a (non-empty )?string|^SASL: .*password is missing/i;

/**
 * What stands in the way of a connection, with the way to mend it: SQLSTATE class 28 and 3D (errcodes-appendix of the PostgreSQL manual), the
 * right to connect, and TLS. These messages name roles, databases and hosts only. Undefined for everything else.
 */
function connectionRefused(error: unknown, source: string): FreshetError | undefined {
  const { code = '', message = '' } = error as Coded;
  const state = sqlState(error);
  const where = `sources.${source}.connection (of a Kafka source: lookup.connection)`;
  const said = sentence(message.split('\n')[0] ?? '');
  const refusal = (name: string, text: string): FreshetError =>
    new FreshetError(name, 'fatal', `Source "${source}": ${text}`, {
      details: { source, sqlState: state, nodeCode: state === undefined && code !== '' ? code : undefined },
    });
  if (NO_PASSWORD.test(message)) {
    return refusal(
      'POSTGRES_LOGIN_FAILED',
      `PostgreSQL asks for a password and the connection has none. Put it into ${where}, best as \${DATABASE_URL}.`,
    );
  }
  if (state === '28P01' || /^SASL:/.test(message)) {
    return refusal(
      'POSTGRES_LOGIN_FAILED',
      `PostgreSQL refuses the user or its password (SQLSTATE 28P01). Check both in ${where}; a password with special characters must be percent-encoded.`,
    );
  }
  if (state === '28000') {
    return refusal(
      'POSTGRES_LOGIN_FAILED',
      `PostgreSQL refuses the login (SQLSTATE 28000): ${said} Check the user in ${where}, and that pg_hba.conf lets it in from this machine.`,
    );
  }
  if (state === '3D000') {
    return refusal(
      'POSTGRES_NO_DATABASE',
      `PostgreSQL has no such database (SQLSTATE 3D000): ${said} Check the database's name at the end of ${where}.`,
    );
  }
  if (TLS_TEXT.test(message) || (state === undefined && TLS_NODE.test(code))) {
    return refusal(
      'POSTGRES_TLS',
      `no encrypted connection comes about (${code === '' ? 'no code' : code}): ${said} Check "sslmode" in ${where} and the server's certificate.`,
    );
  }
  return undefined;
}

export function setupError(code: string, message: string, details: Record<string, string | number> = {}): FreshetError {
  return new FreshetError(code, 'fatal', message, { details });
}

/** One about what a table is, not about the server. */
export const isTableError = (error: unknown): error is FreshetError =>
  error instanceof FreshetError && /^(TABLE|KEY)_/.test(error.code);

/** Thrown inside the source to make it connect and check everything again; with a reason, in a new epoch. */
export class Restart extends Error {
  readonly newEpoch: string | undefined;

  constructor(newEpoch?: string) {
    super(newEpoch ?? 'restart');
    this.newEpoch = newEpoch;
  }
}
