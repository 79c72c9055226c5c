import { describe, expect, it } from 'vitest';
import { FreshetError } from '../../src/domain/errors.ts';
import { answer, clean, fakeServices, hit, letter, report, run, temporaryFolder } from './fakes.ts';

const cwd = '/nowhere/at/all';
const ESCAPES = /\u001b/;

describe('freshet --help', () => {
  it('names every command, with examples and exit codes', async () => {
    const { stdout, exitCode } = await run(['--help'], { cwd });
    expect(exitCode).toBe(0);
    for (const name of [
      'start',
      'demo',
      'search',
      'status',
      'verify',
      'rebuild',
      'replay',
      'dlq',
      'config',
      'doctor',
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    }
    expect(stdout).toContain('Examples:');
    expect(stdout).toContain('Exit codes:');
  });

  it.each([
    ['start'],
    ['demo'],
    ['search'],
    ['status'],
    ['verify'],
    ['rebuild'],
    ['replay'],
    ['dlq'],
    ['dlq', 'list'],
    ['dlq', 'show'],
    ['dlq', 'retry'],
    ['config'],
    ['config', 'check'],
    ['doctor'],
  ])('has examples for %s %s', async (...command) => {
    const { stdout, exitCode } = await run([...command, '--help'], { cwd });
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`Usage: freshet ${command.join(' ')}`);
    expect(stdout).toMatch(/Examples:\n {2}\$ .*freshet/);
    expect(stdout).toContain('--json');
  });

  it('prints the version', async () => {
    expect((await run(['--version'], { cwd })).stdout).toBe('0.1.0\n');
  });
});

describe('A wrong command line', () => {
  it.each([
    [['serch', 'x'], 'Did you mean search?'],
    [['start', '--port', '99999'], 'whole number from 0 to 65535'],
    [['search'], "missing required argument 'query'"],
    [['search', 'x', '--mode', 'fuzzy'], 'Allowed choices are hybrid, dense, lexical'],
    [['search', 'x', '-w', 'lang'], 'is no condition'],
    [['search', ' '], 'The query is empty'],
    [['status', '--nope'], "unknown option '--nope'"],
    [['config', 'check', '--config', 'missing.yaml'], 'There is no file /nowhere/at/all/missing.yaml'],
  ])('%j exits 2 and says why', async (argv, says) => {
    const { exitCode, stderr, stdout } = await run(argv, { cwd });
    expect(exitCode).toBe(2);
    expect(stderr).toContain(says);
    expect(stdout).toBe('');
  });
});

describe('freshet start', () => {
  it('is the demo where there is no configuration file, with the hashing embedder to fall back on', async () => {
    const { started, exitCode } = await run(['start', '--port', '0', '--data-dir', 'd', '--host', '::1'], { cwd });
    expect(exitCode).toBe(0);
    expect(started[0]?.options.demo).toBe(true);
    expect(started[0]?.config).toMatchObject({
      dataDir: `${cwd}/d`,
      server: { port: 0, host: '::1' },
      embedder: { fallback: 'hashing' },
    });
    expect(started[0]?.options.originOf(['server', 'port'])).toBe('command line');
  });

  it('starts what the file configures', async () => {
    using folder = temporaryFolder();
    folder.write('freshet.yaml', 'server: { port: 8123 }\n');
    const { started } = await run(['start', '--embedder', 'hashing', '--model-path', 'm'], { cwd: folder.path });
    expect(started[0]?.options).toMatchObject({ demo: false, file: `${folder.path}/freshet.yaml` });
    expect(started[0]?.config).toMatchObject({
      server: { port: 8123 },
      embedder: { engine: 'hashing', fallback: 'none', modelPath: `${folder.path}/m` },
    });
  });

  it('has demo beside a file too, and takes its handles from the environment', async () => {
    using folder = temporaryFolder();
    folder.write('freshet.yaml', 'server: { port: 8123 }\n');
    const env = { FRESHET_EMBEDDER: 'hashing', FRESHET_MODEL_PATH: '/m', FRESHET_SOURCES__HANDBOOK__PORT: '5499' };
    const { started } = await run(['demo'], { cwd: folder.path, env });
    expect(started[0]?.options).toMatchObject({ demo: true, file: undefined });
    expect(started[0]?.config).toMatchObject({
      dataDir: `${folder.path}/.freshet-demo`,
      server: { port: 7411 },
      embedder: { engine: 'hashing', fallback: 'hashing', modelPath: '/m' },
      sources: { handbook: { port: 5499 } },
    });
    const moved = await run(['demo'], { cwd: folder.path, env: { FRESHET_DATA_DIR: '/d', FRESHET_PORT: '9' } });
    expect(moved.started[0]?.config).toMatchObject({ dataDir: '/d', server: { port: 9 } });
    expect(await run(['demo', '--config', 'freshet.yaml'], { cwd: folder.path })).toMatchObject({ exitCode: 2 });
  });

  it('exits 3 when another process holds the data folder', async () => {
    const startError = new FreshetError('DATA_DIR_LOCKED', 'fatal', 'Process 7 holds it. Stop it first.', {
      details: { pid: 7 },
    });
    const { exitCode, stderr } = await run(['start'], { cwd, startError });
    expect(exitCode).toBe(3);
    expect(stderr).toBe('error Process 7 holds it. Stop it first.\n  pid=7\n  code DATA_DIR_LOCKED\n');
  });
});

