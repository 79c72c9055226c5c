import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Document } from '../../src/domain/document.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import { DEFAULT_TENANT, rowDocumentId, rowKey, tableId } from '../../src/domain/ids.ts';
import type { Recogniser } from '../../src/redaction/recogniser.ts';
import { DEFAULT_RECOGNISERS } from '../../src/redaction/recognisers/index.ts';
import { createRedactor } from '../../src/redaction/redactor.ts';

const KEY = new Uint8Array(32).fill(7);

function document(overrides: { text?: string; attributes?: Partial<Document['attributes']> } = {}): Document {
  const table = tableId('app.public.articles');
  const key = rowKey([1]);
  return {
    id: rowDocumentId('app', table, key),
    table,
    key,
    attributes: { tenant: DEFAULT_TENANT, access: [], title: '', uri: '', metadata: {}, ...overrides.attributes },
    text: overrides.text ?? '',
    format: 'plain',
  };
}

const thrownBy = (work: () => unknown): FreshetError => {
  try {
    work();
  } catch (error) {
    if (error instanceof FreshetError) return error;
  }
  throw new Error('expected a FreshetError');
};

describe('the redactor', () => {
  const redactor = createRedactor({ key: KEY });

  it('redacts text, title, uri and metadata, and keeps identity, tenant, format and field names', () => {
    const redacted = redactor.redact(
      document({
        text: 'call ann@example.org',
        attributes: {
          title: 'ann@example.org',
          uri: 'mailto:ann%40example.org?cc=bob@example.org',
          metadata: {
            'ann@example.org': 'x',
            owner: 'ann@example.org',
            tags: ['a', '203.0.113.7'],
            card: 4111111111111111,
            size: 12,
            ok: true,
          },
        },
      }),
    );
    const original = document();
    expect(redacted).toEqual({
      ...original,
      text: 'call [EMAIL]',
      attributes: {
        tenant: DEFAULT_TENANT,
        access: [],
        title: '[EMAIL]',
        uri: 'mailto:[EMAIL]?cc=[EMAIL]',
        metadata: {
          'ann@example.org': 'x',
          owner: '[EMAIL]',
          tags: ['a', '[IP]'],
          card: '[CREDIT_CARD]',
          size: 12,
          ok: true,
        },
      },
    });
  });

  it('redacts a query by the same rules, so that a placeholder still finds its document', () => {
    expect(redactor.redactText('who is ann@example.org?')).toBe('who is [EMAIL]?');
  });

  it('replaces principals that name people by keyed ids that a search can compute too, and leaves the others', () => {
    const { access } = redactor.redact(
      document({ attributes: { access: ['group:support', 'ann@example.org', 'user:ann@example.org'] } }),
    ).attributes;
    expect(access).toEqual([
      'group:support',
      redactor.principalId('ann@example.org'),
      redactor.principalId('user:ann@example.org'),
    ]);
    expect(access[1]).toMatch(/^principal:[a-p]{32}$/);
    expect(new Set(access).size).toBe(3);
    expect(redactor.principalId(access[1] as string)).toBe(access[1]);
    expect(createRedactor({ key: KEY.map((byte) => byte + 1) }).principalId('ann@example.org')).not.toBe(access[1]);
  });

  it('refuses to hash a principal without a key instead of storing it', () => {
    const error = thrownBy(() => createRedactor().redact(document({ attributes: { access: ['ann@example.org'] } })));
    expect([error.code, error.kind]).toEqual(['REDACTION_KEY_MISSING', 'fatal']);
    expect(error.message).not.toContain('ann@');
  });

  it('refuses a key that is too short to protect anything', () => {
    expect(thrownBy(() => createRedactor({ key: new Uint8Array(8) })).code).toBe('REDACTION_KEY_TOO_SHORT');
  });

  it('has a fingerprint that changes with rules, their versions and the key, and never holds the key', () => {
    const bumped = DEFAULT_RECOGNISERS.map((rule, index) =>
      index === 0 ? { ...rule, version: rule.version + 1 } : rule,
    );
    const prints = [
      redactor.fingerprint,
      createRedactor().fingerprint,
      createRedactor({ key: KEY.map((byte) => byte + 1) }).fingerprint,
      createRedactor({ key: KEY, recognisers: bumped }).fingerprint,
      createRedactor({ key: KEY, recognisers: DEFAULT_RECOGNISERS.slice(1) }).fingerprint,
    ];
    expect(new Set(prints).size).toBe(prints.length);
    expect(createRedactor({ key: KEY }).fingerprint).toBe(redactor.fingerprint);
    expect(redactor.fingerprint).not.toContain(Buffer.from(KEY).toString('hex').slice(0, 16));
  });

  it('takes recognisers of the caller in addition', () => {
    const ticket: Recogniser = {
      label: 'TICKET',
      version: 1,
      find(text, report) {
        for (const match of text.matchAll(/TICKET-\d+/g)) report(match.index, match.index + match[0].length);
      },
    };
    const custom = createRedactor({ recognisers: [...DEFAULT_RECOGNISERS, ticket] });
    expect(custom.redactText('TICKET-12 of ann@example.org')).toBe('[TICKET] of [EMAIL]');
    expect(thrownBy(() => createRedactor({ recognisers: [ticket, ticket] })).code).toBe('REDACTION_RECOGNISER_INVALID');
  });

  it('hides the union of overlapping matches under the label of the longest', () => {
    const fixed = (label: string, start: number, end: number): Recogniser => ({
      label,
      version: 1,
      find: (text, report) => (text.startsWith('0123456789') ? report(start, end) : undefined),
    });
    const overlapping = createRedactor({
      recognisers: [fixed('A', 0, 4), fixed('B', 2, 9), fixed('C', 2, 9), fixed('D', 9, 10)],
    });
    expect(overlapping.redactText('0123456789 end')).toBe('[B][D] end');
  });

  const throwing: Recogniser = {
    label: 'BAD',
    version: 1,
    find: (text) => {
      throw new Error(`cannot read ${text}`);
    },
  };
  const outOfRange: Recogniser = { label: 'BAD', version: 1, find: (_text, report) => report(0, 1_000_000) };
  const restless: Recogniser = {
    label: 'BAD',
    version: 1,
    find: (text, report) => (text === '' ? undefined : report(0, text.length)),
  };

  it.each([
    ['throws', throwing, 'Error'],
    ['reports a span outside of the text', outOfRange, 'INVALID_SPAN'],
    ['finds something in its own placeholder', restless, 'UNSTABLE'],
  ])('fails as poison and without the text when a recogniser %s', (_what, recogniser, reason) => {
    const error = thrownBy(() =>
      createRedactor({ recognisers: [recogniser] }).redact(document({ text: 'a very secret text' })),
    );
    expect([error.code, error.kind, error.details['reason']]).toEqual(['REDACTION_FAILED', 'poison', reason]);
    expect(JSON.stringify([error.message, error.details, error.cause, error.stack])).not.toContain('secret');
  });

  it('keeps lone surrogates and finds what stands between them', () => {
    expect(redactor.redactText('\ud800ann@example.org\udc00 \udbff')).toBe('\ud800[EMAIL]\udc00 \udbff');
  });

  it('redacts 10 MB of text whole', () => {
    const line = 'Plain words, a number 1634072137670, ann@example.org and 203.0.113.7 wrote it.\n';
    const count = Math.ceil(10_000_000 / line.length);
    const redacted = redactor.redactText(line.repeat(count));
    expect(redacted).toBe('Plain words, a number 1634072137670, [EMAIL] and [IP] wrote it.\n'.repeat(count));
  });
});

