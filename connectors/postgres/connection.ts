import pg from 'pg';
import { postgresError, stateOf } from './errors.ts';

export type ConnectionConfig = string | pg.ClientConfig;

/**
 * What makes the text of a value the same on every connection, whatever the role, database or server has configured. RLS off: a policy
 * that would hide rows from us is an error instead of a hole.
 */
export const SESSION_SETTINGS = [
  "SET datestyle = 'ISO, YMD'",
  "SET intervalstyle = 'postgres'",
  "SET timezone = 'UTC'",
  'SET extra_float_digits = 1',
  "SET bytea_output = 'hex'",
  'SET row_security = off',
  'SET statement_timeout = 0',
  'SET lock_timeout = 0',
  'SET idle_in_transaction_session_timeout = 0',
].join('; ');

export function clientConfig(config: ConnectionConfig, name: string): pg.ClientConfig {
  const ours = {
    application_name: `freshet ${name}`.slice(0, 63),
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
  };
  return typeof config === 'string' ? { ...ours, connectionString: config } : { ...ours, ...config };
}

/** Values as the server wrote them, with the type of each column: decoded by our own decoders, as streamed values are. */
export interface RawResult {
  readonly fields: readonly { readonly name: string; readonly oid: number }[];
  readonly rows: readonly (readonly (string | null)[])[];
  /** More rows came than the byte limit allowed to keep. */
  readonly cut: boolean;
}

const RAW_TYPES = { getTypeParser: () => (text: string) => text } as unknown as pg.CustomTypesConfig;

/** A few ordinary connections, with errors that hold no row text. */
export class Database {
  readonly #pool: pg.Pool;
  readonly #name: string;
  readonly #config: pg.ClientConfig;
  readonly #ready = new WeakSet<pg.PoolClient>();
  /** Since when each connection in use works, on the monotonic clock. */
  readonly #working = new Map<pg.PoolClient, number>();

  constructor(config: ConnectionConfig, name: string) {
    this.#name = name;
    this.#config = clientConfig(config, name);
    this.#pool = new pg.Pool({ ...this.#config, max: 4, idleTimeoutMillis: 30_000 });
    // An idle connection that dies is replaced at the next use.
    this.#pool.on('error', () => undefined);
  }

  async #use<T>(doing: string, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    let client: pg.PoolClient | undefined;
    const ignore = (): void => undefined;
    try {
      client = await this.#pool.connect();
      client.on('error', ignore);
      this.#working.set(client, performance.now());
      if (!this.#ready.has(client)) {
        await client.query(SESSION_SETTINGS);
        this.#ready.add(client);
      }
      const result = await work(client);
      this.#working.delete(client);
      client.off('error', ignore);
      client.release();
      return result;
    } catch (error) {
      const ours = postgresError(error, doing, client === undefined ? this.#name : undefined);
      if (client !== undefined) this.#working.delete(client);
      client?.off('error', ignore);
      client?.release(ours.kind === 'transient');
      throw ours;
    }
  }

  async query<Row extends pg.QueryResultRow>(
    doing: string,
    text: string,
    values: readonly unknown[] = [],
  ): Promise<Row[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#use(doing, async (client) => (await client.query<Row>(text, [...values])).rows);
      } catch (error) {
        // XX000: a catalog function met a table that is being dropped at this moment ("cache lookup failed").
        if (stateOf(error) !== 'XX000' || attempt === 4) throw error;
        await new Promise((resolve) => setTimeout(resolve, 25 * attempt));
      }
    }
  }

  /** Several statements as one transaction block, without parameters. */
  async execute(doing: string, text: string): Promise<void> {
    await this.#use(doing, (client) => client.query(text));
  }

  /** Rows beyond `maxBytes` are dropped as they arrive, so that a chunk of huge rows never piles up in memory. */
  raw(doing: string, text: string, values: readonly unknown[], maxBytes: number): Promise<RawResult> {
    return this.#use(
      doing,
      (client) =>
        new Promise<RawResult>((resolve, reject) => {
          const rows: (string | null)[][] = [];
          let bytes = 0;
          let cut = false;
          const config = { text, values: [...values], rowMode: 'array' as const, types: RAW_TYPES };
          const query = new pg.Query(config as pg.QueryConfig);
          query.on('row', (object) => {
            const row = object as unknown as (string | null)[];
            if (cut) return;
            for (const value of row) bytes += value?.length ?? 0;
            if (rows.length > 0 && bytes > maxBytes) cut = true;
            else rows.push(row);
          });
          query.on('error', reject);
          query.on('end', (result) => {
            const fields = result.fields.map((field) => ({ name: field.name, oid: field.dataTypeID }));
            resolve({ fields, rows, cut });
          });
          client.query(query);
        }),
    );
  }

  /** Has the server give up what takes longer, for example because it waits for a lock: a shutdown does not. */
  async cancelLongerThan(ms: number): Promise<void> {
    const now = performance.now();
    const pids = [...this.#working]
      .filter(([, since]) => now - since > ms)
      .map(([client]) => (client as unknown as { processID: number | null }).processID)
      .filter((pid) => pid !== null);
    if (pids.length === 0) return;
    const client = new pg.Client(this.#config);
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query('SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.unnest($1::int[]) AS pid', [pids]);
    } catch (error) {
      // The server is gone, and what waited for it ends by itself.
      if (postgresError(error, 'cancelling').kind !== 'transient') throw error;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  async end(): Promise<void> {
    await this.#pool.end().catch(() => undefined);
  }
}

export const quoteIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;
export const quoteLiteral = (text: string): string => `'${text.replaceAll("'", "''")}'`;
