import { setMaxListeners } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { acquireDataLock } from '../../connectors/sqlite/lock.ts';
import { openSqliteState } from '../../connectors/sqlite/state.ts';
import type { FreshetConfig } from '../config/index.ts';
import { createChunker } from '../ingest/chunk/chunker.ts';
import { htmlToText } from '../ingest/chunk/html-to-text.ts';
import { createEmbedQueue } from '../ingest/embed-queue.ts';
import { createMapper } from '../ingest/map.ts';
import { createChangeFeed } from '../observability/change-feed.ts';
import type { Observer } from '../observability/events.ts';
import { registerProcessMetrics, registerStateGauges } from '../observability/gauges.ts';
import { createObserver } from '../observability/observer.ts';
import { applyColumnPolicy } from '../redaction/column-policy.ts';
import { createRedactor } from '../redaction/redactor.ts';
import { Cleanup } from '../runtime/cleanup.ts';
import { systemClock } from '../runtime/clock.ts';
import { createAdminService } from '../services/admin.ts';
import { createDocumentService } from '../services/documents.ts';
import { createFreshnessService } from '../services/freshness.ts';
import type { LiveSource } from '../services/live-source.ts';
import { createPushedDocuments } from '../services/pushed-documents.ts';
import { rebuild } from '../services/rebuild.ts';
import { createSearchService } from '../services/search.ts';
import type { Services } from '../services/services.ts';
import { sweepRegularly } from '../services/sweep.ts';
import { currentToken } from '../services/tokens.ts';
import { createExpectations } from '../services/verify/expected.ts';
import { createRepair } from '../services/verify/repair.ts';
import { verify } from '../services/verify/verify.ts';
import { startDatabases, type Databases } from './databases.ts';
import { openEmbedding, type Embedding } from './embedding.ts';
import { openIndexFiles } from './index-files.ts';
import { loadKeys, type DataKeys } from './keys.ts';
import { connect, pipelineLimits } from './pipelines.ts';
import { recogniserSelection } from './recognisers.ts';
import { loadRetired, RETIRED, retireTables } from './retire.ts';
import { settingsFingerprint, type SettingsParts } from './settings.ts';
import { openConfigured, openPushed, PUSH_SOURCE } from './sources.ts';
import type { Ui } from './ui.ts';

/** Everything of one instance but its HTTP server: opened, fed and answering. */
export interface Freshet {
  readonly services: Services;
  readonly sources: readonly LiveSource[];
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
  const hashKey = config.redaction.key === undefined ? keys.hash : Buffer.from(config.redaction.key);

  const embedding = await (options.openEmbedding ?? openEmbedding)(config.embedder, env, ui.modelProgress, signal);
  const { embedder, tokenizer } = embedding;
  cleanup.add('embedder', () => embedder[Symbol.asyncDispose]());

  const registry = new Registry();
  registerProcessMetrics(registry);
  const files = await openIndexFiles(dataDir, {
    dimensions: embedder.dimensions,
    embedderFingerprint: embedder.fingerprint,
    onProgress: ui.indexProgress,
    onLarge: (message) => ui.logger.warn(message),
    ...(options.replaceDamagedIndex === true ? { replaceDamagedAt: clock.now() } : {}),
  });
  const { index, damagedIndex } = files;
  if (damagedIndex !== undefined)
    ui.say(`The index was damaged and is put aside as ${damagedIndex}. Building a new one …`);
  cleanup.add('index', () => index[Symbol.asyncDispose]());
  const life = new AbortController();
  setMaxListeners(0, life.signal);
  const feed = createChangeFeed({
    now: clock.now,
    describe: async (id, tenant) => {
      const head = (await index.heads([id], life.signal)).get(id);
      return head?.attributes.tenant === tenant ? head.attributes : undefined;
    },
  });
  const observer: Observer = createObserver({ logger: ui.logger, registry, also: [feed, ui.observer] });

  const state = await openSqliteState({ path: join(dataDir, 'state.sqlite'), sealKey: keys.seal });
  cleanup.add('state', () => state[Symbol.asyncDispose]());
  const { deadLetters } = state;

  const redactor = createRedactor({ key: hashKey, recognisers: recogniserSelection(config.redaction.recognisers) });
  const { maxTokens } = config.chunker;
  const chunker = createChunker({ tokenizer, maxTokens: Math.min(maxTokens, embedder.maxTextTokens) });
  const mapper = createMapper({
    applyColumnPolicy: (row, policy) => applyColumnPolicy(row, policy, hashKey),
    htmlToText,
    hashKey,
    maxTextLength: config.limits.maxTextLength,
  });

  const embedQueue = createEmbedQueue({ embedder, clock, observer, random: Math.random, signal: life.signal });
  cleanup.add('embed queue', () => life.abort());