describe('freshet search', () => {
  it('shows rank, title, uri, age, headings, snippet and freshness', async () => {
    const { stdout, exitCode, closed } = await run(['search', 'return', 'items'], { cwd });
    expect(exitCode).toBe(0);
    expect(stdout).toContain(' 1  Returns and refunds  kb://returns/7  12 s ago\n');
    expect(stdout).toContain('    Returns › How\n    Items may be returned within 45 days. Keep the receipt.\n');
    expect(stdout).toContain('1 result in 0 ms · everything committed up to 300 ms ago');
    expect(stdout).not.toMatch(ESCAPES);
    expect(closed).toBe(1);
  });

  it('passes its options on', async () => {
    const services = fakeServices();
    const argv = [
      'search',
      'x',
      '-n',
      '3',
      '-t',
      'acme',
      '--principal',
      'a',
      '--principal',
      'b',
      '-w',
      'lang=en',
      '-w',
      'pages>=10',
    ];
    await run(
      [
        ...argv,
        '--token',
        '0/16B',
        '--wait',
        '5s',
        '--mode',
        'dense',
        '--per-document',
        '1',
        '--recency',
        '7d',
        '--table',
        't',
      ],
      {
        cwd,
        services,
      },
    );
    expect(services.calls[0]).toEqual({
      query: 'x',
      limit: 3,
      tenant: 'acme',
      mode: 'dense',
      principals: ['a', 'b'],
      tables: ['t'],
      perDocument: 1,
      recency: { halfLifeMs: 604_800_000, weight: 0.01 },
      filter: {
        and: [
          { key: 'lang', op: 'eq', value: 'en' },
          { key: 'pages', op: 'gte', value: 10 },
        ],
      },
      consistency: { mode: 'at_least', token: '0/16B', waitMs: 5_000 },
    });
  });

  it('prints what POST /v1/search answers with --json', async () => {
    const { stdout, stderr } = await run(['search', 'x', '--json'], { cwd });
    expect(JSON.parse(stdout)).toMatchObject({
      data: [
        {
          id: 'c1',
          score: 0.03,
          attributes: { title: hit.title, lang: 'en' },
          content: [{ type: 'text', text: hit.text }],
        },
      ],
      freshness: { lagMs: 300, token: 't1' },
    });
    expect(stderr).toBe('');
  });

  it('lets no indexed text drive the terminal, and colours only there', async () => {
    const evil = { ...answer, hits: [{ ...hit, title: 'a\u001b[2Jb\u202ec', uri: 'x\u0007y' }] };
    const plain = await run(['search', 'x'], { cwd, services: fakeServices({ answer: evil }) });
    expect(plain.stdout).not.toMatch(ESCAPES);
    expect(plain.stdout).toContain('a [2Jb c  x y');
    const tty = await run(['search', 'return'], { cwd, tty: true });
    expect(tty.stdout).toContain('\u001b[1mreturned\u001b[22m');
    const noColour = await run(['search', 'return'], { cwd, tty: true, env: { NO_COLOR: '1' } });
    expect(noColour.stdout).not.toMatch(ESCAPES);
  });

  it('warns when an answer is not what was asked for', async () => {
    const poor = {
      ...answer,
      freshness: { ...answer.freshness, tokenReached: false, asOf: undefined },
      degraded: { code: 'EMBEDDER_UNAVAILABLE', message: 'Lexical results only.' },
    };
    const { stderr, stdout } = await run(['search', 'x'], { cwd, services: fakeServices({ answer: poor }) });
    expect(stderr).toContain('warning Lexical results only. (EMBEDDER_UNAVAILABLE)');
    expect(stderr).toContain('was not reached in time');
    expect(stdout).toContain('freshness not known yet');
  });
});

