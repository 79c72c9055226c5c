import { describe, expect, it } from 'vitest';
import { ConfigError, formatProblem } from '../../src/config/index.ts';
import { load, problemsOf, table } from './helpers.ts';

interface Case {
  readonly name: string;
  readonly yaml: string;
  readonly env?: Record<string, string>;
  readonly path: string;
  readonly says: RegExp;
  readonly found?: string;
  readonly at?: readonly [number, number];
}

const articles = 'sources.app.tables["public.articles"]';

const cases: readonly Case[] = [
  {
    name: 'an unknown key',
    yaml: 'server:\n  prot: 1\n',
    path: 'server.prot',
    says: /not a known key\. Did you mean "port"\?/,
    at: [2, 3],
  },
  { name: 'an unknown section', yaml: 'sorces: {}\n', path: 'sorces', says: /Did you mean "sources"\?/, at: [1, 1] },
  {
    name: 'an unknown key with nothing near',
    yaml: 'chunker: { overlap: 3 }\n',
    path: 'chunker.overlap',
    says: /Known keys: maxTokens\./,
    at: [1, 12],
  },
  {
    name: 'a value of the wrong type',
    yaml: 'server:\n  port: eighty\n',
    path: 'server.port',
    says: /must be a number/,
    found: 'the text "eighty"',
    at: [2, 3],
  },
  { name: 'a list for a section', yaml: 'server: [1]\n', path: 'server', says: /must be a section/, found: 'a list' },
  {
    name: 'a number out of range',
    yaml: 'server: { port: 70000 }',
    path: 'server.port',
    says: /at most 65535/,
    found: 'the number 70000',
  },
  {
    name: 'a fraction for a whole number',
    yaml: 'chunker: { maxTokens: 20.5 }',
    path: 'chunker.maxTokens',
    says: /whole number/,
  },
  {
    name: 'an unknown name',
    yaml: 'log: { level: inof }',
    path: 'log.level',
    says: /must be "trace".*Did you mean "info"\?/,
  },
  {
    name: 'a bad duration',
    yaml: 'sweep: { interval: 5 fortnights }',
    path: 'sweep.interval',
    says: /must be a duration such as 500ms/,
    found: 'the text "5 fortnights"',
  },
  {
    name: 'a bad size',
    yaml: 'limits: { queuedBytes: 64 megs }',
    path: 'limits.queuedBytes',
    says: /must be a size such as/,
  },
  {
    name: 'a size below its bound',
    yaml: 'server: { bodyLimit: 1kB }',
    path: 'server.bodyLimit',
    says: /at least 1024 bytes/,
  },
  {
    name: 'an unknown type of source',
    yaml: 'sources: { app: { type: postgress } }',
    path: 'sources.app.type',
    says: /must be "postgres", "embedded-postgres", "kafka" or "files"\. Did you mean "postgres"\?/,
  },
  {
    name: 'a source without a type',
    yaml: 'sources: { app: { path: x } }',
    path: 'sources.app.type',
    says: /is required: "postgres"/,
  },
  {
    name: 'a missing setting',
    yaml: 'sources: { app: { type: files } }',
    path: 'sources.app.path',
    says: /is required: text\./,
  },
  {
    name: 'a bad name of a source',
    yaml: 'sources: { My App: { type: files, path: x } }',
    path: 'sources["My App"]',
    says: /lower-case letter/,
  },
  {
    name: 'a connection that is no URL, without showing it',
    yaml: 'sources: { app: { type: postgres, connection: "host=db password=hunter2", tables: { a: { text: "{b}" } } } }',
    path: 'sources.app.connection',
    says: /must be a URL/,
    found: 'text (not shown)',
  },
  {
    name: 'no table',
    yaml: 'sources: { app: { type: postgres, connection: "postgres://h/d", tables: {} } }',
    path: 'sources.app.tables',
    says: /names no table/,
  },
  {
    name: 'a table without text',
    yaml: table('{ title: "{t}" }'),
    path: `${articles}.text`,
    says: /is required: text, or a list/,
    at: [7, 7],
  },
  {
    name: 'text of a wrong kind',
    yaml: table('{ text: 7 }'),
    path: `${articles}.text`,
    says: /must be text, or a list/,
    found: 'the number 7',
  },
  {
    name: 'a template without braces',
    yaml: table('{ text: body }'),
    path: `${articles}.text`,
    says: /names no column.*Write "\{body\}"/,
  },
  {
    name: 'an open brace',
    yaml: table('{ text: "{body" }'),
    path: `${articles}.text`,
    says: /character 1 is never closed/,
  },
  { name: 'a stray brace', yaml: table('{ text: "{body} }" }'), path: `${articles}.text`, says: /closes nothing/ },
  { name: 'an empty placeholder', yaml: table('{ text: "{ }" }'), path: `${articles}.text`, says: /names no column/ },
  {
    name: 'an unknown key in one of two alternatives',
    yaml: table('{ text: "{b}", tenant: { colum: t } }'),
    path: `${articles}.tenant.colum`,
    says: /Did you mean "column"\?/,
  },
  {
    name: 'an unknown policy',
    yaml: table('{ text: "{b}", columns: { email: remove } }'),
    path: `${articles}.columns.email`,
    says: /must be "scan", "drop", "hash" or "mask"/,
  },
  {
    name: 'a dropped column in the text',
    yaml: table('{ text: "{b} {email}", columns: { email: drop } }'),
    path: `${articles}.columns.email`,
    says: /is "drop", but "text" uses the column/,
  },
  {
    name: 'one table under two names',
    yaml: `${table('{ text: "{b}" }')}      articles: { text: "{b}" }\n`,
    path: 'sources.app.tables.articles',
    says: /is the table public\.articles, which stands here already/,
  },
  {
    name: 'an unknown operator deep in a filter',
    yaml: table('{ text: "{b}", filter: { and: [{ or: [{ column: a, op: equals, value: 1 }] }] } }'),
    path: `${articles}.filter.and[0].or[0].op`,
    says: /must be "eq", "ne"/,
  },
  {
    name: 'one value for "in"',
    yaml: table('{ text: "{b}", filter: { column: a, op: in, value: 1 } }'),
    path: `${articles}.filter.value`,
    says: /must be a list for "in"/,
  },
  {
    name: 'a list for "eq"',
    yaml: table('{ text: "{b}", filter: { column: a, value: [1] } }'),
    path: `${articles}.filter.value`,
    says: /for a list use "in"/,
  },
  {
    name: 'a public address without a key',
    yaml: 'server: { host: 0.0.0.0 }',
    path: 'server.apiKeys',
    says: /is not loopback/,
  },
  {
    name: 'a short API key, without showing it',
    yaml: 'server: { apiKeys: [{ key: hunter2 }] }',
    path: 'server.apiKeys[0].key',
    says: /at least 16 characters/,
    found: 'text (not shown)',
  },
  {
    name: 'a horizon that is too short',
    yaml: 'sweep: { horizon: 1m }',
    path: 'sweep.horizon',
    says: /at least twice/,
  },
  {
    name: 'a missing variable',
    yaml: 'dataDir: ${NOPE}/x',
    path: 'dataDir',
    says: /environment variable NOPE, which is not set/,
    at: [1, 1],
  },
  { name: 'a broken reference', yaml: 'dataDir: ${NOT-A-NAME}', path: 'dataDir', says: /is not a reference/ },
  {
    name: 'a value from a reference, without showing it',
    yaml: 'server: { port: "${P}" }',
    env: { P: 'hunter2' },
    path: 'server.port',
    says: /must be a number/,
    found: 'text (not shown)',
  },
  {
    name: 'a bad override',
    yaml: '',
    env: { FRESHET_PORT: 'x' },
    path: 'server.port',
    says: /must be a number/,
    found: 'the text "x"',
  },
  {
    name: 'an override that names no setting',
    yaml: '',
    env: { FRESHET_SERVER__PROT: '1' },
    path: 'FRESHET_SERVER__PROT',
    says: /names no setting.*Did you mean "PORT"\?/,
  },
  {
    name: 'an override of a source that the file does not have',
    yaml: '',
    env: { FRESHET_SOURCES__APP__SLOT: 'x' },
    path: 'FRESHET_SOURCES__APP__SLOT',
    says: /"APP" is not known here/,
  },
];

