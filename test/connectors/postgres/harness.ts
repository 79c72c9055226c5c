import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../../connectors/embedded-postgres/index.ts';
import {
  createPostgresSource,
  type PostgresSource,
  type PostgresSourceOptions,
} from '../../../connectors/postgres/index.ts';
import type { ChangeEvent, Delivery, RowUpserted } from '../../../src/domain/change.ts';
import { tableId } from '../../../src/domain/ids.ts';
import type { FreshetEvent } from '../../../src/observability/events.ts';
import type { Checkpoints } from '../../../src/ports/checkpoints.ts';
import { systemClock } from '../../../src/runtime/clock.ts';

export interface Cluster extends EmbeddedPostgres {
  /** Runs statements on a fresh connection and returns the rows of the last. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  client(): Promise<pg.Client>;
  restart(): Promise<void>;
  remove(): Promise<void>;
}

async function externalServer(url: string, dataDir: string): Promise<EmbeddedPostgres> {
  const database = `freshet_test_${randomUUID().slice(0, 8)}`;
  const run = async (statement: string): Promise<void> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(statement).finally(() => client.end());
  };
  await run(`CREATE DATABASE ${database}`);
  const connectionString = new URL(url);
  connectionString.pathname = `/${database}`;
  return {
    connectionString: String(connectionString),
    port: Number(connectionString.port),
    dataDir,
    clusterDir: '',
    pid: 0,
    exited: new Promise(() => undefined),
    stop: () => run(`DROP DATABASE ${database} WITH (FORCE)`),
  };
}

/** An embedded server of its own; with FRESHET_TEST_POSTGRES (a superuser's URL) a fresh database of that server, to try other versions. */
export async function startCluster(): Promise<Cluster> {
  const external = process.env['FRESHET_TEST_POSTGRES'];
  const dataDir = await mkdtemp(join(tmpdir(), 'freshet-pg-'));
  let server =
    external === undefined ? await startEmbeddedPostgres({ dataDir }) : await externalServer(external, dataDir);
  const clients = new Set<pg.Client>();
  const client = async (): Promise<pg.Client> => {
    const made = new pg.Client({ connectionString: server.connectionString });
    made.on('error', () => undefined);
    await made.connect();
    clients.add(made);
    return made;
  };
  return {
    get connectionString() {
      return server.connectionString;
    },
    get port() {
      return server.port;
    },
    get pid() {
      return server.pid;
    },
    get exited() {
      return server.exited;
    },
    dataDir,
    clusterDir: server.clusterDir,
    client,
    async sql(text, values) {
      const one = new pg.Client({ connectionString: server.connectionString });
      one.on('error', () => undefined);
      await one.connect();
      try {
        const result = (await one.query(text, values)) as pg.QueryResult | pg.QueryResult[];
        const last = Array.isArray(result) ? result.at(-1) : result;
        return (last?.rows ?? []) as Record<string, unknown>[];
      } finally {
        await one.end();
      }
    },
    async restart() {
      await server.stop();
      server = await startEmbeddedPostgres({ dataDir, port: server.port });
    },
    stop: () => server.stop(),
    async remove() {
      for (const open of clients) await open.end().catch(() => undefined);
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Checkpoints as a durable store keeps them: JSON, one copy per save. */
export class MemoryCheckpoints implements Checkpoints {
  stored: string | undefined;
  saves = 0;

  load(): Promise<unknown> {
    return Promise.resolve(this.stored === undefined ? undefined : JSON.parse(this.stored));
  }

  save(_source: string, state: unknown): Promise<void> {
    this.stored = JSON.stringify(state);
    this.saves += 1;
    return Promise.resolve();
  }

  get state(): Record<string, unknown> & { epoch: number; position: string } {
    return JSON.parse(this.stored ?? '{}') as Record<string, unknown> & { epoch: number; position: string };
  }
}

let counter = 0;
export const uniqueName = (prefix: string): string => `${prefix}_${(counter += 1)}`;

export interface Reading {
  readonly source: PostgresSource;
  readonly deliveries: Delivery[];
  readonly events: FreshetEvent[];
  readonly failure: () => unknown;
  /** Resolves with the deliveries once the condition holds. */
  until(condition: (deliveries: readonly Delivery[]) => boolean, ms?: number): Promise<Delivery[]>;
  untilEvent(code: string, ms?: number): Promise<void>;
  /** Ends like a process that is stopped or killed: slot and checkpoint stay. */
  stop(): Promise<void>;
  /** Ends for good. */
  end(): Promise<void>;
}

export interface ReadOptions {
  /** Commit everything delivered, as a pipeline does; off: `commitNow` by hand. */
  readonly commit?: boolean;
  /** Awaited before each delivery is taken. */
  readonly pace?: (delivery: Delivery) => Promise<void> | void;
}

export type SourceSettings = Partial<PostgresSourceOptions> & {
  readonly slot: string;
  readonly tables: PostgresSourceOptions['tables'];
};

export const table = (name: string, fingerprint = 'f1', key?: readonly string[]) => ({
  id: tableId(name.includes('.') ? name : `public.${name}`),
  fingerprint,
  ...(key === undefined ? {} : { key }),
});

/** A consumer that does what the pipeline does: takes deliveries in order and commits each position when its last delivery is settled. */
export function startReading(
  cluster: Pick<Cluster, 'connectionString'>,
  settings: SourceSettings,
  options: ReadOptions = {},
): Reading {
  const events: FreshetEvent[] = [];
  const source = createPostgresSource({
    name: 'pg',
    connectionString: cluster.connectionString,
    publication: `${settings.slot}_pub`,
    checkpoints: new MemoryCheckpoints(),
    clock: systemClock,
    observer: { emit: (event) => void events.push(event) },
    ...settings,
  });
  const deliveries: Delivery[] = [];
  const abort = new AbortController();
  let failure: unknown;
  const done = (async () => {
    try {
      for await (const delivery of source.read(abort.signal)) {
        await options.pace?.(delivery);
        deliveries.push(delivery);
        if (options.commit !== false && delivery.endsPosition) await source.commit([delivery.position]);
      }
    } catch (error) {
      failure = error;
    }
  })();
  const stop = async (): Promise<void> => {
    abort.abort();
    await done;
    await source[Symbol.asyncDispose]();
  };
  const wait = async (condition: () => boolean, what: string, ms: number): Promise<void> => {
    const deadline = Date.now() + ms;
    while (!condition()) {
      if (failure !== undefined) throw failure;
      if (Date.now() > deadline)
        throw new Error(`waited ${ms} ms in vain for ${what}; ${deliveries.length} deliveries`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return {
    source,
    deliveries,
    events,
    failure: () => failure,
    async until(condition, ms = 15_000) {
      await wait(() => condition(deliveries), String(condition), ms);
      return deliveries;
    },
    untilEvent: (code, ms = 15_000) =>
      wait(() => events.some((event) => event.type === 'source' && event.code === code), `event ${code}`, ms),
    stop,
    async end() {
      await stop();
      const client = new pg.Client({ connectionString: cluster.connectionString });
      client.on('error', () => undefined);
      await client.connect();
      await client.query(`DROP PUBLICATION IF EXISTS "${settings.slot}_pub"`);
      for (let attempt = 0; attempt < 100; attempt += 1) {
        const dropped = client.query(
          `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '${settings.slot}'`,
        );
        if (await dropped.then(() => true).catch(() => new Promise((resolve) => setTimeout(resolve, 20, false)))) break;
      }
      await client.end();
    },
  };
}

export const eventsOf = (deliveries: readonly Delivery[]): ChangeEvent[] => deliveries.map(({ event }) => event);
export const streamed = (deliveries: readonly Delivery[]): Delivery[] =>
  deliveries.filter(({ position }) => !position.partition.includes('/snapshot/'));
export const finished =
  (count = 1) =>
  (deliveries: readonly Delivery[]): boolean =>
    deliveries.filter(({ event }) => event.kind === 'snapshot-finished').length >= count;
export const upserts = (deliveries: readonly Delivery[]): RowUpserted[] =>
  eventsOf(deliveries).filter((event) => event.kind === 'row-upserted');

/** What an index would hold after these deliveries: the row of the highest version per key. */
export function finalRows(deliveries: readonly Delivery[]): Map<string, unknown> {
  const versions = new Map<string, number>();
  const rows = new Map<string, unknown>();
  for (const { event } of deliveries) {
    if (event.kind === 'table-truncated') {
      for (const name of [...rows.keys()]) if (name.startsWith(`${event.table} `)) rows.delete(name);
    }
    if (event.kind !== 'row-upserted' && event.kind !== 'row-deleted') continue;
    const name = `${event.table} ${event.key}`;
    if ((versions.get(name) ?? -1) >= event.version) continue;
    versions.set(name, event.version);
    if (event.kind === 'row-upserted') rows.set(name, event.row);
    else rows.delete(name);
  }
  return rows;
}