const digits = (length: number): fc.Arbitrary<string> =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: length, maxLength: length }).map((list) => list.join(''));

function luhnDigit(body: string): string {
  for (let digit = 0; digit < 10; digit++) {
    const sum = [...`${body}${digit}`].reverse().reduce((total, char, index) => {
      const value = Number(char) * (index % 2 === 1 ? 2 : 1);
      return total + (value > 9 ? value - 9 : value);
    }, 0);
    if (sum % 10 === 0) return String(digit);
  }
  throw new Error('unreachable');
}

const card = digits(14).map((body) => `4${body}${luhnDigit(`4${body}`)}`);
const germanIban = digits(18).map((body) => {
  const check = 98n - (BigInt(`${body}131400`) % 97n);
  return `DE${String(check).padStart(2, '0')}${body}`;
});
const address = fc
  .tuple(
    fc.stringMatching(/^[a-z][a-z0-9._+-]{0,20}[a-z0-9]$/),
    fc.stringMatching(/^[a-z0-9]{1,12}\.(?:org|com|example)$/),
  )
  .filter(([local]) => !local.includes('..'))
  .map(([local, domain]) => `${local}@${domain}`);
const network = fc
  .tuple(fc.integer({ min: 1, max: 126 }), fc.nat(255), fc.nat(255), fc.nat(255))
  .map((parts) => parts.join('.'));
const security = fc
  .tuple(fc.integer({ min: 100, max: 665 }), fc.integer({ min: 10, max: 99 }), fc.integer({ min: 1000, max: 9999 }))
  .map((parts) => parts.join('-'));
const personal = fc.oneof(card, germanIban, address, network, security);

/** Text that is likely to break something: pieces of personal data, escapes, placeholders, broken surrogates. */
const debris = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom(
    '@',
    '.',
    '-',
    ' ',
    '[',
    ']',
    '4111',
    '1111 1111',
    '::',
    'eyJ',
    '&#64;',
    '\\@',
    '%40',
    '\u200b',
    '１',
    '[EMAIL]',
    'DE89 ',
    '\ud800',
  ),
  fc.constantFrom(
    'a@b.co',
    '317-60-6020',
    '4111-1111-1111-1111',
    '203.0.113.7',
    'sk-proj-',
    '-----BEGIN PRIVATE KEY-----',
  ),
);
const rubble = fc.array(fc.oneof(debris, personal), { maxLength: 30 }).map((parts) => parts.join(''));

describe('redaction as a function', () => {
  const redactor = createRedactor({ key: KEY });

  it('changes nothing in its own output', () => {
    fc.assert(
      fc.property(rubble, (text) => {
        const once = redactor.redactText(text);
        expect(redactor.redactText(once)).toBe(once);
      }),
      { numRuns: 1500 },
    );
  });

  it('lets no planted value survive between words', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.lorem({ maxCount: 3 }), personal), { minLength: 1, maxLength: 8 }),
        (planted) => {
          const redacted = redactor.redactText(planted.map(([words, value]) => `${words} ${value}`).join(', '));
          for (const [, value] of planted) expect(redacted).not.toContain(value);
        },
      ),
      { numRuns: 500 },
    );
  });
});
