/**
 * JSON with object keys in code-unit order, so that equal values give equal text: for hashes and fingerprints.
 * bigint as `"123n"`, bytes as `"base64:…"`, symbols by their description; undefined members are left out.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner === 'bigint') return `${inner}n`;
    if (typeof inner === 'symbol') return `symbol:${inner.description ?? ''}`;
    if (inner instanceof Uint8Array) return `base64:${Buffer.from(inner).toString('base64')}`;
    if (inner !== null && typeof inner === 'object' && !Array.isArray(inner)) {
      return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
    }
    return inner;
  });
}
