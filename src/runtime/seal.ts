import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { FreshetError } from '../domain/errors.ts';

const ALGORITHM = 'aes-256-gcm';
const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
export const SEAL_KEY_BYTES = 32;

/** How a store says that a key is not the one it was sealed with. */
export interface SealErrors {
  readonly code: string;
  /** What was sealed, and how to mend it. */
  readonly wrongKey: string;
}

/**
 * Seals short texts that may be personal data (row keys) for storage: AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce.
 * Bytes: format 1 | nonce 12 | tag 16 | ciphertext. `context` is authenticated with it, so a sealed value cannot be moved to another row.
 */
export class Seal {
  readonly #key: Uint8Array;
  readonly #errors: SealErrors;

  constructor(key: Uint8Array, errors: SealErrors) {
    if (key.length !== SEAL_KEY_BYTES) {
      throw new FreshetError(
        errors.code,
        'fatal',
        `The key that seals stored row keys must be ${SEAL_KEY_BYTES} bytes, not ${key.length}.`,
        { details: { found: key.length, expected: SEAL_KEY_BYTES } },
      );
    }
    this.#key = new Uint8Array(key);
    this.#errors = errors;
  }

  seal(text: string, context: string): Uint8Array {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce).setAAD(Buffer.from(context));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([Buffer.of(FORMAT), nonce, cipher.getAuthTag(), sealed]);
  }

  /** Throws `fatal` under the store's code when it was sealed under another key, or altered. */
  open(sealed: Uint8Array, context: string): string {
    const body = 1 + NONCE_BYTES + TAG_BYTES;
    try {
      const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
      const decipher = createDecipheriv(ALGORITHM, this.#key, nonce, { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(context))
        .setAuthTag(sealed.subarray(1 + NONCE_BYTES, body));
      return Buffer.concat([decipher.update(sealed.subarray(body)), decipher.final()]).toString('utf8');
    } catch (cause) {
      throw new FreshetError(this.#errors.code, 'fatal', this.#errors.wrongKey, { cause });
    }
  }
}
