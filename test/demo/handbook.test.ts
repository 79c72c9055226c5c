import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { createRedactor } from '../../src/redaction/redactor.ts';

const DEMO_FOLDER = join(import.meta.dirname, '../../demo');

const frontMatter = z.strictObject({
  title: z.string().min(1),
  category: z.enum([
    'orders',
    'shipping',
    'support',
    'people',
    'engineering',
    'security',
    'finance',
    'shops',
    'products',
  ]),
  author: z.string().min(1),
  internal_note: z.string().min(1).optional(),
});
const questionList = z.array(z.strictObject({ question: z.string().min(10), slug: z.string() }));

/** Invented personal data in the articles, by the label that must stand in its place: reserved domains, test cards, published samples. */
const PLANTED: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  returns: { EMAIL: ['refunds@larkfield.example'] },
  'fraud-review': {
    EMAIL: ['nadia.frost@example.com', 'fraud-desk@larkfield.example'],
    CREDIT_CARD: ['4242 4242 4242 4242', '5555 5555 5555 4444'],
    IP: ['203.0.113.77'],
  },
  'lost-parcels': { EMAIL: ['b.okonkwo@example.org', 'claims@larkfield.example'] },
  'identity-checks': { EMAIL: ['dana.whitlock@example.net'], CREDIT_CARD: ['4111 1111 1111 1111'] },
  'first-week': { EMAIL: ['mina.farouk@larkfield.example', 'minaf@example.com'] },
  'bank-details': {
    EMAIL: ['payroll@larkfield.example'],
    IBAN: ['DE89 3704 0044 0532 0130 00', 'GB82 WEST 1234 5698 7654 32', 'NL91 ABNA 0417 1643 00'],
  },
  'us-payroll': { US_SSN: ['078-05-1120', '219-09-9999'] },
  'api-tokens': {
    EMAIL: ['partners@larkfield.example'],
    JWT: [
      'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9' +
        '.eyJpc3MiOiJsYXJrZmllbGQuZXhhbXBsZSIsInN1YiI6InRyYWluaW5nIiwic2NvcGUiOiJvcmRlcnM6cmVhZCJ9' +
        '.dGhpcy1pcy1ub3QtYS1yZWFsLXNpZ25hdHVyZS0zMmI',
    ],
  },
  'access-logs': { EMAIL: ['lena.brandt@example.org'], IP: ['198.51.100.23', '2001:db8:44:1::9f', '192.0.2.146'] },
  phishing: { EMAIL: ['fish@larkfield.example', 'anders.holm@example.net'], IP: ['203.0.113.9'] },
  'leaked-keys': { API_KEY: ['AKIAIOSFODNN7EXAMPLE', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'] },
  'data-subject-requests': {
    EMAIL: ['privacy@larkfield.example', 'corin.tallis@example.com'],
    IP: ['192.0.2.201'],
    CREDIT_CARD: ['3782 822463 10005'],
  },
  expenses: { CREDIT_CARD: ['6011 1111 1111 1117'] },
  'supplier-invoices': {
    EMAIL: ['invoices@larkfield.example', 'ar@fjellduk.example.org'],
    IBAN: ['FR14 2004 1010 0505 0001 3M02 606'],
  },
};
const PLANTED_VALUES = Object.values(PLANTED).flatMap((byLabel) => Object.values(byLabel).flat());

interface Article {
  readonly file: string;
  readonly number: number;
  readonly slug: string;
  readonly attributes: z.output<typeof frontMatter>;
  readonly body: string;
}

const articles = await readArticles();
const slugs = new Set(articles.map(({ slug }) => slug));

async function readArticles(): Promise<Article[]> {
  const folder = join(DEMO_FOLDER, 'handbook');
  const files = (await readdir(folder)).sort();
  return Promise.all(files.map(async (file) => parseArticle(file, await readFile(join(folder, file), 'utf8'))));
}

function parseArticle(file: string, text: string): Article {
  const name = /^(\d{2})-([a-z0-9]+(?:-[a-z0-9]+)*)\.md$/.exec(file);
  const parts = /^---\n(.*?)\n---\n(.*)$/s.exec(text);
  if (name === null || parts === null) throw new Error(`${file} is not named or begun like an article`);
  const [, number, slug] = name as unknown as [string, string, string];
  const [, head, body] = parts as unknown as [string, string, string];
  return { file, number: Number(number), slug, attributes: frontMatter.parse(parseYaml(head)), body: body.trim() };
}

describe('the articles of the handbook', () => {
  test('are about sixty, numbered from 1 without a gap, each with a slug and a title of its own', () => {
    expect(articles.length).toBeGreaterThanOrEqual(57);
    expect(articles.length).toBeLessThanOrEqual(63);
    expect(articles.map(({ number }) => number)).toEqual(articles.map((_, index) => index + 1));
    expect(slugs.size).toBe(articles.length);
    expect(new Set(articles.map(({ attributes }) => attributes.title)).size).toBe(articles.length);
  });

  test.each(articles)(
    '$file begins with its title and is long enough to be cut into chunks',
    ({ attributes, body }) => {
      expect(body.split('\n', 1)[0]).toBe(`# ${attributes.title}`);
      const words = body.split(/\s+/).length;
      expect(words).toBeGreaterThanOrEqual(150);
      expect(words).toBeLessThanOrEqual(500);
    },
  );

  test('cover every category', () => {
    const used = new Set(articles.map(({ attributes }) => attributes.category));
    expect([...used].sort()).toEqual([...frontMatter.shape.category.options].sort());
  });

  test('include the one that the printed first steps edit, with the answer that they change', () => {
    expect(articles.find(({ slug }) => slug === 'returns')?.body).toContain('within 45 days');
  });
});

describe('the questions', () => {
  test('are forty different ones, each answered by an article that exists', async () => {
    const questions = questionList.parse(
      JSON.parse(await readFile(join(DEMO_FOLDER, 'handbook.questions.json'), 'utf8')),
    );
    expect(questions).toHaveLength(40);
    expect(new Set(questions.map(({ question }) => question)).size).toBe(40);
    expect(questions.map(({ slug }) => slug).filter((slug) => !slugs.has(slug))).toEqual([]);
  });
});

describe('the invented personal data', () => {
  const redactor = createRedactor();
  const redacted = new Map(articles.map(({ slug, body }) => [slug, redactor.redactText(body) as string]));

  test.each(Object.entries(PLANTED))('of %s is found, each value as what it is', (slug, byLabel) => {
    const body = articles.find((article) => article.slug === slug)?.body ?? '';
    for (const [label, values] of Object.entries(byLabel)) {
      expect(values.filter((value) => !body.includes(value))).toEqual([]);
      expect(redacted.get(slug)?.split(`[${label}]`)).toHaveLength(values.length + 1);
    }
  });

  test('stays in no redacted text', () => {
    for (const text of redacted.values()) {
      expect(PLANTED_VALUES.filter((value) => text.includes(value))).toEqual([]);
    }
  });

  test('is all there is: an article without any passes the redactor unchanged', () => {
    const changed = articles.filter(({ slug, body }) => redacted.get(slug) !== body).map(({ slug }) => slug);
    expect(changed.sort()).toEqual(Object.keys(PLANTED).sort());
  });
});
