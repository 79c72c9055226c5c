import { hash } from 'node:crypto';

const NAMESPACE_BYTES = 16;

/**
 * A maker of UUIDs of version 5 (RFC 9562 §5.5) in one namespace: SHA-1 of namespace and name, cut to 16 bytes. Every change of a row
 * needs some; a Hash object for each costs more than the hashing.
 */
export function createUuidV5(namespace: string): (name: Uint8Array) => string {
  const prefix = Buffer.from(namespace.replaceAll('-', ''), 'hex');
  return (name) => {
    const input = Buffer.allocUnsafe(NAMESPACE_BYTES + name.length);
    input.set(prefix);
    input.set(name, NAMESPACE_BYTES);
    const digest = hash('sha1', input, 'buffer');
    digest[6] = ((digest[6] as number) & 0x0f) | 0x50;
    digest[8] = ((digest[8] as number) & 0x3f) | 0x80;
    const hex = digest.toString('hex', 0, 16);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  };
}
