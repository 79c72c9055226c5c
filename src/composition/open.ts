import { join } from 'node:path';
import { Registry } from 'prom-client';
import { acquireDataLock } from '../../connectors/sqlite/lock.ts';
import { openSqliteState, type SqliteState } from '../../connectors/sqlite/state.ts';
import { Wakeup } from '../../connectors/pushed/wakeup.ts';
import type { FreshetConfig } from '../config/index.ts';
import { registerProcessMetrics, registerStateGauges } from '../observability/gauges.ts';
import { createObserver } from '../observability/observer.ts';
import { Cleanup } from '../runtime/cleanup.ts';
import { systemClock } from '../runtime/clock.ts';
import { lineName } from '../services/blue-green/line-name.ts';
import type { Services } from '../services/services.ts';
import { currentToken } from '../services/tokens.ts';
import { startDatabases, type Databases } from './databases.ts';
import { openEmbedding, type Embedding } from './embedding.ts';
import { createEmbeddings } from './embeddings.ts';
import { openIndexHome } from './index-home.ts';
import { loadKeys, type DataKeys } from './keys.ts';
import { openLine, type LineParts, type OpenLine } from './line.ts';
import { openRules } from './line-rules.ts';
import type { Ui } from './ui.ts';

/** Everything of one instance but its HTTP server: opened, fed and answering. */
export interface Freshet {
  readonly services: Services;
  readonly embedding: Embedding;
  readonly databases: Databases;
  readonly keys: DataKeys;
  readonly registry: Registry;
  /** A principal as documents carry it. */
  readonly principalId: (principal: string) => string;
  /** Where the damaged index was put, if it was replaced. */
  readonly damagedIndex: string | undefined;
  /** Rejects when a pipeline fails for good; resolves after `close`. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly config: FreshetConfig;
  readonly demo: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly ui: Ui;
  /** Cancels opening (Ctrl-C while a model downloads). */
  readonly signal: AbortSignal;
  /** Another way to an embedder than the configured one, for benchmarks and tests. The instance disposes of what it gives. */
  readonly openEmbedding?: typeof openEmbedding;
  /** Puts a damaged index aside and builds a new one from the sources; otherwise it is an error. */
  readonly replaceDamagedIndex?: boolean;
}

/** The composition root: builds every adapter, connects them by their ports, and starts the pipelines. */
export async function openFreshet(options: OpenOptions): Promise<Freshet> {
  const cleanup = new Cleanup();
  const { ui } = options;
  const close = (): Promise<void> =>
    cleanup.run((what, error) => ui.logger.error({ err: error }, `closing failed: ${what}`));
  try {
    return await open(options, cleanup, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(options: OpenOptions, cleanup: Cleanup, close: () => Promise<void>): Promise<Freshet> {
  const { config, ui, env, signal } = options;
  const { dataDir } = config;
  const clock = systemClock;

  const lock = acquireDataLock(dataDir);
  cleanup.add('lock', () => lock.release());
  const keys = loadKeys(dataDir);
  const registry = new Registry();
  registerProcessMetrics(registry);
  const observer = createObserver({ logger: ui.logger, registry, also: [ui.observer] });

  const embeddings = createEmbeddings(
    (wanted) => (options.openEmbedding ?? openEmbedding)(wanted, env, ui.modelProgress, signal),
    observer,
  );
  const rules = await openRules(config, {
    embeddings,
    hashKey: keys.hash,
    maxTextLength: config.limits.maxTextLength,
  });
  cleanup.add('embedder', () => rules.release());

  const home = await openIndexHome({
    config,
    ui,
    ...(options.replaceDamagedIndex === true ? { replaceDamagedAt: clock.now() } : {}),
  });
  cleanup.add('indexes', () => home.catalogue[Symbol.asyncDispose]());
  const state = await openSqliteState({ path: join(dataDir, 'state.sqlite'), sealKey: keys.seal });
  cleanup.add('state', () => state[Symbol.asyncDispose]());

  let line: OpenLine | undefined;
  const databases = await startDatabases({
    config,
    demo: options.demo,
    ui,
    observer,
    token: (cancel) => currentToken(line?.sources ?? [], cancel),
  });
  cleanup.add('databases', () => databases[Symbol.asyncDispose]());

  const known = await home.catalogue.state(signal);
  const name = known.live ?? lineName(known.revision, rules.id);
  const live = (line = await openLine(
    {
      name,
      settings: 'main',
      config,
      rules,
      home,
      databases,
      pushed: { log: state.pushed, written: new Wakeup() },
      openDeadLetters: deadLettersIn(state),
      observer,
      onCloseFailed: (what, error) => ui.logger.error({ err: error }, `closing failed: ${what} of index ${name}`),
    },
    signal,
  ));
  cleanup.add('index', () => live.close());
  if (known.live === undefined) await home.catalogue.update(known.revision, { ...known, live: name }, signal);

  const { services, embedding, damagedIndex, failed } = { ...live, embedding: rules.embedding };
  const gauges = new AbortController();
  cleanup.add('gauges', () => gauges.abort());
  registerStateGauges(registry, () => services.freshness.report(gauges.signal));
  if (damagedIndex !== undefined)
    ui.say(`The index was damaged and is put aside as ${damagedIndex}. Building a new one …`);
  const { principalId } = rules.redactor;
  return { services, embedding, databases, keys, registry, principalId, damagedIndex, failed, close };
}

const deadLettersIn =
  ({ deadLetters }: SqliteState): LineParts['openDeadLetters'] =>
  () =>
    Promise.resolve({ deadLetters, close: () => Promise.resolve() });
