import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../../connectors/embedded-postgres/index.ts';
import { commitOn, connect } from './instance.ts';

/** A PostgreSQL server that Freshet does not own, as in production. */
export interface Cluster {
  readonly connectionString: string;
  /** Runs SQL and returns the insert LSN read after it was committed. */
  commit(text: string, values?: unknown[]): Promise<string>;
  rows(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** Of the one connection all of this runs on; a fresh one after the server was down. */
  client(): Promise<pg.Client>;
  stop(): Promise<void>;
  /** As the kernel does it when memory runs out. */
  kill(): Promise<void>;
  start(): Promise<void>;
  remove(): Promise<void>;
}

export async function startCluster(): Promise<Cluster> {
  const dataDir = mkdtempSync(join(tmpdir(), 'freshet-e2e-pg-'));
  chmodSync(dataDir, 0o755);
  let server: EmbeddedPostgres = await startEmbeddedPostgres({ dataDir });
  const { port } = server;
  let open: Promise<pg.Client> | undefined;
  const client = (): Promise<pg.Client> => (open ??= connect(server.connectionString));
  const disconnect = async (): Promise<void> => {
    const closing = open;
    open = undefined;
    await closing?.then((each) => each.end()).catch(() => undefined);
  };
  return {
    get connectionString() {
      return server.connectionString;
    },
    client,
    commit: async (text, values) => commitOn(await client(), text, values),
    rows: async (text, values) => (await (await client()).query<Record<string, unknown>>(text, values)).rows,
    async stop() {
      await disconnect();
      await server.stop();
    },
    async kill() {
      await disconnect();
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
    },
    async start() {
      server = await startEmbeddedPostgres({ dataDir, port });
      if (server.port !== port) throw new Error(`Port ${port} was taken meanwhile.`);
    },
    async remove() {
      await disconnect();
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
