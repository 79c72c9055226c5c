import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';

const AWAY_MS_MAX = 60_000;
/** The server is starting, stopping or gone: SQLSTATE classes 08 and 57P, and what the socket says. */
const AWAY = /^(08|57P|ECONN|EPIPE|ENOTCONN)/;

/**
 * One connection that outlives its server. A statement whose connection broke is run again until the server is back, so what is run here
 * must be right to run twice.
 */
export class Sql {
  readonly #url: string;
  #client: Promise<pg.Client> | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  async run(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]> {
    for (const startedAt = Date.now(); ; await sleep(50)) {
      const opening = (this.#client ??= this.#open());
      try {
        const client = await opening;
        const result = await client.query<Record<string, unknown>>(text, values as unknown[] | undefined);
        // Several statements in one text give a list of results.
        return ((Array.isArray(result) ? (result.at(-1) as typeof result) : result).rows ?? []) as Record<
          string,
          unknown
        >[];
      } catch (error) {
        const { code, message } = error as { code?: string; message: string };
        const broken = AWAY.test(code ?? '') || /Connection terminated|not queryable|Client has/.test(message);
        if (!broken || Date.now() - startedAt > AWAY_MS_MAX) throw error;
        if (this.#client === opening) this.#client = undefined;
        void opening.then((client) => client.end()).catch(() => undefined);
      }
    }
  }

  async end(): Promise<void> {
    const opening = this.#client;
    this.#client = undefined;
    await opening?.then((client) => client.end()).catch(() => undefined);
  }

  async #open(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#url, connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }
}
