import { BlockList, isIP } from 'node:net';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether only this machine can reach a listener on that address. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/u, '$1');
  if (bare === 'localhost') return true;
  const family = isIP(bare);
  return family !== 0 && LOOPBACK.check(bare, family === 4 ? 'ipv4' : 'ipv6');
}

export interface RequestOrigin {
  readonly method: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
}

/**
 * Without keys the browser is the only guard, so it must be asked who is talking:
 * - Host: a page of evil.example whose name was re-pointed at 127.0.0.1 (DNS rebinding) still sends its own name.
 * - Origin, and Sec-Fetch-Site for what changes something: another site's page or form (CSRF).
 */
export function judgeOrigin(request: RequestOrigin, allowedHosts: readonly string[]): 'ok' | 'host' | 'origin' {
  const host = request.host?.toLowerCase();
  if (host === undefined || !isAllowedHost(host, allowedHosts)) return 'host';
  if (request.origin !== undefined && hostOf(request.origin) !== host) return 'origin';
  const reads = request.method === 'GET' || request.method === 'HEAD';
  const site = request.fetchSite;
  if (!reads && site !== undefined && site !== 'same-origin' && site !== 'none') return 'origin';
  return 'ok';
}

function isAllowedHost(host: string, allowed: readonly string[]): boolean {
  const name = host.replace(/:\d{1,5}$/u, '');
  return isLoopback(name) || allowed.some((candidate) => candidate.toLowerCase() === name);
}

/** `null` (sandboxed frames, files) and text that is no URL have no host and match nothing. */
function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}
