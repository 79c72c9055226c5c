import { createHash, timingSafeEqual } from 'node:crypto';
import { DEFAULT_TENANT, tenantId, type TenantId } from '../domain/ids.ts';
import type { ApiKey, AuthOptions, Scope } from './options.ts';
import { problem } from './problems.ts';

/** Who asks. Made once per request from its credential, never from its body. */
export interface Caller {
  readonly name: string;
  readonly tenant: TenantId;
  readonly scopes: ReadonlySet<Scope>;
  /** Undefined: a trusted backend (or the owner of the machine). */
  readonly principals: readonly string[] | undefined;
  /** Whether a request may name another tenant than its own. */
  readonly mayChooseTenant: boolean;
}

const EVERYTHING: ReadonlySet<Scope> = new Set<Scope>(['read', 'write', 'admin']);

/** What a route asks for. */
export type Requirement = Scope | 'public';

export interface Authenticator {
  /** The caller, or undefined when the credential is missing or unknown. */
  identify(credential: string | undefined): Caller | undefined;
  /** Whether requests without a credential are let in (loopback without keys). */
  readonly open: boolean;
}

/**
 * Keys are compared by their SHA-256, all of them and in constant time: how long a refusal takes says nothing about how much of a key was
 * right, or which one.
 */
export function createAuthenticator(auth: AuthOptions): Authenticator {
  const open = auth.keys.length === 0;
  const entries = auth.keys.map((key) => ({ hash: sha256(key.secret), caller: callerOf(key) }));
  if (auth.adminToken !== undefined) {
    entries.push({ hash: sha256(auth.adminToken), caller: owner('admin-token', auth.defaultTenant) });
  }
  const local = owner('local', auth.defaultTenant);
  return {
    open,
    identify(credential) {
      if (credential === undefined) return open ? local : undefined;
      const hash = sha256(credential);
      let found: Caller | undefined;
      for (const entry of entries) if (timingSafeEqual(entry.hash, hash)) found = entry.caller;
      return found;
    },
  };
}

function callerOf(key: ApiKey): Caller {
  const admin = key.scopes.includes('admin');
  return {
    name: key.name,
    tenant: key.tenant,
    scopes: admin ? EVERYTHING : new Set(key.scopes),
    principals: key.principals,
    mayChooseTenant: admin,
  };
}

const owner = (name: string, tenant: TenantId = DEFAULT_TENANT): Caller => ({
  name,
  tenant,
  scopes: EVERYTHING,
  principals: undefined,
  mayChooseTenant: true,
});

const sha256 = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest();

/** `authorization: Bearer …` (RFC 6750) or `x-api-key`. */
export function credentialOf(headers: {
  readonly authorization?: string | undefined;
  readonly 'x-api-key'?: string | string[] | undefined;
}): string | undefined {
  const bearer = /^bearer +(\S+)$/iu.exec(headers.authorization?.trim() ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  const key = headers['x-api-key'];
  // An authorization header of another scheme is a credential too, only never a right one.
  return typeof key === 'string' && key !== '' ? key : headers.authorization;
}

/** Throws what a caller without the right gets. */
export function authorise(caller: Caller | undefined, requirement: Requirement): Caller | undefined {
  if (requirement === 'public') return caller;
  if (caller === undefined) {
    throw problem('UNAUTHENTICATED', 'Send a valid key as "authorization: Bearer …" or "x-api-key: …".');
  }
  if (!caller.scopes.has(requirement)) {
    throw problem('FORBIDDEN', `This needs a key with the scope "${requirement}".`, { scope: requirement });
  }
  return caller;
}

/** The tenant a request is about: its key's, unless the key may name another. */
export function tenantOf(caller: Caller, named: string | undefined): TenantId {
  if (named === undefined || named === caller.tenant) return caller.tenant;
  if (caller.mayChooseTenant) return tenantId(named);
  throw problem('TENANT_FORBIDDEN', 'This key reads and writes its own tenant only. Leave "tenant" out.');
}

/** The principals a read is for: those of the key, narrowed (never widened) by those of the request. */
export function principalsOf(caller: Caller, named: readonly string[] | undefined): readonly string[] | undefined {
  if (caller.principals === undefined) return named;
  if (named === undefined) return caller.principals;
  const own = new Set(caller.principals);
  if (named.every((principal) => own.has(principal))) return named;
  throw problem(
    'FORBIDDEN',
    'This key may not read for one of the principals named. Leave "principals" out to use its own.',
  );
}

/** An empty access list is open to everyone of the tenant. */
export function mayRead(access: readonly string[], principals: readonly string[] | undefined): boolean {
  return principals === undefined || access.length === 0 || access.some((principal) => principals.includes(principal));
}
