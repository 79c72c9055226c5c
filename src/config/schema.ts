import { z } from 'zod';
import { bytes, duration, flag, integer, listOf, path, secret, section, text } from './fields.ts';
import { conflicts } from './conflicts.ts';
import { candidateSection } from './schema-candidate.ts';
import { deadLetters } from './schema-dead-letters.ts';
import { indexStore } from './schema-index.ts';
import { sourceSchema } from './schema-sources.ts';

// One schema is the configuration: its types, its checks, its documentation and the JSON schema for editors all come from here.

const apiKey = section('One API key.', {
  name: text('Names the key in logs, never the secret. Default: `key-1`, `key-2`, …').exactOptional(),
  key: secret(
    'The key, best as `${FRESHET_API_KEY}`; make one with `openssl rand -hex 32`. Sent as `authorization: Bearer …`.',
  ).min(16),
  tenant: text('The tenant this key reads and writes.').default('default'),
  principals: listOf(
    'Sees only documents open to one of these. Without it, every document of the tenant.',
  ).exactOptional(),
  scopes: z
    .array(z.enum(['read', 'write', 'admin']))
    .min(1)
    .default(['read'])
    .meta({
      description:
        'What the key may do: `read` searches, `write` pushes documents, `admin` verifies, rebuilds and replays.',
    }),
});

const server = section('The HTTP API.', {
  host: text('Address to listen on. Anything but loopback needs an API key.').default('127.0.0.1'),
  port: integer('Port to listen on; 0 picks a free one.', { max: 65_535 }).default(7411),
  apiKeys: z.array(apiKey).default([]).meta({ description: 'Keys of the callers. None are needed on loopback.' }),
  bodyLimit: bytes('Largest request body.', { min: 1_024, max: 1e9 }).default(16e6),
  requestsPerMinute: integer('Requests per key, or per address without one; 0 switches the limit off.').default(6_000),
  pushes: z.enum(['accept', 'refuse', 'take-over']).default('accept').meta({
    description:
      'Whether documents may be pushed to this instance. It keeps their log in `dataDir`, so of the instances that share an index exactly one accepts them; `take-over` makes this one it, when that one is gone for good.',
  }),
  allowedHosts: listOf('Host names answered on loopback besides `localhost`, `127.0.0.1` and `[::1]`.').default([]),
});

const embedder = section('What turns text into vectors.', {
  engine: z.enum(['transformers', 'hashing']).default('transformers').meta({
    description: '`transformers` runs the model in this process; `hashing` is lexical only and needs no model.',
  }),
  model: text('Name of the model.').default('all-MiniLM-L6-v2'),
  modelPath: path('Folder that holds the model. Default: found in `cacheDir`, else fetched.').exactOptional(),
  cacheDir: path('Where fetched models are kept. Default: the user’s cache folder.').exactOptional(),
  device: z.enum(['cpu', 'cuda']).default('cpu').meta({
    description:
      'Where the model runs. `cuda` needs an NVIDIA GPU, CUDA 12 with cuDNN 9 and onnxruntime’s CUDA libraries; the image `cuda` has them.',
  }),
  workers: integer('Worker threads that embed; 0 means one per core of the machine, at most 4.', {
    max: 64,
  }).default(0),
  maxBatchTokens: integer('Padded tokens of one batch.', { min: 16, max: 1_000_000 }).default(512),
  allowHub: flag('Whether the model may be fetched from the network.').default(true),
  fallback: z.enum(['none', 'hashing']).default('none').meta({
    description:
      'When the model cannot be had: stop (`none`), or carry on with `hashing` and say so loudly (the demo does).',
  }),
});

const chunker = section('How documents are cut.', {
  maxTokens: integer('Longest chunk, in tokens of the model.', { min: 16, max: 510 }).default(200),
});

const redaction = section('Personal data and secrets are replaced before a text is chunked, embedded or stored.', {
  recognisers: section('What is looked for in the text.', {
    email: flag('E-mail addresses.').default(true),
    card: flag('Payment card numbers (prefix and Luhn check).').default(true),
    iban: flag('IBANs (mod 97 check).').default(true),
    ssn: flag('US social security numbers.').default(true),
    ip: flag('IPv4 and IPv6 addresses.').default(true),
    jwt: flag('JSON web tokens.').default(true),
    apiKey: flag('API keys with known prefixes.').default(true),
    privateKey: flag('Private keys in PEM form.').default(true),
  }).prefault({}),
  key: secret('Key of the hashes. Default: made on the first start and kept in `dataDir`.').min(16).exactOptional(),
});

const limits = section('Bounds on what is in memory at a time.', {
  inFlightDeliveries: integer('Changes being worked on, per source.', { min: 1 }).default(512),
  queuedBytes: bytes('Bytes of changes waiting; reading pauses above it and goes on below 80 % of it.', {
    min: 1e6,
  }).default(64e6),
  uncommittedSpan: integer('Changes between the oldest unfinished one and the newest read, per partition.', {
    min: 1,
  }).default(20_000),
  maxTextLength: integer('Longer documents (in UTF-16 units) become dead letters.', {
    min: 1_024,
    max: 500_000_000,
  }).default(20_000_000),
  headCacheEntries: integer('Heads of hot documents kept in memory.').default(20_000),
  headCacheAge: duration('A cached head is read again once older than this.', { min: 100 }).default(30_000),
  writeDeadline: duration('A write not begun within this is decided again.', { min: 1_000 }).default(30_000),
});

const sweep = section('Removal of tombstones that no reader needs any more.', {
  interval: duration('Between two sweeps.', { min: 1_000 }).default(600_000),
  horizon: duration(
    'Tombstones younger than this stay. At least twice `limits.headCacheAge` + `limits.writeDeadline`.',
    {
      min: 60_000,
    },
  ).default(3_600_000),
});

const shutdown = section('Orderly stop.', {
  drain: duration('How long work under way may take to finish.').default(10_000),
  deadline: duration('After this the process exits whatever is left; nothing is lost, it is done again.').default(
    20_000,
  ),
});

const log = section('Log lines on standard error.', {
  level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .meta({ description: 'Least important line shown.' }),
  format: z
    .enum(['auto', 'pretty', 'json'])
    .default('auto')
    .meta({ description: '`auto` is `pretty` on a terminal and `json` elsewhere.' }),
});

export const configSchema = section('Configuration of Freshet.', {
  dataDir: path('Folder for the index, positions and keys, relative to this file.').default('.freshet'),
  server: server.prefault({}),
  embedder: embedder.prefault({}),
  chunker: chunker.prefault({}),
  redaction: redaction.prefault({}),
  candidate: candidateSection({ embedder, chunker, redaction }).exactOptional(),
  index: indexStore,
  sources: z
    .record(
      z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/, 'must be a lower-case letter, then letters, digits, "-" and "_".'),
      sourceSchema,
    )
    .default({})
    .meta({
      description: 'Where documents come from, by a name of your choice. The name is part of every document id.',
    }),
  deadLetters,
  limits: limits.prefault({}),
  sweep: sweep.prefault({}),
  shutdown: shutdown.prefault({}),
  log: log.prefault({}),
}).superRefine((config, context) => {
  for (const { path: at, message } of conflicts(config)) context.addIssue({ code: 'custom', path: [...at], message });
});

/** The whole configuration, checked: durations in milliseconds, sizes in bytes, every default filled in. */
export type FreshetConfig = z.output<typeof configSchema>;
