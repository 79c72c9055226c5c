import { join } from 'node:path';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../connectors/embedded-postgres/index.ts';
import type { DemoPort } from '../api/demo-port.ts';
import type {
  EmbeddedPostgresSourceConfig,
  FreshetConfig,
  PostgresSourceConfig,
  SourceConfig,
} from '../config/index.ts';
import { kindOf } from '../domain/errors.ts';
import { rowDocumentId, rowKey, tableId } from '../domain/ids.ts';
import type { Observer } from '../observability/events.ts';
import { systemClock } from '../runtime/clock.ts';
import { DEMO_SOURCE, DEMO_TABLE, HANDBOOK_FOLDER } from './demo-config.ts';
import { openDemoDatabase, type DemoDatabase } from './demo-database.ts';
import { checkMappingsAt, describeUnknown } from './mapping-check.ts';
import { runSetup } from './setup-sql.ts';
import type { Ui } from './ui.ts';

/** The PostgreSQL servers of an instance: those it was given, and the one it runs itself. */
export interface Databases extends AsyncDisposable {
  connectionOf(source: PostgresSourceConfig | EmbeddedPostgresSourceConfig): string;
  /** Connection URL of the server Freshet runs itself. */
  readonly embeddedUrl?: string;
  readonly demo?: DemoPort;
  /** What mappings and policies name and no table has, one sentence each; found so far. */
  readonly unknownColumns: readonly string[];
}

export async function startDatabases(options: {
  readonly config: FreshetConfig;
  readonly demo: boolean;
  readonly ui: Ui;
  readonly observer: Observer;
  /** A token that covers everything committed before the call. */
  readonly token: (signal: AbortSignal) => Promise<string>;
}): Promise<Databases> {
  const { config, ui } = options;
  const embeddedConfig = Object.values(config.sources).find((source) => source.type === 'embedded-postgres');
  const server = embeddedConfig === undefined ? undefined : await startServer(config.dataDir, embeddedConfig, ui);
  const closing = new AbortController();
  try {
    if (server !== undefined) await runSetups(config, server);
    const demo = options.demo && server !== undefined ? await openDemo(server, options) : undefined;
    const embeddedUrl = server?.connectionString;
    const connectionOf: Databases['connectionOf'] = (source) =>
      source.type === 'postgres' ? source.connection : (embeddedUrl as string);
    const checking = await warnOfUnknownColumns(config, connectionOf, options.observer, closing.signal);
    return {
      connectionOf,
      ...(embeddedUrl === undefined ? {} : { embeddedUrl }),
      ...(demo === undefined ? {} : { demo: demo.port }),
      unknownColumns: checking.messages,
      async [Symbol.asyncDispose]() {
        closing.abort();
        await checking.over;
        await demo?.[Symbol.asyncDispose]();
        await server?.stop();
      },
    };
  } catch (error) {
    await server?.stop();
    throw error;
  }
}

/** The sources of an embedded server share it: each may have tables to make. */
async function runSetups(config: FreshetConfig, { connectionString }: EmbeddedPostgres): Promise<void> {
  for (const source of Object.values(config.sources)) {
    if (source.type === 'embedded-postgres' && source.setup !== undefined)
      await runSetup(source.setup, connectionString);
  }
}

const ASK_AGAIN_MS = 5_000;

type TableSource = Exclude<SourceConfig, { readonly type: 'files' }>;

/**
 * Says loudly which mapped columns no table has. The start goes on: a column may have been renamed while we were down, and then the rows
 * wait in the dead letters. Resolves after the first look; a server that is away is asked again in the background.
 */
async function warnOfUnknownColumns(
  config: FreshetConfig,
  connectionOf: Databases['connectionOf'],
  observer: Observer,
  signal: AbortSignal,
): Promise<{ readonly over: Promise<void>; readonly messages: readonly string[] }> {
  const messages: string[] = [];
  const look = async (name: string, source: TableSource, connection: string): Promise<boolean> => {
    const found = await checkMappingsAt(name, source, connection);
    for (const unknown of signal.aborted ? [] : (found ?? [])) {
      const message = `Source "${name}": ${describeUnknown(unknown)}`;
      messages.push(message);
      observer.emit({ type: 'source', source: name, level: 'warn', code: 'MAPPING_COLUMN_UNKNOWN', message });
    }
    return found !== undefined;
  };
  const untilSeen = async (...at: Parameters<typeof look>): Promise<void> => {
    try {
      do await systemClock.sleep(ASK_AGAIN_MS, signal);
      while (!(await look(...at)));
    } catch (error) {
      if (kindOf(error) !== 'aborted') throw error;
    }
  };
  const waiting = await Promise.all(
    Object.entries(config.sources).map(async ([name, source]) => {
      if (source.type === 'files') return undefined;
      const connection = source.type === 'kafka' ? source.lookup?.connection : connectionOf(source);
      if (connection === undefined || (await look(name, source, connection))) return undefined;
      return { again: untilSeen(name, source, connection) };
    }),
  );
  return { over: Promise.all(waiting.map((each) => each?.again)).then(() => undefined), messages };
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
