import { describe, expect, it } from 'vitest';
import { UNCHANGED, type Row } from '../../src/domain/change.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import { applyColumnPolicy } from '../../src/redaction/column-policy.ts';

const KEY = new Uint8Array(32).fill(1);

describe('the column policy', () => {
  it('drops, hashes and masks, and leaves the rest as it came', () => {
    const row: Row = {
      id: 7,
      name: 'Ann Müller-2',
      phone: '+1 (312) 418',
      secret: 'x',
      body: 'ann@example.org',
      gone: UNCHANGED,
      none: null,
    };
    const result = applyColumnPolicy(
      row,
      { name: 'hash', phone: 'mask', secret: 'drop', body: 'scan', gone: 'hash', none: 'mask' },
      KEY,
    );
    expect(result).toEqual({
      id: 7,
      name: expect.stringMatching(/^\[HASH_[0-9a-f]{12}\]$/) as string,
      phone: '+* (***) ***',
      body: 'ann@example.org',
      gone: UNCHANGED,
      none: null,
    });
  });

  it('gives equal values equal hashes across columns and types, and different ones under another key', () => {
    const row = { a: '42', b: 42, c: 42n, d: '43' };
    const policy = { a: 'hash', b: 'hash', c: 'hash', d: 'hash' } as const;
    const { a, b, c, d } = applyColumnPolicy(row, policy, KEY);
    expect(new Set([a, b, c]).size).toBe(1);
    expect(d).not.toBe(a);
    expect(
      applyColumnPolicy(
        row,
        policy,
        KEY.map(() => 2),
      )['a'],
    ).not.toBe(a);
  });

  it('reaches into arrays and nested JSON and keeps their structure', () => {
    const row = {
      data: { name: 'Zoë', tags: ['a1', null], deep: [{ n: -12.5, ok: true }] },
      raw: new Uint8Array([1, 2]),
    };
    expect(applyColumnPolicy(row, { data: 'mask', raw: 'mask' }, undefined)).toEqual({
      data: { name: '***', tags: ['**', null], deep: [{ n: '-**.*', ok: '****' }] },
      raw: '*',
    });
    const hashed = applyColumnPolicy({ list: ['x', ['x']], raw: row.raw }, { list: 'hash', raw: 'hash' }, KEY);
    const hash = expect.stringMatching(/^\[HASH_[0-9a-f]{12}\]$/) as string;
    expect(hashed).toEqual({ list: [hash, [hash]], raw: hash });
  });

  it('leaves nothing readable of lone surrogates and combining marks', () => {
    expect(applyColumnPolicy({ a: 'e\u0301\ud800' }, { a: 'mask' }, undefined)).toEqual({ a: '***' });
  });

  it('does not take inherited names for policies, and keeps columns with odd names', () => {
    const row = JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>;
    const result = applyColumnPolicy(row, {}, undefined);
    expect(Object.entries(result)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
  });

  it('refuses to hash without a key', () => {
    expect(() => applyColumnPolicy({ a: 'x' }, { a: 'hash' }, undefined)).toThrow(FreshetError);
    expect(applyColumnPolicy({ a: 'x' }, { a: 'drop' }, undefined)).toEqual({});
  });
});
