import type { Command } from 'commander';
import { findConfigFile, type LoadedConfig, loadConfig } from '../config/index.ts';
import { FreshetError, throwIfAborted } from '../domain/errors.ts';
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
  | { readonly kind: 'data folder'; readonly path: string; readonly damagedIndex: string | undefined };

export interface Context<Options extends GlobalOptions> {
  readonly deps: CliDeps;
  readonly options: Options;
  readonly screen: Screen;
  readonly json: boolean;
  /** The configuration; without a file, that of the demo. */
  load(): LoadedConfig;
  /** The demo's, whether there is a file or not. */
  loadDemo(): LoadedConfig;
  progress(): ProgressMeter;
  /** Runs on the running instance, or on the data folder under its lock, which is given back afterwards. */
  withServices<T>(
    use: (services: CliServices, via: Via) => Promise<T>,
    options?: { readonly replaceDamagedIndex: boolean },
  ): Promise<T>;
}

/** Flags as a layer over file and environment. */
function flagsOf(options: ServeOptions): unknown {
  return {
    dataDir: options.dataDir,
    server: { host: options.host, port: options.port },
    embedder: { engine: options.embedder, modelPath: options.modelPath },
  };
}

export const runOptions = (loaded: LoadedConfig): RunOptions => ({
  demo: loaded.file === undefined,
  file: loaded.file,
  originOf: loaded.originOf,
});

/** Beside a configuration file, the demo must not share the data folder of what the file configures. */
const DEMO_DATA_DIR = '.freshet-demo';

export function createContext<Options extends GlobalOptions>(deps: CliDeps, command: Command): Context<Options> {
  const options = command.optsWithGlobals<Options>();
  const screen = createScreen(deps);
  const json = options.json === true;
  const inputs = { file: options.config, cwd: deps.cwd, env: deps.env, overrides: flagsOf(options) };
  const load = (): LoadedConfig => {
    if (findConfigFile(inputs) === undefined) return loadConfig({ ...inputs, defaults: deps.demoDefaults });
    return loadConfig(inputs);
  };
  const loadDemo = (): LoadedConfig => {
    if (options.config !== undefined) {
      throw new FreshetError(
        'USAGE_CONFIG',
        'fatal',
        'The demo reads no configuration file. Leave out --config, or use freshet start.',
      );
    }
    const isBesideFile = findConfigFile(inputs) !== undefined;
    const defaults = { ...(deps.demoDefaults as object), ...(isBesideFile ? { dataDir: DEMO_DATA_DIR } : {}) };
    return loadConfig({ ...inputs, file: false, defaults });
  };
  return {
    deps,
    options,
    screen,
    json,
    load,
    loadDemo,
    progress: () =>
      createProgress({
        output: deps.stderr,
        colours: screen.err,
        now: deps.now,
        // JSON on a pipe is read by a program: it gets no lines it did not ask for.
        silent: json && deps.stderr.isTTY !== true,
      }),
    withServices: async (use, { replaceDamagedIndex } = { replaceDamagedIndex: false }) => {
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
      const opened = await deps.openOffline(config, { ...runOptions(loaded), replaceDamagedIndex });
      try {
        return await use(opened.services, {
          kind: 'data folder',
          path: config.dataDir,
          damagedIndex: opened.damagedIndex,
        });
      } finally {
        await opened.close();
      }
    },
  };
}
