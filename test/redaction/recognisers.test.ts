import { describe, expect, it } from 'vitest';
import { redactString } from '../../src/redaction/scan.ts';
import { DEFAULT_RECOGNISERS } from '../../src/redaction/recognisers/index.ts';

const redact = (text: string): string => redactString(text, DEFAULT_RECOGNISERS);

/** Assembled, so that no scanner of this repository takes them for leaked keys. */
const key = (...parts: string[]): string => parts.join('');
const JWT = key(
  'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9',
  '.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4ifQ',
  '.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c',
);

const POSITIVES: Readonly<Record<string, readonly (readonly [input: string, output: string])[]>> = {
  'e-mail addresses': [
    ['write to ann@example.org.', 'write to [EMAIL].'],
    ['<ann+news@sub.example.co.uk>, ok', '<[EMAIL]>, ok'],
    ["o'brien@mail.example.com!", '[EMAIL]!'],
    ["name: 'ann@example.org'", "name: '[EMAIL]'"],
    ['**ann@example.org** and _bob@example.org_', '**[EMAIL]** and [EMAIL]_'],
    ['[mail](mailto:ann@example.org?subject=hi)', '[mail](mailto:[EMAIL]?subject=hi)'],
    ['jürgen@müller.de', '[EMAIL]'],
    ['用户@例え.jp', '[EMAIL]'],
    ['联系ann@example.org联系', '联系[EMAIL]联系'],
    ['ann@xn--mller-kva.de', '[EMAIL]'],
    ['"ann smith"@example.org', '[EMAIL]'],
    ['root@[192.0.2.1]', '[EMAIL]'],
    ['ann@example.org-2', '[EMAIL]-2'],
    ['…ann@example.org…', '…[EMAIL]…'],
    ['see..ann@example.org', 'see..[EMAIL]'],
    ['user=ann@example.org;x', 'user=[EMAIL];x'],
    ['a@b.example@c.example', '[EMAIL]'],
    ['https://bob:secret@host.example/x', 'https://bob:[EMAIL]/x'],
    ['😀ann@example.org😀', '😀[EMAIL]😀'],
  ],
  'e-mail addresses in disguise': [
    ['ann&#64;example.org', '[EMAIL]'],
    ['ann&#x40;example&period;org', '[EMAIL]'],
    ['&#97;&#110;&#110;&#64;&#98;&#46;&#111;&#114;&#103;', '[EMAIL]'],
    ['ann&commat;example.org', '[EMAIL]'],
    ['ann\\_smith\\@example.org', '[EMAIL]'],
    ['?to=ann%40example.org&x=1', '?to=[EMAIL]&x=1'],
    ['{"to":"ann\\u0040example.org"}', '{"to":"[EMAIL]"}'],
    ['an\u200bn@exam\u00adple.org', '[EMAIL]'],
    ['ａｎｎ＠ｅｘａｍｐｌｅ．ｏｒｇ', '[EMAIL]'],
    ['ann@example。org', '[EMAIL]'],
  ],
  'card numbers': [
    ['4111111111111111', '[CREDIT_CARD]'],
    ['4111 1111 1111 1111', '[CREDIT_CARD]'],
    ['4111-1111-1111-1111 12/27', '[CREDIT_CARD] 12/27'],
    ['4111.1111.1111.1111', '[CREDIT_CARD]'],
    ['4111\u00a01111\u00a01111\u00a01111', '[CREDIT_CARD]'],
    ['４１１１１１１１１１１１１１１１', '[CREDIT_CARD]'],
    ['3782 822463 10005', '[CREDIT_CARD]'],
    ['3056 930902 5904', '[CREDIT_CARD]'],
    ['5555555555554444,2223003122003222', '[CREDIT_CARD],[CREDIT_CARD]'],
    ['4111 1111 1111 1111 5555 5555 5555 4444', '[CREDIT_CARD] [CREDIT_CARD]'],
    ['id 7 4111 1111 1111 1111', 'id 7 [CREDIT_CARD]'],
    ['cc_4111111111111111', 'cc_[CREDIT_CARD]'],
    ['卡号4111111111111111。', '卡号[CREDIT_CARD]。'],
    ['my card is 501800000009', 'my card is [CREDIT_CARD]'],
  ],
  'account numbers': [
    ['DE89370400440532013000', '[IBAN]'],
    ['DE89 3704 0044 0532 0130 00.', '[IBAN].'],
    ['gb82 west 1234 5698 7654 32', '[IBAN]'],
    ['IBAN:MT84MALT011000012345MTLCAST001S', 'IBAN:[IBAN]'],
    ['NO93 8601 1117 947 and', '[IBAN] and'],
  ],
  'social security numbers': [
    ['SSN 317-60-6020;', 'SSN [US_SSN];'],
    ['317 60 6020', '[US_SSN]'],
    ['317‑60‑6020', '[US_SSN]'],
    ['social security number: 317606020', 'social security number: [US_SSN]'],
  ],
  'network addresses': [
    ['from 203.0.113.7, then', 'from [IP], then'],
    ['http://203.0.113.7:8080/x', 'http://[IP]:8080/x'],
    ['203.0.113.0/24', '[IP]/24'],
    ['ssh root@203.0.113.7', 'ssh root@[IP]'],
    ['ip=2001:db8:9f6e::4fbb req', 'ip=[IP] req'],
    ['ip:2001:db8::1: up', 'ip:[IP]: up'],
    ['[2001:0db8:85a3:0000:0000:8a2e:0370:7334]:443', '[[IP]]:443'],
    ['::ffff:192.0.2.128', '[IP]'],
  ],
  tokens: [
    [`Bearer ${JWT}`, 'Bearer [JWT]'],
    [`${JWT.slice(0, JWT.lastIndexOf('.') + 1)} none`, '[JWT] none'],
    [key('key AKIA', 'KS6OVDLV4JS3KNMQ.'), 'key [API_KEY].'],
    [key('AKIA', 'NKHWYMTNKNJWVTJD'), '[API_KEY]'],
    [key('ghp_', 'Ovc8FQE9Y7x1pb3nFy6lTmRPvYqybtMR1QGO'), '[API_KEY]'],
    [key('github_pat_', '11ABCDEFG0abcdefghijkl_mnop'), '[API_KEY]'],
    [key('glpat-', 'yumEmtyQPQVAVun4DAtX'), '[API_KEY]'],
    [key('xoxb-', '123456789012-abcdefGHIJKL'), '[API_KEY]'],
    [key('sk_live_', 'cJsa3ziB9IOxPPZaGHXlqJVf'), '[API_KEY]'],
    [key('AIza', 'B8450UO4aKaEjOQthf3n-EJAo53eMCz-NIt'), '[API_KEY]'],
    [key('sk-ant-', 'api03-abcDEF123456_7890-xyz'), '[API_KEY]'],
    [key('sk-proj-', 'abcDEF1234567890abcdEF'), '[API_KEY]'],
    [key('npm_', 'a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8'), '[API_KEY]'],
    [key('SG.', 'P42zf8Og0R2rsLQrzVpE8v.Y2R_vNzNKOVEqmdTJtM9ICAcK-tEc9J0vSZNrDLmFM-'), '[API_KEY]'],
    [`aws_secret_access_key = ${'wJalrXUtnF'.repeat(4)}`, 'aws_secret_access_key = [API_KEY]'],
    [
      key('-----BEGIN RSA PRIVATE ', 'KEY-----\nMIIEow\nIBAAK==\n-----END RSA PRIVATE KEY-----\nafter'),
      '[PRIVATE_KEY]\nafter',
    ],
    [key('"-----BEGIN PRIVATE ', 'KEY-----\\nMIIEow\\n", "next"'), '"[PRIVATE_KEY]", "next"'],
  ],
};

