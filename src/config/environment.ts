import { z } from 'zod';
import type { Environment } from './interpolate.ts';
import { withValue } from './layers.ts';
import type { ConfigProblem } from './problems.ts';
import { configSchema } from './schema.ts';
import { branches, knownKeys, membersAt, type Path, schemasAt, valueAt } from './schema-walk.ts';
import { didYouMean } from './suggest.ts';

/** Short names for what is changed most, beside the general `FRESHET_SECTION__KEY`. */
export const SHORT_HANDLES: Readonly<Record<string, Path>> = {
  FRESHET_PORT: ['server', 'port'],
  FRESHET_HOST: ['server', 'host'],
  FRESHET_DATA_DIR: ['dataDir'],
  FRESHET_MODEL_PATH: ['embedder', 'modelPath'],
  FRESHET_EMBEDDER: ['embedder', 'engine'],
  FRESHET_LOG_LEVEL: ['log', 'level'],
  FRESHET_LOG_FORMAT: ['log', 'format'],
};

export interface Override {
  readonly variable: string;
  readonly path: Path;
  readonly value: unknown;
}

/** `bodyLimit` → `BODY_LIMIT`: how a key of the file is written in a variable. */
export const variableName = (key: string): string =>
  key
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .toUpperCase();

/**
 * Overrides from the environment, e.g. `FRESHET_SERVER__PORT=8080` or `FRESHET_SOURCES__APP__SLOT=s1`: `__` between levels, `_` between
 * the words of a key; names of sources and tables must be in the file. A long form beats its short handle. Variables without `__` that are
 * no short handle belong to somebody else and are left alone; with `__`, an unknown name is an error. An empty variable counts as not set.
 */
export function environmentOverrides(
  env: Environment,
  file: unknown,
): { readonly overrides: readonly Override[]; readonly problems: readonly ConfigProblem[] } {
  // What a section may hold can hang on another override (`FRESHET_INDEX__ENGINE=qdrant`), so names are looked up in what the file becomes.
  const { overrides: first } = overridesOf(env, file);
  return overridesOf(
    env,
    first.reduce((tree, { path, value }) => withValue(tree, path, value), file),
  );
}

function overridesOf(env: Environment, tree: unknown): ReturnType<typeof environmentOverrides> {
  const short: Override[] = [];
  const long: Override[] = [];
  const problems: ConfigProblem[] = [];
  for (const variable of Object.keys(env).sort()) {
    const value = env[variable];
    if (value === undefined || value === '' || !variable.startsWith('FRESHET_')) continue;
    const handle = SHORT_HANDLES[variable];
    if (handle !== undefined) {
      short.push({ variable, path: handle, value });
    } else if (variable.includes('__')) {
      const found = resolve(variable.slice('FRESHET_'.length).split('__'), tree);
      if ('path' in found) long.push({ variable, path: found.path, value: listFrom(found.path, tree, value) });
      else problems.push({ path: variable, message: found.problem, where: 'environment' });
    }
  }
  return { overrides: [...short, ...long], problems };
}

function resolve(segments: readonly string[], file: unknown): { readonly path: Path } | { readonly problem: string } {
  const path: (string | number)[] = [];
  for (const segment of segments) {
    const here = valueAt(file, path);
    const isList = schemasAt(configSchema, file, path).some((schema) =>
      branches(schema, here).some((branch) => branch instanceof z.ZodArray),
    );
    if (isList && /^\d+$/.test(segment)) {
      path.push(Number(segment));
      continue;
    }
    const inFile = here !== null && typeof here === 'object' && !Array.isArray(here) ? Object.keys(here) : [];
    const known = [...new Set([...knownKeys(configSchema, file, path), ...inFile])];
    const key = known.find((name) => variableName(name) === segment.toUpperCase());
    const exists =
      key !== undefined && schemasAt(configSchema, file, path).some((s) => membersAt(s, here, key).length > 0);
    if (key === undefined || !exists) {
      const names = known.map(variableName);
      return { problem: `names no setting: "${segment}" is not known here.${didYouMean(segment, names)}` };
    }
    path.push(key);
  }
  return { path };
}

/** A list of texts is written with commas. */
function listFrom(path: Path, file: unknown, value: string): unknown {
  const isList = schemasAt(configSchema, file, path).some((schema) =>
    branches(schema, undefined).every((branch) => branch instanceof z.ZodArray),
  );
  return isList ? value.split(',').map((item) => item.trim()) : value;
}
