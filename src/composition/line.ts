import { setMaxListeners } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FreshetConfig } from '../config/index.ts';
import { freshetErrorOf, type FreshetError } from '../domain/errors.ts';
import { createChangeFeed, type ChangeFeed } from '../observability/change-feed.ts';
import type { Observer } from '../observability/events.ts';
import type { FedIndex } from '../ports/index-catalogue.ts';
import { Cleanup } from '../runtime/cleanup.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Line } from '../services/blue-green/line.ts';
import { lineSuffix } from '../services/blue-green/line-name.ts';
import type { LiveSource } from '../services/live-source.ts';
import { sweepRegularly } from '../services/sweep.ts';
import type { Databases } from './databases.ts';
import type { DeadLetterHome } from './dead-letter-home.ts';
import { saveFilledUnder } from './filled-under.ts';
import type { IndexHome } from './index-home.ts';
import type { LineRules } from './line-rules.ts';
import type { DataKeys } from './keys.ts';
import { createLineServices } from './line-services.ts';
import { connect, pipelineLimits } from './pipelines.ts';
import { ownsPushes } from './push-owner.ts';
import { loadRetired, retireTables } from './retire.ts';
import { settingsFingerprint } from './settings.ts';
import { openConfigured, openPushed, openPushedElsewhere, type PushedDocumentsLog } from './sources.ts';

export interface LineParts {
  readonly name: string;
  readonly settings: Line['settings'];
  readonly config: FreshetConfig;
  readonly rules: LineRules;
  readonly home: IndexHome;
  readonly databases: Databases;
  readonly pushed: PushedDocumentsLog;
  readonly keys: Pick<DataKeys, 'seal'>;
  readonly deadLetters: DeadLetterHome;
  /** What the instance makes of what happens in this line, besides its own feed. */
  readonly observer: Observer;
  readonly onCloseFailed: (what: string, error: unknown) => void;
}

export interface OpenLine extends Line {
  readonly rules: LineRules;
  /** Where the damaged index was put, if it was replaced. */
  readonly damagedIndex: string | undefined;
}

/** Opens one index, builds everything that feeds it, and starts feeding it. */
export async function openLine(parts: LineParts, signal: AbortSignal): Promise<OpenLine> {
  const cleanup = new Cleanup();
  const close = (): Promise<void> => cleanup.run(parts.onCloseFailed);
  try {
    return await open(parts, cleanup, close, signal);
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(
  parts: LineParts,
  cleanup: Cleanup,
  close: () => Promise<void>,
  signal: AbortSignal,
): Promise<OpenLine> {
  const { name, config, rules, databases } = parts;
  const { redactor, chunker, mapper, fingerprints, queue: embedQueue } = rules;
  const { embedder } = rules.embedding;
  const clock = systemClock;
  cleanup.add('embedder', () => rules.release());

  const spec = { dimensions: embedder.dimensions, embedderFingerprint: embedder.fingerprint };
  const { index, rebuilding, damagedIndex, shared } = await parts.home.open(name, spec, signal);
  cleanup.add('index', () => index[Symbol.asyncDispose]());
  const { key } = rules.settings.redaction;
  if (key !== undefined) await shared?.checkKey(key);
  const { deadLetters, close: closeLetters } = await parts.deadLetters.open(name, signal);
  cleanup.add('dead letters', closeLetters);
  const life = new AbortController();
  setMaxListeners(0, life.signal);
  cleanup.add('reading', () => life.abort());
  const feed = feedOf(index, life.signal);
  const observer: Observer = {
    emit: (event) => {
      parts.observer.emit(event);
      feed.emit(event);
    },
  };

  const suffix = lineSuffix(name);
  const spoolFolder = spoolFolderOf(config, name);
  mkdirSync(spoolFolder, { recursive: true });
  const retired = await loadRetired(index);
  const sourceParts = { checkpoints: index, settings: fingerprints, retired, clock, observer, spoolFolder, suffix };
  const { pushes } = config.server;
  const ours = shared === undefined ? pushes !== 'refuse' : await ownsPushes(shared.checkpoints, pushes, parts.keys);
  const pushed = ours ? openPushed(parts.pushed, sourceParts) : openPushedElsewhere(sourceParts);
  const all = [...openConfigured(config, databases.connectionOf, sourceParts), pushed];
  for (const { source } of all) cleanup.add(`source ${source.name}`, () => source[Symbol.asyncDispose]());
  const mappings = all.flatMap((source) => source.mappings);
  const fingerprint = settingsFingerprint(
    mappings,
    fingerprints,
    all.flatMap(({ shapedBy }) => (shapedBy === undefined ? [] : [shapedBy])),
  );
  const generation = await index.registerSettings(fingerprint, signal);
  await saveFilledUnder(index, rules.id);
  await retireTables({ index, retired, generation, clock, mappings }, signal);

  const limits = pipelineLimits(config);
  const pipes = { index, mapper, redactor, chunker, embedQueue, deadLetters, generation, clock, observer, limits };
  const sources = all.map((source) => connect(source, pipes));
  const services = createLineServices({
    name,
    index,
    rebuilding,
    rules,
    sources,
    pushed: pushed.source,
    deadLetters,
    feed,
    settingsFingerprint: fingerprint,
  });

  let failure: FreshetError | undefined;
  const failed = run(sources, { index, deadLetters, clock, observer, config }, cleanup);
  failed.catch((error: unknown) => (failure = freshetErrorOf(error)));
  return {
    name,
    settings: parts.settings,
    rebuildsInPlace: rebuilding !== undefined,
    embedderName: rules.embedding.name,
    index,
    sources,
    deadLetters,
    services,
    rules,
    damagedIndex,
    failed,
    get failure() {
      return failure;
    },
    close,
  };
}

/** For large transactions: what is in it is worth nothing after the process ended. */
export const spoolFolderOf = ({ dataDir }: Pick<FreshetConfig, 'dataDir'>, line: string): string =>
  join(dataDir, lineSuffix(line) === '' ? 'spool' : `spool.${line}`);

const feedOf = (index: FedIndex, signal: AbortSignal): ChangeFeed =>
  createChangeFeed({
    now: systemClock.now,
    describe: async (id, tenant) => {
      const head = (await index.heads([id], signal)).get(id);
      return head?.attributes.tenant === tenant ? head.attributes : undefined;
    },
  });

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
