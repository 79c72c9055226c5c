import { openFreshet, type Freshet } from '../../src/composition/open.ts';
import type { openEmbedding } from '../../src/composition/embedding.ts';
import { loadConfig, type FreshetConfig } from '../../src/config/index.ts';
import type { Observer } from '../../src/observability/events.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { SOURCE } from './corpus.ts';
import { sleep } from './statistics.ts';

export interface ProductOptions {
  readonly dataDir: string;
  readonly connectionString: string;
  readonly tables: readonly string[];
  readonly slot: string;
  readonly modelPath?: string;
}

/** The product's own defaults, but for what it reads and where it keeps it. */
export function productConfig({ dataDir, connectionString, tables, slot, modelPath }: ProductOptions): FreshetConfig {
  const { config } = loadConfig({
    file: false,
    cwd: dataDir,
    env: {},
    overrides: {
      dataDir,
      server: { port: 0, requestsPerMinute: 0 },
      ...(modelPath === undefined ? {} : { embedder: { modelPath } }),
      sources: {
        [SOURCE]: {
          type: 'postgres',
          connection: connectionString,
          slot,
          publication: slot,
          tables: Object.fromEntries(
            tables.map((table) => [
              `public.${table}`,
              { text: '{body}', title: '{title}', uri: 'bench://{id}', format: 'markdown' },
            ]),
          ),
        },
      },
    },
  });
  return config;
}

export const benchLogger = createLogger({ level: 'error', format: 'json' });

export function openProduct(
  config: FreshetConfig,
  observer: Observer,
  env: NodeJS.ProcessEnv,
  embedding?: typeof openEmbedding,
): Promise<Freshet> {
  return openFreshet({
    config,
    demo: false,
    env,
    signal: new AbortController().signal,
    ui: {
      logger: benchLogger,
      modelProgress: () => undefined,
      indexProgress: () => undefined,
      observer,
      say: () => undefined,
    },
    ...(embedding === undefined ? {} : { openEmbedding: embedding }),
  });
}

const POLL_MS = 20;

/** Resolves once the first copy of every table is searchable. */
export async function untilReady(freshet: Freshet): Promise<void> {
  const poll = async (): Promise<void> => {
    while (!(await freshet.services.freshness.ready()).ready) await sleep(POLL_MS);
  };
  await Promise.race([poll(), freshet.failed]);
}
