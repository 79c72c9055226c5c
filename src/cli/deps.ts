import type { FreshetConfig, LoadedConfig } from '../config/index.ts';
import type { Environment } from '../config/interpolate.ts';
import type { IndexesService } from '../services/blue-green/service.ts';
import type { AdminService, FreshnessService, SearchService } from '../services/services.ts';

/** A stream of the terminal. `process.stdout` is one. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** The part of the services that commands use; they work the same over a running instance's API and on an opened data folder. */
export interface CliServices {
  readonly search: SearchService;
  readonly freshness: Pick<FreshnessService, 'report'>;
  readonly admin: AdminService;
  readonly indexes: IndexesService;
}

export interface RunOptions {
  /** The built-in demo instead of configured sources: asked for by name, or because there is no configuration file. */
  readonly demo: boolean;
  /** The configuration file; undefined when there was none. */
  readonly file: string | undefined;
  /** Where a setting came from, e.g. to tell a port that was asked for from the default one. */
  readonly originOf: LoadedConfig['originOf'];
}

export interface OpenedFolder {
  readonly services: CliServices;
  /** The index file was damaged, and one built from the sources has taken its place; the damaged one is kept under this path. */
  readonly damagedIndex?: string;
  close(): Promise<void>;
}

export interface CheckResult {
  readonly status: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  /** What to do about it. */
  readonly mend?: string;
}

/** One thing `freshet doctor` looks at. It may throw: that is a failed check. */
export interface DoctorCheck {
  readonly name: string;
  run(signal: AbortSignal): Promise<CheckResult>;
}

/** Everything the command line needs from outside; the composition root gives it, tests give fakes. */
export interface CliDeps {
  readonly version: string;
  /** `process.versions.node` */
  readonly nodeVersion: string;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Environment;
  readonly cwd: string;
  readonly fetch: typeof globalThis.fetch;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Fires on the first Ctrl-C or SIGTERM: commands stop in good order. */
  readonly signal: AbortSignal;
  /** The demo's settings, as a layer below flags and environment. */
  readonly demoDefaults: unknown;
  /** Runs until the signal fires or it fails. Prints what a person should know; an orderly stop resolves. */
  start(config: FreshetConfig, options: RunOptions): Promise<void>;
  /** Takes the lock of the data folder (error code DATA_DIR_LOCKED when another process has it) and opens what commands need. */
  openOffline(
    config: FreshetConfig,
    options: RunOptions & {
      /** Puts a damaged index file aside and builds a new one, instead of failing. */
      readonly replaceDamagedIndex: boolean;
    },
  ): Promise<OpenedFolder>;
  /** Checks that need adapters: the model, each database. */
  doctorChecks(config: FreshetConfig, options: RunOptions): readonly DoctorCheck[];
}
