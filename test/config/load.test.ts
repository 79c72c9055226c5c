import { describe, expect, it } from 'vitest';
import { loadConfig, maskSecrets, replicationNames, secretValues, toTableMapping } from '../../src/config/index.ts';
import type { PostgresSourceConfig } from '../../src/config/index.ts';
import { load, table } from './helpers.ts';

describe('Configuration', () => {
  it('has a default for everything when there is no file', () => {
    const { config, file } = loadConfig({ cwd: '/project', env: {}, readFile: () => undefined });
    expect(file).toBeUndefined();
    expect(config.dataDir).toBe('/project/.freshet');
    expect(config.server).toMatchObject({ host: '127.0.0.1', port: 7411, apiKeys: [] });
    expect(config.embedder).toMatchObject({ engine: 'transformers', fallback: 'none' });
    expect(config.sources).toEqual({});
  });

  it('takes an empty file as all defaults', () => {
    expect(load('# nothing yet\n').config.chunker.maxTokens).toBe(200);
  });

  it('layers defaults, file, environment and command line, and remembers which it was', () => {
    const yaml = 'server: { port: 2 }\nchunker: { maxTokens: 100 }\n';
    const defaults = { embedder: { fallback: 'hashing' }, server: { port: 1 } };
    expect(load(yaml, {}, { defaults }).config.server.port).toBe(2);
    expect(load(yaml, { FRESHET_PORT: '3' }, { defaults }).config.server.port).toBe(3);
    const all = load(
      yaml,
      { FRESHET_PORT: '3', FRESHET_SERVER__PORT: '4' },
      { defaults, overrides: { server: { port: '5' } } },
    );
    expect(all.config.server.port).toBe(5);
    expect(all.config.embedder.fallback).toBe('hashing');
    expect(all.originOf(['server', 'port'])).toBe('command line');
    expect(all.originOf(['chunker', 'maxTokens'])).toBe('file');
    expect(all.originOf(['server', 'host'])).toBe('default');
    const env = load(yaml, { FRESHET_PORT: '3', FRESHET_SERVER__PORT: '4' });
    expect(env.config.server.port).toBe(4);
    expect(env.originOf(['server', 'port'])).toBe('environment variable FRESHET_SERVER__PORT');
  });

  it.each([
    ['FRESHET_DATA_DIR', '/elsewhere', (c: ReturnType<typeof load>) => c.config.dataDir, '/elsewhere'],
    ['FRESHET_MODEL_PATH', 'm', (c: ReturnType<typeof load>) => c.config.embedder.modelPath, '/project/m'],
    ['FRESHET_EMBEDDER', 'hashing', (c: ReturnType<typeof load>) => c.config.embedder.engine, 'hashing'],
    ['FRESHET_SERVER__BODY_LIMIT', '5MB', (c: ReturnType<typeof load>) => c.config.server.bodyLimit, 5_000_000],
    ['FRESHET_SWEEP__INTERVAL', '2h', (c: ReturnType<typeof load>) => c.config.sweep.interval, 7_200_000],
    ['FRESHET_EMBEDDER__ALLOW_HUB', 'false', (c: ReturnType<typeof load>) => c.config.embedder.allowHub, false],
  ])('%s=%s overrides the setting', (variable, value, pick, expected) => {
    expect(pick(load('', { [variable]: value }))).toBe(expected);
  });

  it('overrides a table that the file has, and lists with commas', () => {
    const loaded = load(table('{ text: "{body}" }'), {
      FRESHET_SOURCES__APP__TABLES__PUBLIC_ARTICLES__TITLE: '{headline}',
      FRESHET_SOURCES__APP__TABLES__PUBLIC_ARTICLES__KEY: 'region, id',
    });
    const source = loaded.config.sources.app as PostgresSourceConfig;
    expect(source.tables['public.articles']).toMatchObject({ title: '{headline}', key: ['region', 'id'] });
  });

  it('leaves variables that are not its own, and empty ones, alone', () => {
    const { config } = load('', { FRESHET_EVAL_DATA: '/data', FRESHET_PORT: '', PORT: '1' });
    expect(config.server.port).toBe(7411);
  });

  it('replaces references, with defaults and escapes', () => {
    const yaml = `dataDir: \${BASE:-/var}/lib\nsources: { f: { type: files, path: /d, uri: "$\${HOME}" } }\nserver: { port: "\${P}" }`;
    const { config } = load(yaml, { P: '8080', BASE: '' });
    expect(config.dataDir).toBe('/var/lib');
    expect(config.sources.f).toMatchObject({ uri: '${HOME}' });
    expect(config.server.port).toBe(8080);
  });

  it('never takes a digit-only secret for a number', () => {
    const { config } = load('server: { apiKeys: [{ key: "${K}" }] }', { K: '0012345678901234' });
    expect(config.server.apiKeys[0]?.key).toBe('0012345678901234');
  });

  it('resolves paths of the file against the file, and paths of the environment against the working directory', () => {
    const yaml = 'dataDir: data\nsources: { f: { type: files, path: ../docs } }\n';
    const inputs = {
      cwd: '/project/app',
      readFile: (path: string) => (path === '/etc/freshet/f.yaml' ? yaml : undefined),
    };
    const fromFile = loadConfig({ ...inputs, env: {}, file: '/etc/freshet/f.yaml' });
    expect(fromFile.config.dataDir).toBe('/etc/freshet/data');
    expect(fromFile.config.sources.f).toMatchObject({ path: '/etc/docs' });
    const fromEnv = loadConfig({ ...inputs, env: { FRESHET_CONFIG: '/etc/freshet/f.yaml', FRESHET_DATA_DIR: 'data' } });
    expect(fromEnv.config.dataDir).toBe('/project/app/data');
  });

  it('shares settings between tables by YAML anchors and merge keys', () => {
    const yaml = `
sources:
  app:
    type: postgres
    connection: postgres://h/d
    tables:
      a: &base { text: "{body}", title: "{title}" }
      b: { <<: *base, title: "{name}" }
`;
    expect((load(yaml).config.sources.app as PostgresSourceConfig).tables.b).toMatchObject({
      text: '{body}',
      title: '{name}',
    });
  });
});

