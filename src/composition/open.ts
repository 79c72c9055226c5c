import { setMaxListeners } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { Wakeup } from '../../connectors/pushed/wakeup.ts';
import { acquireDataLock } from '../../connectors/sqlite/lock.ts';
import { openSqliteState } from '../../connectors/sqlite/state.ts';
import type { FreshetConfig } from '../config/index.ts';
import { registerCandidateGauges } from '../observability/candidate-gauges.ts';
import { registerProcessMetrics, registerStateGauges } from '../observability/gauges.ts';
import { createObserver } from '../observability/observer.ts';
import { Cleanup } from '../runtime/cleanup.ts';
import { systemClock } from '../runtime/clock.ts';
import { createIndexesService } from '../services/blue-green/indexes.ts';
import { lineSuffix, type LineId } from '../services/blue-green/line-name.ts';
import type { LineSet } from '../services/blue-green/line-set.ts';
import type { Section } from '../services/blue-green/plan.ts';
import { rebuildBeside } from '../services/blue-green/rebuild-beside.ts';
import { routeServices } from '../services/blue-green/route.ts';
import { createShadow } from '../services/blue-green/shadow.ts';
import type { Services } from '../services/services.ts';
import { currentToken } from '../services/tokens.ts';
import { startDatabases, type Databases } from './databases.ts';
import { deadLetterHome } from './dead-letter-home.ts';
import { openEmbedding, type Embedding } from './embedding.ts';
import { createEmbeddings } from './embeddings.ts';
import { forgetSources } from './forget-sources.ts';
import { openIndexHome } from './index-home.ts';
import { loadKeys, type DataKeys } from './keys.ts';
import { spoolFolderOf, type OpenLine } from './line.ts';
import { openSections } from './line-rules.ts';
import { openLines } from './lines.ts';
import type { Ui } from './ui.ts';

/** Everything of one instance but its HTTP server: opened, fed and answering. */
export interface Freshet {
  readonly services: Services;
  /** Of the index that is live at the start. */
  readonly embedding: Embedding;
  readonly databases: Databases;
  readonly keys: DataKeys;
  readonly registry: Registry;
  /** A principal as documents carry it. */
  readonly principalId: (principal: string) => string;
  /** Where the damaged index was put, if it was replaced. */
  readonly damagedIndex: string | undefined;
  /** Rejects when a pipeline of the live index fails for good; never resolves. */
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
  // Everything that is opened listens to it.
  setMaxListeners(0, signal);

  const lock = acquireDataLock(dataDir);
  cleanup.add('lock', () => lock.release());
  const keys = loadKeys(dataDir);
  const registry = new Registry();
  registerProcessMetrics(registry);
  const observer = createObserver({ logger: ui.logger, registry, also: [ui.observer] });

  const sections = await openSections(
    config,
    {
      embeddings: createEmbeddings(
        (wanted) => (options.openEmbedding ?? openEmbedding)(wanted, env, ui.modelProgress, signal),
        observer,
      ),
      hashKey: keys.hash,
      maxTextLength: config.limits.maxTextLength,
    },
    cleanup,
  );
  const home = await openIndexHome(
    {
      config,
      ui,
      ...(options.replaceDamagedIndex === true ? { replaceDamagedAt: clock.now() } : {}),
    },
    signal,
  );
  const { catalogue } = home;
  cleanup.add('indexes', () => catalogue[Symbol.asyncDispose]());
  const state = await openSqliteState({ path: join(dataDir, 'state.sqlite'), sealKey: keys.seal });
  cleanup.add('state', () => state[Symbol.asyncDispose]());
  const deadLetters = deadLetterHome(config, { state, keys, observer, ui });

  let lines: LineSet<OpenLine> | undefined;
  const databases = await startDatabases({
    config,
    demo: options.demo,
    ui,
    observer,
    token: (cancel) => currentToken(lines?.live.sources ?? [], cancel),
  });
  cleanup.add('databases', () => databases[Symbol.asyncDispose]());

  const common = { config, home, databases, deadLetters, keys, pushed: { log: state.pushed, written: new Wakeup() } };
  const set = (lines = await openLines({ common, sections, observer, ui, cleanup }, signal));
  await sections.settled();
  const { live } = set;
  if (live.damagedIndex !== undefined)
    ui.say(`The index was damaged and is put aside as ${live.damagedIndex}. Building a new one …`);

  const shadow = createShadow(clock);
  const indexes = createIndexesService({
    lines: set,
    catalogue,
    isShared: home.isShared,
    shadow,
    clock,
    forget: async (name, cancel) => {
      const leftBehind = await forgetSources(config, databases, lineSuffix(name), cancel);
      await deadLetters.forget(name);
      rmSync(spoolFolderOf(config, name), { recursive: true, force: true });
      return leftBehind;
    },
  });
  const idOf = (section: Section): LineId => sections.ids[section] ?? sections.ids.main;
  const services = routeServices({
    lines: set,
    shadow,
    clock,
    observer,
    indexes,
    rebuildBeside: (onProgress, cancel) => rebuildBeside({ lines: set, indexes, idOf, clock }, onProgress, cancel),
  });
  const gauges = new AbortController();
  cleanup.add('gauges', () => gauges.abort());
  registerStateGauges(registry, () => services.freshness.report(gauges.signal));
  // A report asks the store about each index: only where there is one to report of.
  registerCandidateGauges(registry, async () =>
    set.state.candidate === undefined ? undefined : indexes.report(gauges.signal),
  );
  return {
    services,
    embedding: live.rules.embedding,
    databases,
    keys,
    registry,
    principalId: (principal) => set.live.rules.redactor.principalId(principal),
    damagedIndex: live.damagedIndex,
    failed: set.failed,
    close,
  };
}
