import { describe, expect, it } from 'vitest';
import { postgresError } from '../../../connectors/postgres/errors.ts';

const failure = (code: string | undefined, message: string): Error =>
  Object.assign(new Error(message), code === undefined ? {} : { code });

describe('an error of the server as one of ours', () => {
  it.each([
    ['ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:5432'],
    ['57P01', 'terminating connection due to administrator command'],
    ['23505', 'duplicate key value violates unique constraint'],
  ])('(%s) is a sentence that another may follow', (code, message) => {
    expect(postgresError(failure(code, message), 'connecting').message).toMatch(/[^.]\.$/);
  });

  it('keeps what may quote a row to itself', () => {
    const { message } = postgresError(failure('22P02', 'invalid input syntax for type integer: "private"'), 'reading');
    expect(message).toContain('22P02');
    expect(message).not.toContain('private');
  });

  it.each([
    ['28P01', 'password authentication failed for user "app"', 'POSTGRES_LOGIN_FAILED', 'password'],
    ['28000', 'no pg_hba.conf entry for host "10.0.0.1", user "app"', 'POSTGRES_LOGIN_FAILED', 'pg_hba.conf'],
    [
      undefined,
      'SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string',
      'POSTGRES_LOGIN_FAILED',
      'has none',
    ],
    ['3D000', 'database "elsewhere" does not exist', 'POSTGRES_NO_DATABASE', 'elsewhere'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'self-signed certificate in certificate chain', 'POSTGRES_TLS', 'sslmode'],
    [undefined, 'The server does not support SSL connections', 'POSTGRES_TLS', 'sslmode'],
  ])('(%s %s) of a connection names the source and the setting to mend', (state, said, code, mend) => {
    const error = postgresError(failure(state, said), 'connecting', 'shop');
    expect(error).toMatchObject({ code, kind: 'fatal' });
    expect(error.message).toContain('Source "shop"');
    expect(error.message).toContain('sources.shop.connection');
    expect(error.message).toContain(mend);
  });

  it('of a connection that may come about later is not among them', () => {
    expect(postgresError(failure('53300', 'sorry, too many clients already'), 'connecting', 'shop').kind).toBe(
      'transient',
    );
    expect(postgresError(failure('ENOTFOUND', 'getaddrinfo ENOTFOUND db'), 'connecting', 'shop').kind).toBe(
      'transient',
    );
  });
});
