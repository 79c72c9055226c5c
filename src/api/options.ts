import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { FreshetError } from '../domain/errors.ts';
import type { TenantId } from '../domain/ids.ts';
import type { Services } from '../services/services.ts';
import type { DemoPort } from './demo-port.ts';
import { isLoopback } from './loopback.ts';

/** What a key may do. `admin` includes everything and may name another tenant. */
export type Scope = 'read' | 'write' | 'admin';

export interface ApiKey {
  /** Names the key in logs and rate limits; never the secret. */
  readonly name: string;
  readonly secret: string;
  readonly tenant: TenantId;
  readonly scopes: readonly Scope[];
  /**
   * The only principals this key may read for. Absent: the key is a trusted backend's, which sees every document of its tenant or passes
   * the principals of its own users with each search.
   */
  readonly principals?: readonly string[];
}

export interface AuthOptions {
  /** The address the server will be bound to. Anything but loopback needs at least one key. */
  readonly host: string;
  readonly keys: readonly ApiKey[];
  /** Of requests without a key (loopback only), and of the admin token. */
  readonly defaultTenant: TenantId;
  /** The secret the CLI reads from the data folder; may do everything. */
  readonly adminToken?: string;
  /** Host names answered on loopback besides `localhost`, `127.0.0.1` and `[::1]`. */
  readonly allowedHosts?: readonly string[];
  /** A principal as documents carry it, where people in access lists are stored as keyed hashes. Absent: as it is. */
  readonly principalId?: (principal: string) => string;
}

/** Everything is bounded (invariant 7). */
export interface ApiLimits {
  readonly bodyBytes: number;
  /** Per key, or per address without one. 0 switches the limit off. */
  readonly requestsPerMinute: number;
  readonly resultsMax: number;
  readonly queryCharsMax: number;
  readonly batchDocumentsMax: number;
  /** The longest a read waits for its consistency token. */
  readonly waitMsMax: number;
  readonly waitMsDefault: number;
  readonly streamsMax: number;
  /** A reader of the change stream further behind than this is dropped. */
  readonly streamBufferBytes: number;
  readonly heartbeatMs: number;
  /** How long requests may still run once the server closes. */
  readonly closeGraceMs: number;
}

export const DEFAULT_LIMITS: ApiLimits = {
  bodyBytes: 16_000_000,
  requestsPerMinute: 6000,
  resultsMax: 100,
  queryCharsMax: 8192,
  batchDocumentsMax: 1000,
  waitMsMax: 30_000,
  waitMsDefault: 2000,
  streamsMax: 100,
  streamBufferBytes: 1024 * 1024,
  heartbeatMs: 15_000,
  closeGraceMs: 5000,
};

export interface ServerOptions {
  readonly services: Services;
  readonly auth: AuthOptions;
  readonly limits?: Partial<ApiLimits>;
  /** Read and change articles of the demo's database; only with it the page has an editor. */
  readonly demo?: DemoPort;
  readonly metrics: Registry;
  readonly logger: Logger;
  /** Of the product, for the OpenAPI document. */
  readonly version: string;
  /** The folder with the page's files; absent serves no page. */
  readonly webRoot?: string;
}

/** Refuses to build a server that would answer strangers. */
export function checkAuth(auth: AuthOptions): void {
  if (!isLoopback(auth.host) && auth.keys.length === 0) {
    throw new FreshetError(
      'API_KEY_REQUIRED',
      'fatal',
      `The API would be bound to ${auth.host}, which other machines can reach, but no API key is configured. Add one, or bind it to 127.0.0.1.`,
      { details: { host: auth.host } },
    );
  }
  const names = new Set<string>();
  for (const { name, secret } of auth.keys) {
    if (secret.length < MIN_SECRET_CHARS) {
      throw new FreshetError(
        'API_KEY_TOO_SHORT',
        'fatal',
        `API key "${name}" is shorter than ${MIN_SECRET_CHARS} characters. Make one with: openssl rand -hex 32`,
        { details: { name } },
      );
    }
    if (names.has(name)) {
      throw new FreshetError(
        'API_KEY_DUPLICATE',
        'fatal',
        `Two API keys are named "${name}". Give each its own name.`,
        {
          details: { name },
        },
      );
    }
    names.add(name);
  }
}

const MIN_SECRET_CHARS = 16;
