import { join } from 'node:path';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../connectors/embedded-postgres/index.ts';
import type { DemoPort } from '../api/demo-port.ts';
import type { EmbeddedPostgresSourceConfig, FreshetConfig, PostgresSourceConfig } from '../config/index.ts';
import { rowDocumentId, rowKey, tableId } from '../domain/ids.ts';
import { DEMO_SOURCE, DEMO_TABLE, HANDBOOK_FOLDER } from './demo-config.ts';
import { openDemoDatabase, type DemoDatabase } from './demo-database.ts';
import type { Ui } from './ui.ts';

/** The PostgreSQL servers of an instance: those it was given, and the one it runs itself. */
export interface Databases extends AsyncDisposable {
  connectionOf(source: PostgresSourceConfig | EmbeddedPostgresSourceConfig): string;
  /** Connection URL of the server Freshet runs itself. */
  readonly embeddedUrl?: string;
  readonly demo?: DemoPort;
}

export async function startDatabases(options: {
  readonly config: FreshetConfig;
  readonly demo: boolean;
  readonly ui: Ui;
  /** A token that covers everything committed before the call. */
  readonly token: (signal: AbortSignal) => Promise<string>;
}): Promise<Databases> {
  const { config, ui } = options;
  const embeddedConfig = Object.values(config.sources).find((source) => source.type === 'embedded-postgres');
  const server = embeddedConfig === undefined ? undefined : await startServer(config.dataDir, embeddedConfig, ui);
  const demo = options.demo && server !== undefined ? await openDemo(server, options) : undefined;
  const embeddedUrl = server?.connectionString;
  return {
    connectionOf: (source) => (source.type === 'postgres' ? source.connection : (embeddedUrl as string)),
    ...(embeddedUrl === undefined ? {} : { embeddedUrl }),
    ...(demo === undefined ? {} : { demo: demo.port }),
    async [Symbol.asyncDispose]() {
      await demo?.[Symbol.asyncDispose]();
      await server?.stop();
    },
  };
}

function startServer(dataDir: string, config: EmbeddedPostgresSourceConfig, ui: Ui): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres({
    dataDir: join(dataDir, 'database'),
    port: config.port,
    onLog: (line) => ui.say(line),
  });
}

async function openDemo(
  server: EmbeddedPostgres,
  { ui, token }: { readonly ui: Ui; readonly token: (signal: AbortSignal) => Promise<string> },
): Promise<DemoDatabase> {
  const table = tableId(`${DEMO_SOURCE}.${DEMO_TABLE}`);
  const demo = openDemoDatabase({
    connectionString: server.connectionString,
    documentId: (id) => rowDocumentId(DEMO_SOURCE, table, rowKey([id])),
    token,
  });
  try {
    const written = await demo.prepare(HANDBOOK_FOLDER);
    if (written > 0) ui.say(`Wrote the handbook, ${written} articles, into its PostgreSQL.`);
    return demo;
  } catch (error) {
    await demo[Symbol.asyncDispose]();
    throw error;
  }
}
