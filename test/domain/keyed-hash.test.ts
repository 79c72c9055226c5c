import { createHmac, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createKeyedHash } from '../../src/domain/keyed-hash.ts';

describe('the keyed hash', () => {
  it('is HMAC-SHA-256, as of RFC 4231', () => {
    expect(createKeyedHash(Buffer.alloc(20, 0x0b))('Hi There')).toBe(
      'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    );
    expect(createKeyedHash(Buffer.from('Jefe'))('what do ya want for nothing?')).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    );
    expect(createKeyedHash(Buffer.alloc(131, 0xaa))('Test Using Larger Than Block-Size Key - Hash Key First')).toBe(
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    );
  });

  it('is the same as that of node:crypto for keys and texts of every length', () => {
    for (let length = 0; length < 200; length += 7) {
      const key = randomBytes(length);
      const text = randomBytes(length * 3).toString('utf8');
      expect(createKeyedHash(key)(text)).toBe(createHmac('sha256', key).update(text).digest('hex'));
    }
  });
});
