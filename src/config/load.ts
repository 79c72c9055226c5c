import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { FreshetError } from '../domain/errors.ts';
import { environmentOverrides, type Override } from './environment.ts';
import { explain } from './explain.ts';
import { isPemText } from './fields.ts';
import { type Environment, interpolate } from './interpolate.ts';
import { layer, withValue } from './layers.ts';
import { ConfigError, type ConfigProblem } from './problems.ts';
import { configSchema, type FreshetConfig } from './schema.ts';
import { mapPaths } from './paths.ts';
import { formatPath, type Path, valueAt } from './schema-walk.ts';
import { readYaml, type YamlFile } from './yaml-file.ts';

export interface ConfigInputs {
  /**
   * The file to read; without it `FRESHET_CONFIG`, then `freshet.yaml` or `freshet.yml` in `cwd`, where that exists. `false` reads none.
   */
  readonly file?: string | false | undefined;
  readonly cwd: string;
  readonly env: Environment;
  /** From the command line: above everything. Members that are undefined do not count. */
  readonly overrides?: unknown;
  /** Below the file: what a command wants unless told otherwise. */
  readonly defaults?: unknown;
  /** Undefined when there is no such file. Default: the file system. */
  readonly readFile?: (path: string) => string | undefined;
}

/** Which layer a value came from. */
export type Origin = 'default' | 'file' | 'command line' | `environment variable ${string}`;

export interface LoadedConfig {
  readonly config: FreshetConfig;
  /** Absolute path of the file; undefined when there was none. */
  readonly file: string | undefined;
  originOf(path: Path): Origin;
}

const FILE_NAMES = ['freshet.yaml', 'freshet.yml'] as const;

function readFileIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new FreshetError(
      'CONFIG_UNREADABLE',
      'fatal',
      `${path} cannot be read (${code ?? 'unknown error'}). Check its permissions.`,
      {
        cause: error,
      },
    );
  }
}

/** The file that would be read, without reading what is in it. */
export function findConfigFile(inputs: ConfigInputs): string | undefined {
  return findFile(inputs)?.path;
}

function findFile(inputs: ConfigInputs): { readonly path: string; readonly text: string } | undefined {
  if (inputs.file === false) return undefined;
  const read = inputs.readFile ?? readFileIfThere;
  const wanted = inputs.file ?? (inputs.env.FRESHET_CONFIG || undefined);
  if (wanted !== undefined) {
    const path = resolve(inputs.cwd, wanted);
    const text = read(path);
    if (text === undefined) {
      const from = inputs.file === undefined ? 'FRESHET_CONFIG' : '--config';
      throw new FreshetError(
        'CONFIG_NOT_FOUND',
        'fatal',
        `There is no file ${path}, which ${from} names. Check the path.`,
      );
    }
    return { path, text };
  }
  for (const name of FILE_NAMES) {
    const path = join(inputs.cwd, name);
    const text = read(path);
    if (text !== undefined) return { path, text };
  }
  return undefined;
}

/**
 * Defaults, file, environment and command line, in this order, as one checked configuration.
 * @throws ConfigError (CONFIG_INVALID) with every problem found; CONFIG_NOT_FOUND, CONFIG_UNREADABLE.
 */
export function loadConfig(inputs: ConfigInputs): LoadedConfig {
  const found = findFile(inputs);
  const file = found === undefined ? undefined : readYaml(found.text, found.path);
  if (file !== undefined && file.problems.length > 0) throw new ConfigError(file.problems, found?.path);

  const interpolated = interpolate(file?.value ?? {}, inputs.env);
  let tree = layer(inputs.defaults ?? {}, interpolated.value);
  const { overrides, problems: environmentProblems } = environmentOverrides(inputs.env, tree);
  for (const override of overrides) tree = withValue(tree, override.path, override.value);
  tree = layer(tree, inputs.overrides);

  const originOf = (path: Path): Origin => origin(path, inputs.overrides, overrides, file?.value);
  const where = (path: Path): Pick<ConfigProblem, 'where' | 'line' | 'column'> => {
    const from = originOf(path);
    if (from === 'command line' || from.startsWith('environment')) return { where: from };
    return found === undefined || file === undefined ? {} : { where: found.path, ...file.locate(path) };
  };
  // What a reference brought in may be a secret wherever it stands; a FRESHET_ override is one only where the schema says so.
  const hidden = (path: Path): boolean => interpolated.fromEnvironment.has(formatPath(path));

  const problems: ConfigProblem[] = [
    ...interpolated.problems.map(({ at, ...problem }) => ({ ...problem, ...where(at) })),
    ...environmentProblems,
  ];
  const known = new Set(problems.map((problem) => problem.path));
  const parsed = configSchema.safeParse(tree);
  for (const issue of parsed.success ? [] : parsed.error.issues) {
    for (const { path, ...explained } of explain(issue, tree, hidden)) {
      if (!known.has(formatPath(path))) problems.push({ path: formatPath(path), ...explained, ...where(path) });
    }
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems, found?.path);
  return { config: withAbsolutePaths(parsed.data, inputs.cwd, found?.path, originOf), file: found?.path, originOf };
}

function origin(path: Path, flags: unknown, overrides: readonly Override[], file: YamlFile['value']): Origin {
  if (path.length > 0 && valueAt(flags, path) !== undefined) return 'command line';
  const covers = (override: Override): boolean =>
    override.path.length <= path.length && override.path.every((part, depth) => part === path[depth]);
  const override = overrides.findLast(covers);
  if (override !== undefined) return `environment variable ${override.variable}`;
  return valueAt(file, path) === undefined ? 'default' : 'file';
}

/** Paths written in the file are relative to the file; those of the command line and environment to the working directory. */
function withAbsolutePaths(
  config: FreshetConfig,
  cwd: string,
  file: string | undefined,
  originOf: (path: Path) => Origin,
): FreshetConfig {
  const absolute = (value: string, path: Path): string => {
    if (isAbsolute(value) || isPemText(value)) return value;
    const from = originOf(path);
    return resolve(file !== undefined && (from === 'file' || from === 'default') ? dirname(file) : cwd, value);
  };
  // Only texts are replaced, by texts.
  return mapPaths(config, absolute) as FreshetConfig;
}
