import { v5 } from 'uuid';
import { describe, expect, it } from 'vitest';
import { createUuidV5 } from '../../src/domain/uuid-v5.ts';

const DNS = '6ba7b810-9dad-11d1-80b4-00c04fd430c8';

describe('UUIDs of version 5', () => {
  it('are those of RFC 9562, appendix A.4', () => {
    expect(createUuidV5(DNS)(Buffer.from('www.example.com'))).toBe('2ed6657d-e927-568b-95e1-2665a8aea6a2');
  });

  it('are the same as those of the uuid package', () => {
    const make = createUuidV5(DNS);
    for (let n = 0; n < 300; n += 1) {
      const name = Buffer.from('é'.repeat(n) + n);
      expect(make(name)).toBe(v5(name, DNS));
    }
  });
});
