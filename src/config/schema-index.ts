import { z } from 'zod';
import { duration, flag, httpUrl, integer, pem, secret, section } from './fields.ts';

const sqlite = section('One file below `dataDir`: the embedded index, for one instance.', {
  engine: z.literal('sqlite').meta({ description: '`sqlite`: one file below `dataDir`.' }),
});

const qdrant = section('A Qdrant server or cluster, 1.19 or newer, shared by all instances.', {
  engine: z.literal('qdrant'),
  url: httpUrl('Address of the server, e.g. `https://qdrant.internal:6333`.'),
  apiKey: secret('Its API key, best as `${QDRANT_API_KEY}`.').exactOptional(),
  ca: pem('Certificates of the authorities to trust, instead of the system’s.').exactOptional(),
  collection: z
    .string()
    .regex(/^[a-z][a-z0-9_-]{0,39}$/, 'must be a lower-case letter, then letters, digits, "-" and "_", at most 40.')
    .default('freshet')
    .meta({ description: 'Begins the name of every collection of ours. All instances of one index share it.' }),
  timeout: duration('How long one request may take before it counts as failed and is tried again.', {
    min: 100,
    max: 600_000,
  }).default(10_000),
  concurrency: integer('Requests under way at a time.', { min: 1, max: 1_024 }).default(16),
  shards: integer('Shards of a new collection; at least one per node.', { min: 1, max: 10_000 }).default(1),
  replicas: integer('Copies of each shard.', { min: 1, max: 100 }).default(1),
  writeConsistency: integer('Copies that must have a write before it counts. Default: a majority of `replicas`.', {
    min: 1,
    max: 100,
  }).exactOptional(),
  quantization: z.enum(['none', 'scalar', 'binary']).default('none').meta({
    description:
      'Keeps compressed vectors in memory for the first pass of a search: `scalar` is a quarter of the size, `binary` a thirty-second (for 1,024 dimensions and more).',
  }),
  onDisk: flag('Whether full vectors lie on disk and only quantized ones, or what is hot, in memory.').default(false),
}).superRefine(({ replicas, writeConsistency }, context) => {
  if (writeConsistency === undefined || writeConsistency <= replicas) return;
  context.addIssue({
    code: 'custom',
    path: ['writeConsistency'],
    message: 'is more than "replicas": no write would ever count.',
  });
});

/** Where chunks and vectors are kept. */
export const indexStore = z
  .discriminatedUnion('engine', [sqlite, qdrant])
  .default({ engine: 'sqlite' })
  .meta({ description: 'Where chunks and vectors are kept.' });

export type IndexConfig = z.output<typeof indexStore>;
export type QdrantIndexConfig = z.output<typeof qdrant>;
