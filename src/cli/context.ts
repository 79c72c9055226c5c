import type { Command } from 'commander';
import { type LoadedConfig, loadConfig } from '../config/index.ts';
import { throwIfAborted } from '../domain/errors.ts';
import type { CliDeps, CliServices, RunOptions } from './deps.ts';
import { httpClient } from './http-client.ts';
import { findInstance } from './instance.ts';
import { createProgress, type ProgressMeter } from './progress.ts';
import { remoteServices } from './remote.ts';
import { createScreen, type Screen } from './screen.ts';

/** Options that every command takes, before or after its name. */
export interface GlobalOptions {
  readonly config?: string;
  readonly dataDir?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** Options of `start` and `demo`. */
export interface ServeOptions extends GlobalOptions {
  readonly host?: string;
  readonly port?: number;
  readonly modelPath?: string;
  readonly embedder?: string;
}

/** How a command reached the index. */
export type Via =
  | { readonly kind: 'instance'; readonly api: string }
  | { readonly kind: 'data folder'; readonly path: string };

export interface Context<Options extends GlobalOptions> {
  readonly deps: CliDeps;
  readonly options: Options;
  readonly screen: Screen;
  readonly json: boolean;
  load(defaults?: unknown): LoadedConfig;
  progress(): ProgressMeter;
  /** Runs on the running instance, or on the data folder under its lock, which is given back afterwards. */
  withServices<T>(use: (services: CliServices, via: Via) => Promise<T>): Promise<T>;
}

/** Flags as a layer over file and environment. */
function flagsOf(options: ServeOptions): unknown {
  return {
    dataDir: options.dataDir,
    server: { host: options.host, port: options.port },
    embedder: { engine: options.embedder, modelPath: options.modelPath },
  };
}

export const runOptions = (loaded: LoadedConfig, demo = loaded.file === undefined): RunOptions => ({
  demo,
  file: loaded.file,
  originOf: loaded.originOf,
});

export function createContext<Options extends GlobalOptions>(deps: CliDeps, command: Command): Context<Options> {
  const options = command.optsWithGlobals<Options>();
  const screen = createScreen(deps);
  const json = options.json === true;
  const load = (defaults?: unknown): LoadedConfig =>
    loadConfig({ file: options.config, cwd: deps.cwd, env: deps.env, overrides: flagsOf(options), defaults });
  return {
    deps,
    options,
    screen,
    json,
    load,
    progress: () =>
      createProgress({
        output: deps.stderr,
        colours: screen.err,
        now: deps.now,
        // JSON on a pipe is read by a program: it gets no lines it did not ask for.
        silent: json && deps.stderr.isTTY !== true,
      }),
    withServices: async (use) => {
      const loaded = load();
      const { config } = loaded;
      const instance = await findInstance(config.dataDir, deps.fetch, deps.signal);
      if (instance !== undefined) {
        const token = instance.adminToken ?? deps.env.FRESHET_API_KEY;
        return use(remoteServices(httpClient(instance.api, token, deps.fetch)), {
          kind: 'instance',
          api: instance.api,
        });
      }
      throwIfAborted(deps.signal);
      if (!json) screen.note(screen.err.dim(`No instance is running on ${config.dataDir}: opening it.`));
      const opened = await deps.openOffline(config, runOptions(loaded));
      try {
        return await use(opened.services, { kind: 'data folder', path: config.dataDir });
      } finally {
        await opened.close();
      }
    },
  };
}
