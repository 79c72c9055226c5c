import { createHmac } from 'node:crypto';
import { FreshetError } from '../domain/errors.ts';

/** HMAC-SHA256 under a purpose, so that one key never gives the same tag for two uses. Hex, 64 digits. */
export function keyedHash(key: Uint8Array, purpose: string, value: string): string {
  return createHmac('sha256', key).update(`freshet:${purpose}:v1\0`).update(value, 'utf8').digest('hex');
}

/** Names a key without telling anything about it: safe in fingerprints and logs. 12 hex digits. */
export function keyId(key: Uint8Array): string {
  return keyedHash(key, 'key-id', '').slice(0, 12);
}

export const KEY_BYTES_MIN = 16;

/** @throws FreshetError `fatal` REDACTION_KEY_MISSING or REDACTION_KEY_TOO_SHORT. */
export function requireKey(key: Uint8Array | undefined, what: string): Uint8Array {
  if (key === undefined) {
    throw new FreshetError(
      'REDACTION_KEY_MISSING',
      'fatal',
      `${what} needs a redaction key, and none is configured. Set one of 32 random bytes.`,
    );
  }
  if (key.length < KEY_BYTES_MIN) {
    throw new FreshetError(
      'REDACTION_KEY_TOO_SHORT',
      'fatal',
      `The redaction key has ${key.length} bytes; at least ${KEY_BYTES_MIN} are needed, 32 random ones are best.`,
      { details: { bytes: key.length } },
    );
  }
  return key;
}
