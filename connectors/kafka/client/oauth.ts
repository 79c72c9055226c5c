import { FreshetError } from '../../../src/domain/errors.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { BearerToken, BearerTokenProvider } from './connection.ts';

/** OAuth 2 client credentials (RFC 6749 §4.4). */
export interface ClientCredentials {
  /** The authorization server's token endpoint, `https:` outside tests. */
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope?: string;
  readonly audience?: string;
  /** Sent to the broker with every token (RFC 7628). */
  readonly extensions?: Readonly<Record<string, string>>;
}

const REQUEST_MS = 10_000;
/** A token without `expires_in` is taken for this long; a short-lived one is renewed at four fifths of its life. */
const DEFAULT_LIFE_MS = 300_000;
const RENEW_AT = 0.8;

/** Asks once for all connections that need a token at the same time, and again before it expires. Errors hold no secret and no token. */
export function clientCredentialsToken(
  credentials: ClientCredentials,
  clock: Clock,
  fetchLike: typeof fetch = fetch,
): BearerTokenProvider {
  let current: { readonly token: BearerToken; readonly renewAt: number } | undefined;
  let asking: Promise<BearerToken> | undefined;

  const ask = async (): Promise<BearerToken> => {
    const askedAt = clock.monotonic();
    const { value, lifeMs } = await requestToken(credentials, fetchLike);
    const { extensions } = credentials;
    const token = { value, ...(extensions === undefined ? {} : { extensions }) };
    current = { token, renewAt: askedAt + lifeMs * RENEW_AT };
    return token;
  };

  return () => {
    if (current !== undefined && clock.monotonic() < current.renewAt) return Promise.resolve(current.token);
    asking ??= ask().finally(() => (asking = undefined));
    return asking;
  };
}

async function requestToken(
  credentials: ClientCredentials,
  fetchLike: typeof fetch,
): Promise<{ readonly value: string; readonly lifeMs: number }> {
  const { tokenUrl, clientId, clientSecret, scope, audience } = credentials;
  const body = new URLSearchParams({ grant_type: 'client_credentials' });
  if (scope !== undefined) body.set('scope', scope);
  if (audience !== undefined) body.set('audience', audience);
  let response: Response;
  let answer: unknown;
  try {
    response = await fetchLike(tokenUrl, {
      method: 'POST',
      headers: { authorization: basic(clientId, clientSecret), accept: 'application/json' },
      body,
      signal: AbortSignal.timeout(REQUEST_MS),
    });
    answer = await response.json().catch(() => undefined);
  } catch (cause) {
    throw failed('KAFKA_TOKEN_UNREACHABLE', 'transient', tokenUrl, 'does not answer', cause);
  }
  if (!response.ok) {
    const kind = response.status >= 500 || response.status === 429 ? 'transient' : 'fatal';
    throw failed('KAFKA_TOKEN_REFUSED', kind, tokenUrl, `answered ${response.status}`);
  }
  const { access_token: value, expires_in: seconds } = (answer ?? {}) as Record<string, unknown>;
  if (typeof value !== 'string' || value === '') {
    throw failed('KAFKA_TOKEN_REFUSED', 'fatal', tokenUrl, 'answered without an access_token');
  }
  const life = Number(seconds);
  return { value, lifeMs: Number.isFinite(life) && life > 0 ? life * 1_000 : DEFAULT_LIFE_MS };
}

/** RFC 6749 §2.3.1: id and secret are form-encoded before they are joined. */
function basic(id: string, secret: string): string {
  const encode = (text: string): string => encodeURIComponent(text).replaceAll('%20', '+');
  return `Basic ${Buffer.from(`${encode(id)}:${encode(secret)}`).toString('base64')}`;
}

function failed(
  code: string,
  kind: 'transient' | 'fatal',
  tokenUrl: string,
  what: string,
  cause?: unknown,
): FreshetError {
  const host = URL.canParse(tokenUrl) ? new URL(tokenUrl).host : 'the token endpoint';
  return new FreshetError(
    code,
    kind,
    `No access token for Kafka: ${host} ${what}. Check the token URL, the client id and its secret.`,
    cause === undefined ? {} : { cause },
  );
}
