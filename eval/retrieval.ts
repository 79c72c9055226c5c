/**
 * How well searches find: nDCG@10, recall@10, recall@100, hit@1, hit@3 and MRR of lexical, dense and hybrid search.
 *
 *   npm run eval:retrieval -- [--data <folder>] [--handbook] [--model <model folder>] [--embedder hashing] [--qdrant <url>] [--json]
 *
 * `--data` holds `cranfield/` in the layout of BEIR; `--handbook` asks the demo's articles the questions written for them. Documents go
 * through the product's own stages into its embedded index, in a temporary folder, or into a collection of its own on the Qdrant server of
 * `--qdrant`. Without `--model` the model comes from the cache, or is fetched into it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { createHashingEmbedder } from '../connectors/hashing/embedder.ts';
import { openQdrantIndex } from '../connectors/qdrant/index.ts';
import { openSqliteIndex } from '../connectors/sqlite/index.ts';
import { createTransformersEmbedder } from '../connectors/transformers/embedder.ts';
import { resolveModel } from '../connectors/transformers/resolve-model.ts';
import { defaultCacheDir } from '../src/composition/embedding.ts';
import type { Tokenizer } from '../src/ports/chunker.ts';
import type { Embedder } from '../src/ports/embedder.ts';
import type { Index } from '../src/ports/index-store.ts';
import { systemClock } from '../src/runtime/clock.ts';
import { readBeir, readHandbook, type Dataset } from './retrieval/datasets.ts';
import { indexDataset } from './retrieval/instance.ts';
import { measure, MODES, type Figures } from './retrieval/measure.ts';

const { values } = parseArgs({
  options: {
    data: { type: 'string', ...(process.env.FRESHET_EVAL_DATA ? { default: process.env.FRESHET_EVAL_DATA } : {}) },
    handbook: { type: 'boolean', default: false },
    model: { type: 'string' },
    embedder: { type: 'string', default: 'transformers' },
    qdrant: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

async function openEmbedder(): Promise<Embedder & { readonly tokenizer: Tokenizer }> {
  if (values.embedder === 'hashing') return createHashingEmbedder();
  const resolved = await resolveModel({
    ...(values.model === undefined ? {} : { modelPath: values.model }),
    cacheDir: defaultCacheDir(process.env),
    allowHub: true,
    onProgress: ({ level, message }) => {
      if (level === 'warn') console.error(message);
    },
  });
  if (resolved.kind === 'hashing')
    throw new Error(`No embedding model: ${resolved.reason} Try --model or --embedder hashing.`);
  return createTransformersEmbedder({ model: resolved.model });
}

interface Report {
  readonly dataset: string;
  readonly documents: number;
  readonly chunks: number;
  readonly questions: number;
  readonly figures: readonly Figures[];
}

async function openIndex({ dimensions, fingerprint }: Embedder, folder: string): Promise<Index> {
  const spec = { dimensions, embedderFingerprint: fingerprint };
  return values.qdrant === undefined
    ? openSqliteIndex({ path: join(folder, 'index.sqlite'), ...spec })
    : openQdrantIndex({ url: values.qdrant, collection: basename(folder), clock: systemClock, ...spec });
}

async function evaluate(dataset: Dataset, embedder: Embedder & { readonly tokenizer: Tokenizer }): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'freshet-eval-'));
  try {
    const index = await openIndex(embedder, folder);
    await using instance = await indexDataset(dataset, { index, embedder, tokenizer: embedder.tokenizer });
    const { documents, chunks } = await index.stats(new AbortController().signal);
    const figures: Figures[] = [];
    for (const mode of MODES) figures.push(await measure(dataset, instance, mode));
    return { dataset: dataset.name, documents, chunks, questions: dataset.questions.length, figures };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const COLUMNS = ['ndcg10', 'recall10', 'recall100', 'hit1', 'hit3', 'mrr'] as const;

function print({ dataset, documents, chunks, questions, figures }: Report): void {
  console.log(`${dataset}: ${documents} documents, ${chunks} chunks, ${questions} questions`);
  console.log(['mode', ...COLUMNS, 'ms'].map((name) => name.padEnd(10)).join(''));
  for (const row of figures) {
    const cells = COLUMNS.map((column) => row[column].toFixed(3));
    console.log([row.mode, ...cells, row.searchMs.toFixed(1)].map((cell) => cell.padEnd(10)).join(''));
  }
}

const datasets: Dataset[] = [];
if (values.data !== undefined) datasets.push(await readBeir('cranfield', join(values.data, 'cranfield')));
if (values.handbook) datasets.push(await readHandbook(join(import.meta.dirname, '../demo')));
if (datasets.length === 0) {
  console.error('Which documents? --data <folder that holds cranfield/>, --handbook, or both');
  process.exit(2);
}
await using embedder = await openEmbedder();
const reports: Report[] = [];
for (const dataset of datasets) {
  const report = await evaluate(dataset, embedder);
  reports.push(report);
  if (!values.json) print(report);
}
if (values.json) console.log(JSON.stringify(reports, undefined, 2));