  let sources: readonly LiveSource[] = [];
  const databases = await startDatabases({
    config,
    demo: options.demo,
    ui,
    observer,
    token: (cancel) => currentToken(sources, cancel),
  });
  cleanup.add('databases', () => databases[Symbol.asyncDispose]());

  const settings: SettingsParts = {
    redactor: redactor.fingerprint,
    chunker: chunker.fingerprint,
    embedder: embedder.fingerprint,
  };
  const spoolFolder = join(dataDir, 'spool');
  mkdirSync(spoolFolder, { recursive: true });
  const retired = await loadRetired(index);
  const sourceParts = { checkpoints: index, settings, retired, clock, observer, spoolFolder };
  const opened = openConfigured(config, databases.connectionOf, sourceParts);
  const pushed = openPushed(state.pushed, sourceParts);
  const all = [...opened, pushed];
  const fingerprint = settingsFingerprint(
    all.flatMap((source) => source.mappings),
    settings,
  );
  const generation = await index.registerSettings(fingerprint, signal);
  await retireTables({ index, retired, generation, clock, mappings: all.flatMap((source) => source.mappings) }, signal);

  const limits = pipelineLimits(config);
  const parts = { index, mapper, redactor, chunker, embedQueue, deadLetters, generation, clock, observer, limits };
  sources = all.map((source) => connect(source, parts));
  const live = (): readonly LiveSource[] => sources;
  const forgetHeads = (): void => sources.forEach(({ pipeline }) => pipeline.forgetHeads());

  const expectations = createExpectations({ mapper, redactor, chunker, embedderFingerprint: embedder.fingerprint });
  const repair = createRepair({
    index,
    embedQueue,
    clock,
    settingsFingerprint: fingerprint,
    sourceOf: ({ table }) => sources.find(({ mappings }) => mappings.has(table))?.source.name ?? PUSH_SOURCE,
    forgetHeads,
  });
  const tokensOf = (text: string): number => tokenizer.count(text);
  const { lexicalOnly } = embedding;
  const modelName = embedding.name;
  const freshness = createFreshnessService({
    index,
    sources: live,
    embedQueue,
    lexicalOnly,
    modelName,
    deadLetters,
    feed,
    clock,
  });
  registerStateGauges(registry, () => freshness.report(life.signal));
  const services: Services = {
    search: createSearchService({ index, redactor, embedQueue, sources: live, clock, observer, lexicalOnly }),
    documents: createDocumentService({ index, feed, deadLetters, ...createPushedDocuments(pushed.source, redactor) }),
    freshness,
    admin: createAdminService({
      sources: live,
      deadLetters,
      verify: (verifyOptions, onProgress, cancel) =>
        verify(
          { index, sources: live, expectations, embedQueue, tokensOf, clock, random: Math.random, repair },
          verifyOptions,
          onProgress,
          cancel,
        ),
      rebuild: async (onProgress, cancel) => {
        const { openAside, discardAside, swap } = files;
        const done = await rebuild(
          {
            live: index,
            sources: live,
            expectations,
            embedQueue,
            settingsFingerprint: fingerprint,
            clock,
            alsoCopied: [RETIRED],
            openAside,
            discardAside,
            watchWrites: () => index.watchWrites(),
            swap,
          },
          onProgress,
          cancel,
        );
        forgetHeads();
        return done;
      },
    }),
  };

  const failed = run(sources, { index, deadLetters, clock, observer, config }, cleanup);
  const { principalId } = redactor;
  return { services, sources, embedding, databases, keys, registry, principalId, damagedIndex, failed, close };
}

/** Starts the pipelines and the sweeper; stopping them is the first thing that closing does. */
function run(
  sources: readonly LiveSource[],
  parts: Pick<Parameters<typeof sweepRegularly>[0], 'index' | 'deadLetters' | 'clock' | 'observer'> & {
    readonly config: FreshetConfig;
  },
  cleanup: Cleanup,
): Promise<never> {
  const stop = new AbortController();
  const { interval, horizon } = parts.config.sweep;
  const running = sources.map(({ pipeline }) => pipeline.run(stop.signal));
  if (interval > 0) {
    const { index, deadLetters, clock, observer } = parts;
    const sweeping = {
      index,
      deadLetters,
      clock,
      observer,
      sources: () => sources,
      intervalMs: interval,
      horizonMs: horizon,
    };
    running.push(sweepRegularly(sweeping, stop.signal));
  }
  cleanup.add('sources', async () => {
    for (const { source } of sources) await source[Symbol.asyncDispose]();
  });
  cleanup.add('pipelines', async () => {
    stop.abort();
    await Promise.allSettled(running);
  });
  const failed = new Promise<never>((_resolve, reject) => {
    for (const one of running) one.catch(reject);
  });
  // A source may fail before anybody waits for it: that must not end the process on the spot, without an orderly stop and a clear message.
  failed.catch(() => undefined);
  return failed;
}
