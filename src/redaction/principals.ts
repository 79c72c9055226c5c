import { keyedHash, requireKey } from './key.ts';
import type { Recogniser } from './recogniser.ts';
import { findPersonalData } from './scan.ts';

/** Letters only, so that no recogniser for numbers ever finds something in an id. */
const letters = (hex: string): string => hex.replace(/[0-9]/g, (digit) => 'ghijklmnop'[Number(digit)] as string);

/**
 * A principal as the index stores and compares it. Access lists cannot take placeholders: `[EMAIL]` would let every address in. So a
 * principal that holds personal data (`ann@example.org`, `user:ann@example.org`) becomes a keyed hash of all of it, `principal:…` with 32
 * letters, and any other (`group:support`) stays as it is. The redactor does this to documents; a search must do it to the caller's
 * principals with the same key. Principals are compared exactly: fold their case before, if your identity provider does not.
 * @throws FreshetError `fatal` REDACTION_KEY_MISSING when a principal must be hashed and there is no key.
 */
export function principalId(
  principal: string,
  key: Uint8Array | undefined,
  recognisers: readonly Recogniser[],
): string {
  if (findPersonalData(principal, recognisers).length === 0) return principal;
  return `principal:${letters(keyedHash(requireKey(key, 'An access list that names people'), 'principal', principal)).slice(0, 32)}`;
}
