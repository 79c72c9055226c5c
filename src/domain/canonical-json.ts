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
      return isInOrder(Object.keys(inner)) ? inner : inOrder(inner);
    }
    return inner;
  });
}

function isInOrder(keys: readonly string[]): boolean {
  for (let at = 1; at < keys.length; at += 1) if ((keys[at - 1] as string) > (keys[at] as string)) return false;
  return true;
}

function inOrder(value: object): unknown {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
