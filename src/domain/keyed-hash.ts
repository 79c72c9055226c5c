import { createHash, hash } from 'node:crypto';

const BLOCK_BYTES = 64;

/**
 * HMAC-SHA-256 of a text, hex (RFC 2104). In two one-shot hashes: an Hmac object for each of many short texts costs the garbage collector
 * more than the hashing does.
 */
export function createKeyedHash(key: Uint8Array): (text: string) => string {
  const short = key.length > BLOCK_BYTES ? createHash('sha256').update(key).digest() : key;
  const inner = padded(short, 0x36);
  const outer = padded(short, 0x5c);
  return (text) => {
    const message = Buffer.allocUnsafe(BLOCK_BYTES + Buffer.byteLength(text));
    message.set(inner);
    message.write(text, BLOCK_BYTES);
    return hash('sha256', Buffer.concat([outer, hash('sha256', message, 'buffer')]), 'hex');
  };
}

function padded(key: Uint8Array, pad: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES, pad);
  for (const [at, byte] of key.entries()) block[at] = byte ^ pad;
  return block;
}
