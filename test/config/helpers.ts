import type { ConfigInputs, LoadedConfig } from '../../src/config/index.ts';
import { ConfigError, loadConfig } from '../../src/config/index.ts';

/** Loads a text as `/project/freshet.yaml`. */
export function load(yaml: string, env: Record<string, string> = {}, more: Partial<ConfigInputs> = {}): LoadedConfig {
  return loadConfig({
    cwd: '/project',
    env,
    readFile: (path) => (path === '/project/freshet.yaml' ? yaml : undefined),
    ...more,
  });
}

export function problemsOf(yaml: string, env: Record<string, string> = {}, more: Partial<ConfigInputs> = {}) {
  try {
    load(yaml, env, more);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

export const table = (settings: string): string => `
sources:
  app:
    type: postgres
    connection: postgres://u:p@localhost/db
    tables:
      public.articles: ${settings}
`;