describe('freshet status', () => {
  it('shows lag, freshness, size and dead letters', async () => {
    const { stdout, exitCode } = await run(['status'], { cwd });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('61 documents, 1,204 chunks, 3.1 MB');
    expect(stdout).toContain('p50 38 ms  p95 91 ms  p99 – (last 20 changes)');
    expect(stdout).toMatch(/^embedder +minilm$/m);
    expect(stdout).toContain('2 dead letters');
    expect(stdout).toMatch(/^app +connected +120 ms +300 ms ago +done$/m);
    expect(stdout).toContain('the server keeps 2.0 GB of WAL');
  });

  it('exits 1 while it is not ready, and says how far the first copy is', async () => {
    const [source] = report.sources;
    if (source === undefined) throw new Error('no source');
    const copying = {
      ...source,
      connected: false,
      snapshotFinished: false,
      partitions: [],
      snapshots: [{ table: 't', rowsRead: 1_200, rowsTotal: 5_000, finished: false }],
    };
    const services = fakeServices({ report: { ...report, ready: false, asOf: undefined, sources: [copying] } });
    const { stdout, exitCode } = await run(['status'], { cwd, services });
    expect(exitCode).toBe(1);
    expect(stdout).toContain('not ready · freshness not known yet');
    expect(stdout).toMatch(/^app +disconnected +not known +not known +1 table, 1,200 of ~5,000 rows$/m);
  });

  it('prints what GET /v1/freshness answers with --json', async () => {
    const { stdout } = await run(['status', '--json'], { cwd });
    expect(JSON.parse(stdout)).toMatchObject({
      ready: true,
      lagMs: 300,
      index: { documents: 61 },
      commitToVisible: { p99: null },
    });
  });
});

describe('freshet verify', () => {
  const document = 'd1' as (typeof hit)['document'];
  const wrong = {
    ...clean,
    stale: 1,
    problems: [{ kind: 'stale' as const, table: 't', document, chunk: 'c1', detail: 'text differs' }],
  };

  it('exits 0 only when nothing differs', async () => {
    const { exitCode, stdout } = await run(['verify', '--json'], { cwd });
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ missing: 0, stale: 0, ghost: 0, duplicate: 0 });
  });

  it('says what it compared with', async () => {
    const { stdout } = await run(['verify'], { cwd });
    expect(stdout).toContain('Compared: app with the database.');
  });

  it('exits 1 where a source could not be compared, and says what it needs', async () => {
    const verify = { ...clean, notCompared: [{ source: 'kb', reason: 'Give sources.kb.lookup a connection.' }] };
    const { exitCode, stdout } = await run(['verify'], { cwd, services: fakeServices({ verify }) });
    expect(exitCode).toBe(1);
    expect(stdout).toContain('Not compared: kb. Give sources.kb.lookup a connection.');
  });

  it('names what differs and exits 1', async () => {
    const { exitCode, stdout } = await run(['verify'], { cwd, services: fakeServices({ verify: wrong }) });
    expect(exitCode).toBe(1);
    expect(stdout).toContain('stale     t d1 chunk c1 text differs');
    expect(stdout).toMatch(/^ +1 stale/m);
    expect(stdout).toContain('--repair');
    const json = await run(['verify', '--json'], { cwd, services: fakeServices({ verify: wrong }) });
    expect(json.exitCode).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({ stale: 1 });
  });

  it('passes --repair on, and counts what remains', async () => {
    const services = fakeServices({ verify: { ...clean, repaired: 3 } });
    const { exitCode, stdout } = await run(['verify', '--repair', '--vector-sample', '0'], { cwd, services });
    expect(services.calls).toEqual([{ repair: true, vectorSample: 0 }]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('3 chunks and documents repaired.');
  });

  it('shows progress on standard error: lines on a pipe, one redrawn line on a terminal, none with --json on a pipe', async () => {
    expect((await run(['verify'], { cwd })).stderr).toContain('comparing  61 / 61 (100 %)\n');
    expect((await run(['verify'], { cwd, tty: true })).stderr).toContain('\r\u001b[2K');
    expect((await run(['verify', '--json'], { cwd })).stderr).toBe('');
  });
});

