import type { Logger } from 'pino';
import picocolors from 'picocolors';
import type { CliDeps, OpenedFolder, RunOptions } from '../cli/deps.ts';
import type { FreshetConfig } from '../config/index.ts';
import { kindOf } from '../domain/errors.ts';
import { createLogger } from '../observability/logger.ts';
import { systemClock } from '../runtime/clock.ts';
import { writeInstanceFiles } from './instance-file.ts';
import { openFreshet, type Freshet } from './open.ts';
import { serve } from './serve.ts';
import { createTerminal } from './terminal.ts';
import type { Ui } from './ui.ts';
import { whileAlive } from './while-alive.ts';

/** What the process gives to commands that open an instance. */
export interface Surroundings {
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean | undefined };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean | undefined };
  /** Fires on the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
}

/** `freshet start`: opens, serves, says where, and runs until stopped or failed. */
export async function start(config: FreshetConfig, options: RunOptions, around: Surroundings): Promise<void> {
  const ui = terminalOf(config, around);
  const startedAt = systemClock.monotonic();
  const freshet = await openFreshet({ config, demo: options.demo, env: around.env, ui, signal: around.signal });
  try {
    const served = await serve(freshet, config, {
      logger: ui.logger,
      version: around.version,
      portIsWanted: options.originOf(['server', 'port']) !== 'default',
      say: ui.say,
    });
    try {
      const { embeddedUrl } = freshet.databases;
      const forget = writeInstanceFiles(
        config.dataDir,
        {
          api: served.api,
          adminToken: freshet.keys.adminToken,
          demo: options.demo,
          ...(embeddedUrl === undefined ? {} : { postgres: embeddedUrl }),
        },
        systemClock.now(),
      );
      try {
        await Promise.race([ready(freshet, around.signal), freshet.failed]);
        if (!around.signal.aborted) {
          ui.end();
          const seconds = ((systemClock.monotonic() - startedAt) / 1000).toFixed(1);
          around.stdout.write(
            greeting(served.api, freshet, config, { demo: options.demo, seconds, colours: colours(around) }),
          );
        }
        await Promise.race([aborted(around.signal), freshet.failed]);
        ui.say('Stopping: finishing what is in flight …');
      } finally {
        exitAtDeadline(config.shutdown.deadline);
        forget();
      }
    } finally {
      await served.close();
    }
  } finally {
    await freshet.close();
  }
}

/** For commands on a data folder that no instance owns: opened and fed, not served. */
export async function openOffline(
  config: FreshetConfig,
  options: Parameters<CliDeps['openOffline']>[1],
  around: Surroundings,
): Promise<OpenedFolder> {
  const ui = terminalOf(config, around);
  const { demo, replaceDamagedIndex } = options;
  const freshet = await openFreshet({
    config,
    demo,
    env: around.env,
    ui,
    signal: around.signal,
    replaceDamagedIndex,
  });
  try {
    await Promise.race([ready(freshet, around.signal), freshet.failed]);
  } catch (error) {
    await freshet.close();
    throw error;
  } finally {
    ui.end();
  }
  return {
    services: { ...freshet.services, admin: whileAlive(freshet.services.admin, freshet.failed) },
    ...(freshet.damagedIndex === undefined ? {} : { damagedIndex: freshet.damagedIndex }),
    close: () => freshet.close(),
  };
}

const READY_POLL_MS = 50;
/** Exit code of a stop that ran into its deadline. */
const STOPPED_LATE = 1;

/** Resolves once the first copy of every source is in. */
async function ready({ services }: Freshet, signal: AbortSignal): Promise<void> {
  try {
    while (!(await services.freshness.ready()).ready) await systemClock.sleep(READY_POLL_MS, signal);
  } catch (error) {
    if (kindOf(error) !== 'aborted') throw error;
  }
}

/** Whatever hangs then, the process ends: what was not committed is done again at the next start. */
function exitAtDeadline(ms: number): void {
  setTimeout(() => process.exit(STOPPED_LATE), ms).unref();
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

const colours = ({ stdout, env }: Surroundings): boolean => stdout.isTTY === true && !env.NO_COLOR;

function terminalOf(config: FreshetConfig, around: Surroundings): Ui & { end(): void } {
  const { level, format } = config.log;
  const onTerminal = around.stderr.isTTY === true;
  const logger: Logger = createLogger({
    // A person at a terminal reads our own lines; the log speaks up when something is wrong.
    level: level === 'info' && format === 'auto' && onTerminal ? 'warn' : level,
    format: format === 'auto' ? (onTerminal ? 'pretty' : 'json') : format,
    colors: onTerminal && !around.env.NO_COLOR,
  });
  return createTerminal({
    logger,
    stream: around.stderr,
    colours: onTerminal && !around.env.NO_COLOR,
    now: systemClock.now,
  });
}

function greeting(
  api: string,
  { embedding, databases }: Freshet,
  config: FreshetConfig,
  { demo, seconds, colours: inColour }: { readonly demo: boolean; readonly seconds: string; readonly colours: boolean },
): string {
  const { bold, cyan, dim, yellow } = picocolors.createColors(inColour);
  const lines = [
    '',
    `${bold('Freshet')} is ready after ${seconds} s: ${cyan(api)}`,
    dim(`  model ${embedding.name}, data in ${config.dataDir}`),
  ];
  if (embedding.fallbackReason !== undefined) {
    lines.push(yellow(`  No embedding model: search finds words, not meanings. ${embedding.fallbackReason}`));
  } else if (embedding.lexicalOnly) {
    lines.push(yellow('  The hashing embedder finds words, not meanings.'));
  }
  lines.push(...databases.unknownColumns.map((message) => yellow(`  ${message}`)));
  if (demo && databases.embeddedUrl !== undefined) {
    const where = config.dataDir === `${process.cwd()}/.freshet` ? '' : ` --data-dir ${config.dataDir}`;
    lines.push(
      '',
      'Three things to try:',
      `  1. Search     npx freshet search "how long do returns take"${where}`,
      `  2. Edit a row psql "${databases.embeddedUrl}" -c "UPDATE articles SET body = 'Returns take 99 days.' WHERE slug = 'returns'"`,
      `  3. See it     open ${api} : edit an article there and watch the answer change`,
    );
  }
  if (!demo && databases.embeddedUrl !== undefined) lines.push(`  its PostgreSQL: ${databases.embeddedUrl}`);
  lines.push('', dim('Ctrl-C stops.'), '');
  return `${lines.join('\n')}\n`;
}