describe('Secrets', () => {
  const yaml = `
server: { apiKeys: [{ key: abcdefgh12345678 }] }
redaction: { key: 0123456789abcdef }
sources:
  app: { type: postgres, connection: "postgres://me:hunter2@db:5432/app?sslpassword=x", tables: { a: { text: "{b}" } } }
`;

  it('are masked when the configuration is printed', () => {
    const shown = JSON.stringify(maskSecrets(load(yaml).config));
    for (const secret of ['abcdefgh12345678', '0123456789abcdef', 'hunter2', 'sslpassword'])
      expect(shown).not.toContain(secret);
    expect(shown).toContain('postgres://me:********@db:5432/app');
  });

  it('are known, so that a log can refuse them', () => {
    expect([...secretValues(load(yaml).config)].sort()).toEqual([
      '0123456789abcdef',
      'abcdefgh12345678',
      'postgres://me:hunter2@db:5432/app?sslpassword=x',
    ]);
  });
});

describe('A table of the configuration', () => {
  const mapping = (settings: string, name = 'public.articles') => {
    const source = load(table(settings)).config.sources.app as PostgresSourceConfig;
    const config = source.tables['public.articles'];
    if (config === undefined) throw new Error('no table');
    return toTableMapping('app', name, config);
  };

  it('becomes a mapping', () => {
    expect(
      mapping(
        '{ key: [id], text: [summary, body], title: "{title}", uri: "kb://{slug}", tenant: { column: org }, access: { column: acl }, metadata: [lang], format: { column: f }, columns: { email: drop }, filter: { or: [{ column: a, value: true }, { and: [{ column: b, op: in, value: [1, 2] }] }] } }',
      ),
    ).toEqual({
      table: 'app.public.articles',
      key: ['id'],
      text: '{summary}\n\n{body}',
      title: '{title}',
      uri: 'kb://{slug}',
      tenant: { column: 'org' },
      access: { column: 'acl' },
      metadata: { lang: 'lang' },
      format: { column: 'f' },
      columns: { email: 'drop' },
      filter: { or: [{ key: 'a', op: 'eq', value: true }, { and: [{ key: 'b', op: 'in', value: [1, 2] }] }] },
    });
  });

  it('leaves out what is not set, so that fingerprints of equal settings are equal', () => {
    expect(mapping('{ text: "{body}" }', 'articles')).toEqual({
      table: 'app.public.articles',
      text: '{body}',
      tenant: { value: 'default' },
      metadata: {},
      format: 'markdown',
      columns: {},
    });
  });

  it('derives slot and publication from the name of its source', () => {
    expect(replicationNames('my-app', {})).toEqual({ slot: 'freshet_my_app', publication: 'freshet_my_app' });
    expect(replicationNames('app', { slot: 's1' })).toEqual({ slot: 's1', publication: 'freshet_app' });
  });
});
