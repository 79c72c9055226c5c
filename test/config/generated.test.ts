import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { loadConfig } from '../../src/config/index.ts';
import { editorSchemaText } from '../../src/config/json-schema.ts';
import { configurationReference, handlesReference } from '../../src/config/reference.ts';
import { knownKeys } from '../../src/config/schema-walk.ts';
import { configSchema } from '../../src/config/schema.ts';

const file = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');

describe('What is made from the schema', () => {
  it('is up to date in schemas/freshet.schema.json (else: npm run config:docs)', () => {
    expect(JSON.parse(file('schemas/freshet.schema.json'))).toEqual(JSON.parse(editorSchemaText()));
  });

  it('is up to date in docs/configuration.md (else: npm run config:docs)', () => {
    const docs = file('docs/configuration.md');
    expect(docs).toContain(configurationReference());
    expect(docs).toContain(handlesReference());
  });
});

describe('freshet.example.yaml', () => {
  const text = file('freshet.example.yaml');
  const env = {
    FRESHET_API_KEY: 'a-key-for-tests-only',
    FRESHET_REDACTION_KEY: 'sixteen letters!',
    DATABASE_URL: 'postgres://u:p@localhost/db',
    KAFKA_BROKERS: 'kafka-1:9092, kafka-2:9092',
    KAFKA_PASSWORD: 'p',
  };

  it('is valid', () => {
    const { config } = loadConfig({ cwd: '/x', env, readFile: () => text });
    expect(Object.keys(config.sources)).toEqual(['app', 'shop', 'handbook', 'scratch']);
  });

  it('is valid to an editor, with its references', () => {
    const schema = z.fromJSONSchema(JSON.parse(editorSchemaText()) as Parameters<typeof z.fromJSONSchema>[0]);
    expect(schema.safeParse(parse(text)).error?.issues ?? []).toEqual([]);
    expect(schema.safeParse({ ...(parse(text) as object), sorces: {} }).success).toBe(false);
  });

  it('shows every key there is, some as comments', () => {
    const example: unknown = parse(text);
    const places = [[], ['server'], ['embedder'], ['chunker'], ['redaction'], ['index'], ['limits']];
    const more = [
      ['sweep'],
      ['shutdown'],
      ['log'],
      ['sources', 'app'],
      ['sources', 'shop'],
      ['sources', 'shop', 'registry'],
      ['sources', 'shop', 'tables', 'public.products'],
      ['sources', 'handbook'],
      ['sources', 'app', 'tables', 'public.articles'],
    ];
    for (const path of [...places, ...more]) {
      const known = knownKeys(configSchema, example, path);
      expect(known.length).toBeGreaterThan(0);
      for (const key of known) expect(text, [...path, key].join('.')).toMatch(new RegExp(`[\\s{#]${key}:`));
    }
  });

  it('shows every key of the Qdrant index', () => {
    const commented = text.slice(text.indexOf('# index:'), text.indexOf('sources:')).replace(/^# ?/gm, '');
    const { index } = parse(commented) as { readonly index: object };
    expect(Object.keys(index)).toEqual(knownKeys(configSchema, { index }, ['index']));
  });

  it('shows the defaults it claims to show', () => {
    const defaults = loadConfig({ cwd: '/x', env: {}, readFile: () => undefined }).config;
    const { config } = loadConfig({ cwd: '/x', env, readFile: () => text });
    for (const section of [
      'embedder',
      'chunker',
      'index',
      'deadLetters',
      'limits',
      'sweep',
      'shutdown',
      'log',
    ] as const) {
      expect(config[section], section).toEqual(defaults[section]);
    }
  });
});
