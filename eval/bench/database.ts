import { join } from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../connectors/embedded-postgres/index.ts';
import { bodyOf, type Article } from './corpus.ts';

/** The database of a run: a real PostgreSQL with its own defaults, fsync and all. */
export interface BenchDatabase extends AsyncDisposable {
  readonly connectionString: string;
  readonly pool: pg.Pool;
  createTable(table: string, articles: readonly Article[]): Promise<void>;
  /** Commits; resolves when the server acknowledged it. */
  save(table: string, article: Article): Promise<void>;
  /** Drops the slot and publication that a product or a bare loop left. */
  forget(slot: string): Promise<void>;
}

const CONNECTIONS = 8;

export async function startDatabase(folder: string): Promise<BenchDatabase> {
  const server = await startEmbeddedPostgres({ dataDir: join(folder, 'database') });
  const { connectionString } = server;
  const pool = new pg.Pool({ connectionString, max: CONNECTIONS, min: CONNECTIONS });
  pool.on('error', () => undefined);
  return {
    connectionString,
    pool,
    async createTable(table, articles) {
      await pool.query(
        `CREATE TABLE IF NOT EXISTS ${table} (id bigint PRIMARY KEY, title text NOT NULL, body text NOT NULL);
         TRUNCATE ${table};`,
      );
      for (let at = 0; at < articles.length; at += 100) {
        const some = articles.slice(at, at + 100);
        await pool.query(`INSERT INTO ${table} SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])`, [
          some.map(({ number }) => number),
          some.map(({ number }) => `Article ${number}`),
          some.map(bodyOf),
        ]);
      }
      await pool.query(`ANALYZE ${table}`);
    },
    async save(table, article) {
      await pool.query({
        name: `save-${table}`,
        text: `UPDATE ${table} SET body = $2 WHERE id = $1`,
        values: [article.number, bodyOf(article)],
      });
    },
    async forget(slot) {
      await pool.query(`DROP PUBLICATION IF EXISTS ${slot}`);
      // The server needs a moment to see that the connection that held the slot is gone.
      await pool.query('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1', [
        slot,
      ]);
      for (let attempt = 0; attempt < 50; attempt += 1) {
        const { rowCount } = await pool.query(
          `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active`,
          [slot],
        );
        if (rowCount !== 0) return;
        const { rowCount: left } = await pool.query('SELECT FROM pg_replication_slots WHERE slot_name = $1', [slot]);
        if (left === 0) return;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    async [Symbol.asyncDispose]() {
      await pool.end();
      await server.stop();
    },
  };
}
