/** Name of the demo's source: part of every document id. */
export const DEMO_SOURCE = 'handbook';
export const DEMO_TABLE = 'public.articles';

/** What `freshet start` runs without a configuration file; a person's own flags and FRESHET_… variables lie above it. */
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