const NEGATIVES: Readonly<Record<string, readonly string[]>> = {
  'UUIDs and hashes': [
    'a592913b-cbac-bb07-b7df-1db1afefc8cb',
    '12345678-4111-1111-1111-111111111111',
    'c987177422ee984adcacd517d557c303796ba000',
    '4111111111111111a',
  ],
  'ids, times and amounts': [
    'ORD-802612077',
    '2026-05-01T08:44:04Z',
    '12:34:56',
    '1634072137670',
    '63030005267378452',
    '$48,498.77',
    '1.082995, 167.709550',
    '0.4111111111111111',
    '978-9-1622-5429-5',
    '00:1a:2b:3c:4d:5e',
  ],
  'numbers whose checks fail': [
    '4723661185714912',
    '2221-0519-0366-2459',
    'test card 4478 5453 7910 2108',
    'FR742123917170V297567179514',
    'IBAN ES73 4640 8181 3108 4242 6485',
    '000-38-2258',
    '666 97 8237',
    '935-43-8371',
    '317-00-6020',
    '317-60-0000',
    '999.1.1.1',
    '01.02.03.04',
  ],
  'phone-like and long grouped numbers': ['+1 317 60 6020', '317-60-6020-1', '5-317-60-6020', '(312) 418-2528'],
  'versions and code': [
    'v1.2.3',
    'version 1.2.3.4',
    'pkg==1.2.3.4',
    '1.2.3.4.5',
    'Chrome/120.0.0.0',
    'std::string a::b fee::add',
    'react@18.2.0-rc.1',
    '@scope/pkg@1.2.3',
    'icon@2x.png',
    'getty@tty1.service',
    'git@github.com:owner/repo.git',
    '@media (min-width: 1px)',
    'ann@localhost',
    'sk-or-something-written-out-in-words',
    'eyJust a word.eyJ.x',
  ],
  'addresses of nobody': ['127.0.0.1', '0.0.0.0', '255.255.255.0', '::1', '::'],
  placeholders: [
    '[EMAIL] [CREDIT_CARD] [IBAN] [US_SSN] [IP] [JWT] [API_KEY] [PRIVATE_KEY]',
    'card [HASH_501800000009]',
  ],
};

describe('recognisers', () => {
  for (const [kind, cases] of Object.entries(POSITIVES)) {
    it.each(cases)(`hide ${kind}: %j`, (input, output) => {
      expect(redact(input)).toBe(output);
    });
  }

  for (const [kind, texts] of Object.entries(NEGATIVES)) {
    it.each(texts)(`leave ${kind} alone: %j`, (text) => {
      expect(redact(text)).toBe(text);
    });
  }
});