describe('A configuration that is wrong', () => {
  it.each(cases)('names the path and the mend: $name', ({ yaml, env, path, says, found, at }) => {
    const problems = problemsOf(yaml, env);
    const problem = problems.find((each) => each.path === path);
    expect(problem, `got ${problems.map(formatProblem).join('\n')}`).toBeDefined();
    expect(problem?.message).toMatch(says);
    if (found !== undefined) expect(problem?.found).toBe(found);
    if (at !== undefined) expect([problem?.line, problem?.column]).toEqual(at);
    expect(JSON.stringify(problems)).not.toContain('hunter2');
  });

  it('lists every problem in one CONFIG_INVALID', () => {
    const yaml = 'server: { port: x, hots: y }\nchunker: { maxTokens: 4 }\n';
    expect(() => load(yaml)).toThrow(ConfigError);
    expect(problemsOf(yaml).map((problem) => problem.path)).toEqual([
      'server.port',
      'server.hots',
      'chunker.maxTokens',
    ]);
    try {
      load(yaml);
    } catch (error) {
      expect(error).toMatchObject({ code: 'CONFIG_INVALID', kind: 'fatal' });
      expect((error as Error).message).toContain('3 problems');
      expect((error as Error).message).toContain('(/project/freshet.yaml:1:11)');
    }
  });

  it('says where YAML itself is broken', () => {
    const [problem] = problemsOf('server: { port: 1\nlog: x\n');
    expect(problem).toMatchObject({ where: '/project/freshet.yaml', line: 2 });
    expect(problem?.message).toMatch(/is not valid YAML/);
  });

  it('refuses a key that stands twice', () => {
    const [problem] = problemsOf('log: { level: info }\nlog: { level: warn }\n');
    expect(problem?.message).toMatch(/unique/);
  });

  it('says which layer a wrong value came from', () => {
    const [fromEnv] = problemsOf('server: { port: 1 }', { FRESHET_SERVER__PORT: 'a' });
    expect(fromEnv?.where).toBe('environment variable FRESHET_SERVER__PORT');
    const [fromFlags] = problemsOf('server: { port: 1 }', {}, { overrides: { server: { port: 'b' } } });
    expect(fromFlags?.where).toBe('command line');
  });

  it('says that a named file is not there', () => {
    expect(() => load('', {}, { file: 'other.yaml' })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_NOT_FOUND',
        message: expect.stringContaining('/project/other.yaml') as string,
      }),
    );
  });
});