describe('freshet rebuild, replay and dlq', () => {
  it('rebuild says what it built', async () => {
    expect((await run(['rebuild'], { cwd })).stdout).toContain('61 documents, 1,204 chunks');
    expect(JSON.parse((await run(['rebuild', '--json'], { cwd })).stdout)).toEqual({
      documents: 61,
      chunks: 1_204,
      tookMs: 0,
    });
  });

  it('replay starts from the snapshot unless told otherwise', async () => {
    const services = fakeServices();
    await run(['replay', 'app'], { cwd, services });
    const { stdout } = await run(['replay', 'app', '--from', '0/16B'], { cwd, services });
    expect(services.calls).toEqual([
      { source: 'app', from: 'snapshot' },
      { source: 'app', from: '0/16B' },
    ]);
    expect(stdout).toBe('Replaying app.\n');
  });

  it('dlq list shows coordinates and codes', async () => {
    const { stdout } = await run(['dlq', 'list'], { cwd });
    expect(stdout).toMatch(/^42 +5\.0 s ago +app\.public\.articles +chunk +DOCUMENT_TOO_LARGE +3$/m);
    const json = JSON.parse((await run(['dlq', 'list', '--json'], { cwd })).stdout) as unknown;
    expect(json).toMatchObject({
      data: [{ id: '42', position: { offset: '9007199254740993' } }],
      has_more: false,
      after: null,
    });
    expect((await run(['dlq', 'list', '--after', '42'], { cwd })).stdout).toContain('No dead letters.');
  });

  it('dlq show names what failed, and never a key', async () => {
    const { stdout } = await run(['dlq', 'show', '42'], { cwd });
    expect(stdout).toContain('chunk: DOCUMENT_TOO_LARGE');
    expect(stdout).toContain(letter.message);
    const missing = await run(['dlq', 'show', '43'], { cwd });
    expect(missing.exitCode).toBe(1);
    expect(missing.stderr).toContain('There is no dead letter "43"');
  });

  it('dlq retry exits 1 if any fails again', async () => {
    expect(await run(['dlq', 'retry', 'all'], { cwd })).toMatchObject({
      exitCode: 0,
      stdout: '1 dead letter retried.\n',
    });
    expect(await run(['dlq', 'retry', '42'], { cwd, services: fakeServices({ failed: 1 }) })).toMatchObject({
      exitCode: 1,
    });
  });
});

