import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { stringify } from 'yaml';
import { freshet, spawnFreshet, until, type Ended, type Exit, type Run } from './process.ts';

/** A folder of its own for one test file: its data folder, its configuration, its working directory. */
export interface Place {
  readonly folder: string;
  readonly dataDir: string;
  /** Flags that name both. */
  readonly flags: readonly string[];
  run(...args: readonly string[]): Promise<Run>;
  /** Runs a command to its end. */
  cli(...args: readonly string[]): Promise<Ended>;
  /** The same with --json: its exit code and what it printed. */
  json<T = Record<string, unknown>>(...args: readonly string[]): Promise<{ code: number | null; value: T }>;
  start(...args: readonly string[]): Promise<Instance>;
  /** Kills what still runs, and deletes the folder. */
  remove(): void;
}

/**
 * @param config what freshet.yaml holds; without it, the demo
 * @param opensWithinMs how long a start may take: servers that are away are waited for
 */
export function makePlace(config?: unknown, opensWithinMs?: number): Place {
  const folder = mkdtempSync(join(tmpdir(), 'freshet-e2e-'));
  // As root, PostgreSQL runs as another account, which must reach its cluster below this folder.
  chmodSync(folder, 0o755);
  const dataDir = join(folder, 'data');
  mkdirSync(dataDir, { mode: 0o755 });
  const file = join(folder, 'freshet.yaml');
  if (config !== undefined) writeFileSync(file, stringify(config));
  const flags = ['--data-dir', dataDir, ...(config === undefined ? [] : ['--config', file])];
  const settings = { cwd: folder };
  const runs: Run[] = [];
  const place: Place = {
    folder,
    dataDir,
    flags,
    async run(...args) {
      const run = spawnFreshet([...args, ...flags], settings);
      runs.push(run);
      return run;
    },
    cli: (...args) => freshet([...args, ...flags], settings),
    async json<T>(...args: readonly string[]) {
      const { code, stdout, stderr } = await place.cli(...args, '--json');
      try {
        return { code, value: JSON.parse(stdout) as T };
      } catch {
        throw new Error(`freshet ${args.join(' ')} printed no JSON (exit ${code}): ${stdout}\n${stderr}`);
      }
    },
    async start(...args) {
      const run = await place.run('start', '--port', '0', '--embedder', 'hashing', ...args);
      return openInstance(run, dataDir, opensWithinMs);
    },
    remove() {
      for (const { child } of runs) if (child.exitCode === null) child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return place;
}

export interface SearchHit {
  readonly id: string;
  readonly file_id: string;
  readonly filename: string;
  readonly attributes: Record<string, unknown>;
  readonly content: readonly { readonly type: 'text'; readonly text: string }[];
}

export interface SearchAnswer {
  readonly search_query: readonly string[];
  readonly data: readonly SearchHit[];
  readonly freshness: { readonly asOf: string | null; readonly token: string; readonly tokenReached: boolean };
}

export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: T;
}

/** A running instance, seen from outside. */
export interface Instance {
  readonly run: Run;
  readonly api: string;
  call<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<Answer<T>>;
  search(query: string, more?: Record<string, unknown>): Promise<SearchAnswer>;
  /** Texts found for a query that must see the state of the token, on the first try. */
  textsAt(token: string, query: string, more?: Record<string, unknown>): Promise<string[]>;
  /** SQL on the demo's database; the rows of the last statement. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** Runs SQL and returns the insert LSN read after it was committed. */
  commit(text: string, values?: unknown[]): Promise<string>;
  ready(withinMs?: number): Promise<void>;
  /** Ctrl-C, and its end. */
  stop(): Promise<Exit>;
  kill(): Promise<Exit>;
}

/** @param withinMs how long opening may take */
async function openInstance(run: Run, dataDir: string, withinMs = 30_000): Promise<Instance> {
  const facts = await until(
    () => {
      if (run.child.exitCode !== null) throw new Error(`It ended: ${run.stdout()}\n${run.stderr()}`);
      const read = readFacts(join(dataDir, 'instance.json'));
      return read?.pid === run.pid ? read : undefined;
    },
    'instance.json',
    withinMs,
  );
  const { api } = facts;
  const end = async (signal: NodeJS.Signals): Promise<Exit> => {
    await database?.end().catch(() => undefined);
    run.child.kill(signal);
    return run.exited;
  };
  let database: pg.Client | undefined;
  const connected = async (): Promise<pg.Client> => {
    if (database !== undefined) return database;
    const { postgres } = JSON.parse(readFileSync(join(dataDir, 'demo.json'), 'utf8')) as { postgres: string };
    database = await connect(postgres);
    return database;
  };
  const instance: Instance = {
    run,
    api,
    async call<T>(method: string, path: string, body?: unknown) {
      const response = await fetch(new URL(path, api), {
        method,
        ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
      const text = await response.text();
      const isJson = response.headers.get('content-type')?.includes('json') === true;
      return {
        status: response.status,
        headers: response.headers,
        text,
        body: (isJson && text !== '' ? JSON.parse(text) : undefined) as T,
      };
    },
    async search(query, more = {}) {
      const answer = await instance.call<SearchAnswer>('POST', '/v1/search', { query, ...more });
      if (answer.status !== 200) throw new Error(`search answered ${answer.status}: ${answer.text}`);
      return answer.body;
    },
    async textsAt(token, query, more = {}) {
      const consistency = { mode: 'at_least', token, waitMs: 10_000 };
      const { data, freshness } = await instance.search(query, { consistency, ...more });
      if (!freshness.tokenReached) throw new Error(`The state of ${token} was not reached.`);
      return data.map((hit) => hit.content.map(({ text }) => text).join(''));
    },
    sql: async (text, values) => lastRows(await (await connected()).query(text, values)),
    commit: async (text, values) => commitOn(await connected(), text, values),
    async ready(withinMs = 30_000) {
      await until(async () => (await instance.call('GET', '/readyz')).status === 200, 'readiness', withinMs);
    },
    stop: () => end('SIGINT'),
    kill: () => end('SIGKILL'),
  };
  return instance;
}

export async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** The LSN to ask for is read after COMMIT: inside the transaction it is too early. */
export async function commitOn(client: pg.Client, text: string, values?: unknown[]): Promise<string> {
  await client.query(text, values);
  const { rows } = await client.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
  return rows[0]?.lsn as string;
}

function lastRows(result: pg.QueryResult | pg.QueryResult[]): Record<string, unknown>[] {
  const last = Array.isArray(result) ? result.at(-1) : result;
  return (last?.rows ?? []) as Record<string, unknown>[];
}

function readFacts(file: string): { api: string; pid: number } | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as { api: string; pid: number };
  } catch {
    return undefined;
  }
}
