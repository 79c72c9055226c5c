import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { ROOT } from './support/build.ts';
import { makePlace, type Instance, type Place } from './support/instance.ts';
import { freshet, isAlive, until } from './support/process.ts';

const FLAGS = ['--port', '0', '--embedder', 'hashing'];
/** Commands on a data folder that nobody owns find their settings where `start` found them. */
const HASHING = { embedder: { engine: 'hashing' } };

const places: Place[] = [];
const newPlace = (config?: unknown): Place => {
  const place = makePlace(config);
  places.push(place);
  return place;
};

afterAll(() => places.forEach((place) => place.remove()));

/** The server that the instance started, which is not a process of ours. */
async function postgresPid(instance: Instance): Promise<number> {
  const [row] = await instance.sql("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS pid");
  return row?.pid as number;
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // It ended meanwhile.
  }
}

interface Failure {
  readonly error: { readonly code: string; readonly message: string; readonly details?: Record<string, unknown> };
}

/** Runs `start`, which must fail; its exit code and its one line of JSON. */
async function failure(
  place: Place,
  ...args: string[]
): Promise<{ exit: number | null; text: string } & Failure['error']> {
  const { code, stdout, stderr } = await place.cli('start', '--json', ...FLAGS, ...args);
  expect(stdout).not.toContain('is ready');
  const line = stderr.trim().split('\n').at(-1) ?? '';
  const { error } = JSON.parse(line) as Failure;
  expect(stderr).not.toMatch(/\n\s+at .*:\d+:\d+/);
  return { exit: code, text: stderr, ...error };
}

describe('the demo', () => {
  const place = newPlace();
  let instance: Instance;

  it('starts without a configuration, says where it is, and leaves its facts in the data folder', async () => {
    instance = await place.start();
    await instance.run.said('Ctrl-C stops.');
    const said = instance.run.stdout();
    expect(said).toContain(instance.api);
    expect(said).toMatch(/finds words, not meanings/);
    for (const hint of ['Search', 'Edit a row', 'See it']) expect(said).toContain(hint);
    const facts = JSON.parse(readFileSync(join(place.dataDir, 'demo.json'), 'utf8')) as Record<string, unknown>;
    expect(facts).toEqual({
      api: instance.api,
      postgres: expect.stringMatching(/^postgresql:/),
      pid: instance.run.pid,
    });
    expect((await instance.call('GET', '/readyz')).status).toBe(200);
    expect((await instance.search('returns')).data.length).toBeGreaterThan(0);
  });

  it('shows an article edited over HTTP in the first answer that asks for it', async () => {
    const created = await instance.call<{ id: string; documentId: string; token: string }>('POST', '/demo/articles', {
      title: 'Umbrellas',
      body: 'Umbrellas are lent at the front desk.',
    });
    expect(created.status).toBe(201);
    expect((await instance.textsAt(created.body.token, 'umbrellas'))[0]).toContain('front desk');
    const saved = await instance.call<{ token: string }>('PUT', `/demo/articles/${created.body.id}`, {
      title: 'Umbrellas',
      body: 'Umbrellas are lent by the lighthouse keeper.',
    });
    expect((await instance.textsAt(saved.body.token, 'umbrellas'))[0]).toContain('lighthouse keeper');
  });

  it('names its process to a second one on the same data folder', async () => {
    const { exit, code, message } = await failure(place);
    expect({ exit, code }).toEqual({ exit: 3, code: 'DATA_DIR_LOCKED' });
    expect(message).toContain(`process ${instance.run.pid}`);
    expect(message).toContain('--data-dir');
  });

  it('ends at Ctrl-C with exit code 0, and leaves no process and no facts behind', async () => {
    const server = await postgresPid(instance);
    expect(isAlive(server)).toBe(true);
    expect(await instance.stop()).toEqual({ code: 0, signal: null });
    expect(isAlive(server)).toBe(false);
    expect(existsSync(join(place.dataDir, 'demo.json'))).toBe(false);
    expect(existsSync(join(place.dataDir, 'instance.json'))).toBe(false);
  });

  it('starts again warm: nothing is copied anew, edits are kept, and SIGTERM ends it as Ctrl-C does', async () => {
    instance = await place.start();
    await instance.ready();
    expect((await instance.search('umbrellas', { limit: 1 })).data[0]?.content[0]?.text).toContain('lighthouse keeper');
    expect(instance.run.stderr()).not.toContain('Wrote the handbook');
    expect(instance.run.stderr()).not.toMatch(/The first copy of .* is in/);
    instance.run.child.kill('SIGTERM');
    expect(await instance.run.exited).toEqual({ code: 0, signal: null });
  });

  it('killed with SIGKILL takes its database with it, and the next start needs no help', async () => {
    instance = await place.start();
    await instance.ready();
    const server = await postgresPid(instance);
    await instance.kill();
    await until(() => !isAlive(server), 'the end of its PostgreSQL');
    instance = await place.start();
    await instance.ready();
    expect(await place.json('verify')).toMatchObject({
      code: 0,
      value: { missing: 0, stale: 0, ghost: 0, duplicate: 0 },
    });
    await instance.stop();
  });
});

it.runIf(existsSync('/proc/self'))(
  'Ctrl-C while the demo is starting stops it in good order and leaves no process behind',
  async () => {
    const place = newPlace();
    const run = await place.run('start', ...FLAGS);
    await run.said(/Wrote the handbook/);
    run.child.kill('SIGINT');
    const { code, signal } = await run.exited;
    expect(signal).toBeNull();
    // 130 while it still opens, 0 once it serves: which of the two depends on the moment.
    expect([0, 130]).toContain(code);
    const running = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && commandOf(name).includes(place.folder));
    expect(running).toEqual([]);
  },
);

