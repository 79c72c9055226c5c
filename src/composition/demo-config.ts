import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Name of the demo's source: part of every document id. */
export const DEMO_SOURCE = 'handbook';
export const DEMO_TABLE = 'public.articles';

/** The handbook's articles, in the package beside the code, whether that runs from source or built. */
export const HANDBOOK_FOLDER = findUp(import.meta.dirname, 'demo/handbook');

/** The demo's settings, as a layer below flags and environment. It must come up on every machine: without a model it searches words. */
export const DEMO_DEFAULTS = {
  embedder: { fallback: 'hashing' },
  sources: {
    [DEMO_SOURCE]: {
      type: 'embedded-postgres',
      tables: {
        [DEMO_TABLE]: {
          text: '{body}',
          title: '{title}',
          uri: 'kb://{slug}',
          metadata: ['category', 'author'],
          format: 'markdown',
          columns: { author: 'hash', internal_note: 'drop' },
          filter: { column: 'published', op: 'eq', value: true },
        },
      },
    },
  },
} as const;

function findUp(from: string, name: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, name);
    if (existsSync(candidate) || dirname(folder) === folder) return candidate;
  }
}