describe('freshet config check', () => {
  it('prints the resolved configuration with secrets masked and origins named', async () => {
    using folder = temporaryFolder();
    folder.write('freshet.yaml', 'redaction: { key: "0123456789abcdef" }\nsweep: { interval: 90s }\n');
    const { stdout, stderr, exitCode } = await run(['config', 'check'], {
      cwd: folder.path,
      env: { FRESHET_PORT: '80' },
    });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('key: "********"');
    expect(stdout).toContain('port: 80 # environment variable FRESHET_PORT');
    expect(stdout).toContain('interval: 90s');
    expect(stdout).not.toContain('0123456789abcdef');
    expect(stderr).toContain(`valid ${folder.path}/freshet.yaml`);
  });

  it('exits 2 and lists every problem', async () => {
    using folder = temporaryFolder();
    folder.write('freshet.yaml', 'server: { prot: 1 }\nlog: { level: loud }\n');
    const { stderr, exitCode, stdout } = await run(['config', 'check'], { cwd: folder.path });
    expect(exitCode).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('has 2 problems:');
    expect(stderr).toContain('server.prot is not a known key. Did you mean "port"?');
    expect(stderr).toContain('code CONFIG_INVALID');
    const json = await run(['config', 'check', '--json'], { cwd: folder.path });
    expect(json.exitCode).toBe(2);
    expect(JSON.parse(json.stdout)).toMatchObject({
      valid: false,
      problems: [
        { path: 'server.prot', line: 1 },
        { path: 'log.level', line: 2 },
      ],
    });
  });
});

describe('freshet doctor', () => {
  it('reports every check, and exits 1 with what to do if one fails', async () => {
    using folder = temporaryFolder();
    const checks = [
      { name: 'model', run: async () => ({ status: 'ok' as const, detail: 'found' }) },
      {
        name: 'postgres app',
        run: async () => ({
          status: 'fail' as const,
          detail: 'wal_level is replica',
          mend: 'Set wal_level = logical.',
        }),
      },
      {
        name: 'postgres b',
        run: async () => {
          throw new FreshetError('PG_UNREACHABLE', 'transient', 'No answer.');
        },
      },
    ];
    const { stdout, exitCode } = await run(['doctor'], {
      cwd: folder.path,
      checks,
      env: { FRESHET_PORT: '0' },
    });
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^ok +node +version 20\.19\.0$/m);
    expect(stdout).toMatch(/^ok +data folder/m);
    expect(stdout).toMatch(/^ok +port +any free one$/m);
    expect(stdout).toMatch(/^fail postgres app +wal_level is replica\n +Set wal_level = logical\.$/m);
    expect(stdout).toContain('No answer. (PG_UNREACHABLE)');
    expect(stdout).toContain('2 checks failed.');
  });

  it('reports a wrong configuration as a failed check', async () => {
    using folder = temporaryFolder();
    folder.write('freshet.yaml', 'nope: 1\n');
    const { stdout, exitCode } = await run(['doctor', '--json'], { cwd: folder.path });
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      checks: [{ name: 'node' }, { name: 'configuration', status: 'fail' }],
    });
  });
});

describe('Errors', () => {
  it('say what, where and the code; the stack only when asked for', async () => {
    const openError = new FreshetError('INDEX_CORRUPT', 'fatal', 'The index is damaged. Run freshet rebuild.', {
      cause: new Error('inner'),
    });
    const quiet = await run(['status'], { cwd, openError });
    expect(quiet).toMatchObject({ exitCode: 1 });
    expect(quiet.stderr).toContain('error The index is damaged. Run freshet rebuild.\n  code INDEX_CORRUPT\n');
    expect(quiet.stderr).not.toContain('at ');
    for (const loud of [
      await run(['status', '-v'], { cwd, openError }),
      await run(['status'], { cwd, openError, env: { FRESHET_DEBUG: '1' } }),
    ]) {
      expect(loud.stderr).toContain('caused by: Error: inner');
    }
    const json = await run(['status', '--json'], { cwd, openError });
    expect(JSON.parse(json.stderr)).toEqual({
      error: { code: 'INDEX_CORRUPT', message: 'The index is damaged. Run freshet rebuild.' },
    });
  });

  it('exit 130 when interrupted', async () => {
    const stopped = AbortSignal.abort();
    const { exitCode, stderr } = await run(['verify'], { cwd, signal: stopped });
    expect(exitCode).toBe(130);
    expect(stderr).toBe('Interrupted.\n');
  });
});