describe('a damaged data folder', () => {
  const place = newPlace(HASHING);

  it('with a damaged index says so, and the command it names mends it', async () => {
    const instance = await place.start();
    const { body } = await instance.call<{ token: string }>('PUT', '/v1/documents/kept', {
      text: 'The otter is kept.',
    });
    await instance.textsAt(body.token, 'otter');
    await instance.stop();
    const index = join(place.dataDir, 'index.sqlite');
    truncateSync(index, 4096 * 3);
    const broken = await failure(place);
    expect(broken).toMatchObject({ exit: 1, code: 'INDEX_CORRUPT' });
    expect(broken.message).toContain(index);
    expect(broken.message).toContain('"freshet rebuild"');

    expect(await place.json('rebuild')).toMatchObject({ code: 0, value: { documents: 1 } });
    expect(readdirSync(place.dataDir).filter((name) => name.startsWith('index.damaged-'))).toHaveLength(1);
    expect(await place.json('verify')).toMatchObject({ code: 0, value: { documents: 1, missing: 0 } });
    const { value } = await place.json<{ data: unknown[] }>('search', 'otter');
    expect(JSON.stringify(value.data)).toContain('The otter is kept.');
  });

  it('with damaged or lost keys says which file, and what is lost without a backup', async () => {
    const keys = join(place.dataDir, 'keys.json');
    const whole = readFileSync(keys, 'utf8');
    writeFileSync(keys, whole.slice(0, 50));
    const damaged = await failure(place);
    expect(damaged).toMatchObject({ exit: 1, code: 'KEYS_UNREADABLE' });
    expect(damaged.message).toContain(keys);
    expect(damaged.message).toMatch(/backup/);

    rmSync(keys);
    const lost = await failure(place);
    expect(lost).toMatchObject({ exit: 1, code: 'STATE_SEAL_KEY' });
    expect(lost.message).toContain('keys.json');

    for (const file of readdirSync(place.dataDir).filter((name) => /^(state|index)\.sqlite/.test(name))) {
      renameSync(join(place.dataDir, file), join(place.folder, file));
    }
    const instance = await place.start();
    await instance.ready();
    await instance.stop();
  });
});

describe('what stands in the way of a start', () => {
  const servers: Server[] = [];
  afterEach(() => servers.splice(0).forEach((server) => server.close()));

  async function occupiedPort(port = 0): Promise<number> {
    const server = createServer();
    servers.push(server);
    await new Promise<void>((resolve, reject) => {
      // Taken by somebody else already: as good for the test.
      server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve() : reject(error)));
      server.listen(port, '127.0.0.1', resolve);
    });
    const address = server.address();
    return address !== null && typeof address === 'object' ? address.port : port;
  }

  it('is named when the port that was asked for is taken', async () => {
    const port = await occupiedPort();
    const { code, stderr } = await newPlace(HASHING).cli('start', '--port', String(port));
    expect(code).toBe(1);
    expect(stderr).toContain(`Port ${port} on 127.0.0.1 is taken by another program`);
    expect(stderr).toContain('--port');
  });

  it('is not the default port: when that is taken, another one is chosen and named', async () => {
    await occupiedPort(7411);
    const run = await newPlace(HASHING).run('start');
    await run.said(/Port 7411 is taken, so this one answers at http:\/\/127\.0\.0\.1:\d+ instead\./);
    await run.said('is ready');
    run.child.kill('SIGINT');
    expect(await run.exited).toEqual({ code: 0, signal: null });
  });

  it('is a data folder that cannot be written', async () => {
    const place = newPlace();
    const file = join(place.folder, 'a-file');
    writeFileSync(file, '');
    // Below a file nobody may write, root included.
    const folders = [join(file, 'data')];
    if (process.getuid?.() !== 0) {
      const readOnly = join(place.folder, 'read-only');
      mkdirSync(readOnly);
      chmodSync(readOnly, 0o555);
      folders.push(readOnly);
    }
    for (const folder of folders) {
      const refused = await freshet(['start', '--json', ...FLAGS, '--data-dir', folder], { cwd: place.folder });
      expect(refused.code).toBe(3);
      expect(refused.stderr).toContain('DATA_DIR_NOT_WRITABLE');
      expect(refused.stderr).toContain(folder);
    }
  });

  it('is a folder of files that does not exist', async () => {
    const place = newPlace({ ...HASHING, sources: { notes: { type: 'files', path: './nope' } } });
    const missing = await failure(place);
    expect(missing).toMatchObject({ exit: 1, code: 'FILES_ROOT_MISSING' });
    expect(missing.message).toContain(join(place.folder, 'nope'));
  });

  it('is a model folder that was half downloaded', async () => {
    const place = newPlace({});
    const model = join(place.folder, 'model');
    cpSync(join(ROOT, 'test/connectors/transformers/tiny-bert'), model, { recursive: true });
    rmSync(join(model, 'onnx'), { recursive: true });
    const { code, stderr } = await place.cli('start', '--json', '--port', '0', '--model-path', model);
    expect(code).toBe(1);
    expect(stderr).toContain('MODEL_INCOMPLETE');
    expect(stderr).toContain(model);
    const nowhere = await place.cli('start', '--json', '--port', '0', '--model-path', join(model, 'nowhere'));
    expect(nowhere.stderr).toContain('does not exist');
  });

  it('is a key that the configuration does not know, named with its line and what was meant', async () => {
    const place = newPlace({ ...HASHING, server: { prt: 80 } });
    const { code, stderr } = await place.cli('start');
    expect(code).toBe(2);
    expect(stderr).toMatch(/server\.prt is not a known key\. Did you mean "port"\? \(.*freshet\.yaml:\d+:\d+\)/);
    expect(await place.json('config', 'check')).toMatchObject({ code: 2, value: { valid: false } });
  });
});
