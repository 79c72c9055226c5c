/**
 * Texts per second of the embedder (text in, vectors out) against raw onnxruntime-node fed with the same batches, already tokenised,
 * by as many workers, in the same run. Also how long the event loop was blocked meanwhile, and the memory it took.
 *
 *   npx tsx eval/embed-bench.ts --model FOLDER [--workers 1,2] [--intra 1] [--batch-tokens 256,512] [--texts 400] [--rounds 3]
 */
import { availableParallelism } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { cutBatches } from '../connectors/transformers/batches.ts';
import { createTransformersEmbedder } from '../connectors/transformers/embedder.ts';
import type { LocalModel } from '../connectors/transformers/model.ts';
import { inspectModelFolder } from '../connectors/transformers/model-folder.ts';
import { createWordPieceTokenizer, type WordPieceTokenizer } from '../connectors/transformers/wordpiece/tokenizer.ts';
import { workerModule } from '../connectors/transformers/worker-entry.ts';
import { WorkerPool, type Batch } from '../connectors/transformers/worker-pool.ts';
import type { WorkerSettings } from '../connectors/transformers/worker-protocol.ts';
import type { Redacted } from '../src/domain/document.ts';

interface Setting {
  readonly workers: number;
  readonly intraOpThreads: number;
  readonly maxBatchTokens: number;
}

const never = new AbortController().signal;

/** Texts of 20 to 250 words, drawn with a fixed seed: lengths vary as those of chunks do. */
function makeTexts(count: number): readonly string[] {
  const words =
    'the invoice was returned because of a late delivery and support refunded customer order policy within days when'.split(
      ' ',
    );
  let state = 42;
  const random = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const word = (): string => words[Math.floor(random() * words.length)] ?? 'the';
  return Array.from({ length: count }, () =>
    Array.from({ length: 20 + Math.floor(230 * random() ** 1.5) }, word).join(' '),
  );
}

async function openRaw(model: LocalModel, tokenizer: WordPieceTokenizer, setting: Setting): Promise<WorkerPool> {
  const workerData: WorkerSettings = {
    device: 'cpu',
    folder: model.folder,
    externalData: model.externalData,
    paddingId: tokenizer.special.padding,
    dimensions: model.dimensions,
    intraOpThreads: setting.intraOpThreads,
  };
  return WorkerPool.start({
    mend: 'Give the folder of a model.',
    startWorker: workerModule('embed-bench-raw-worker', import.meta.url),
    workerData,
    size: setting.workers,
  });
}

/** The embedder's own batches, made beforehand: the yardstick pays for nothing but running them. */
function rawBatches(texts: readonly string[], tokenizer: WordPieceTokenizer, maxBatchTokens: number): readonly Batch[] {
  const ids = texts.map((text) => tokenizer.encode(text));
  const cut = cutBatches(
    ids.map((text) => text.length),
    maxBatchTokens,
  );
  return cut.map((batch) => {
    const rows = batch.map((at) => [tokenizer.special.start, ...(ids[at] ?? []), tokenizer.special.end]);
    return { ids: Int32Array.from(rows.flat()), lengths: Int32Array.from(rows, (row) => row.length) };
  });
}

interface Cost {
  readonly perSecond: number;
  /** Of all threads; hardly moved by what else the machine does, unlike the rate. */
  readonly cpuMsPerText: number;
}

async function costOf(count: number, work: () => Promise<unknown>): Promise<Cost> {
  const startedMs = performance.now();
  const before = process.cpuUsage();
  await work();
  const used = process.cpuUsage(before);
  return {
    perSecond: (count * 1000) / (performance.now() - startedMs),
    cpuMsPerText: (used.user + used.system) / 1000 / count,
  };
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

async function measure(
  model: LocalModel,
  setting: Setting,
  texts: readonly string[],
  roundCount: number,
): Promise<void> {
  const tokenizer = createWordPieceTokenizer(model.folder);
  await using raw = await openRaw(model, tokenizer, setting);
  await using embedder = await createTransformersEmbedder({ model, ...setting });
  const redacted = texts as readonly Redacted<string>[];
  const runRaw = (): Promise<unknown> =>
    raw.run(rawBatches(texts, tokenizer, setting.maxBatchTokens), { urgent: false, signal: never });
  const runOurs = (): Promise<unknown> => embedder.embed(redacted, 'document', never);
  await runRaw();
  await runOurs();

  const rounds: { raw: Cost; ours: Cost }[] = [];
  const lags: { p99: number; max: number }[] = [];
  for (let round = 0; round < roundCount; round++) {
    const batches = rawBatches(texts, tokenizer, setting.maxBatchTokens);
    const rawCost = await costOf(texts.length, () => raw.run(batches, { urgent: false, signal: never }));
    const lag = monitorEventLoopDelay({ resolution: 5 });
    lag.enable();
    const ours = await costOf(texts.length, runOurs);
    lag.disable();
    lags.push({ p99: lag.percentile(99) / 1e6, max: lag.max / 1e6 });
    rounds.push({ raw: rawCost, ours });
  }
  const one = ['the invoice was returned within days'] as readonly string[] as readonly Redacted<string>[];
  const latencies: number[] = [];
  for (let i = 0; i < 20; i++)
    latencies.push(1000 / (await costOf(1, () => embedder.embed(one, 'query', never))).perSecond);

  const row = [
    `workers ${setting.workers}`,
    `intra-op ${setting.intraOpThreads}`,
    `batch tokens ${setting.maxBatchTokens}`,
    `raw ${median(rounds.map(({ raw }) => raw.perSecond)).toFixed(1)}/s`,
    `ours ${median(rounds.map(({ ours }) => ours.perSecond)).toFixed(1)}/s`,
    `ratio ${median(rounds.map(({ raw, ours }) => ours.perSecond / raw.perSecond)).toFixed(3)}`,
    `CPU per text ${median(rounds.map(({ ours }) => ours.cpuMsPerText)).toFixed(1)} ms, raw ${median(rounds.map(({ raw }) => raw.cpuMsPerText)).toFixed(1)}`,
    `CPU ratio ${median(rounds.map(({ raw, ours }) => raw.cpuMsPerText / ours.cpuMsPerText)).toFixed(3)}`,
    `loop p99 ${median(lags.map((lag) => lag.p99)).toFixed(0)} ms, max ${Math.max(...lags.map((lag) => lag.max)).toFixed(0)} ms`,
    `one short text ${median(latencies).toFixed(1)} ms`,
    `RSS ${(process.memoryUsage().rss / 1e6).toFixed(0)} MB with both`,
  ];
  console.log(row.join(' | '));
}

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    workers: { type: 'string', default: String(availableParallelism()) },
    intra: { type: 'string', default: '1' },
    'batch-tokens': { type: 'string', default: '512' },
    texts: { type: 'string', default: '400' },
    rounds: { type: 'string', default: '3' },
  },
});
if (values.model === undefined) throw new Error('Name a model folder with --model.');
const numbers = (list: string): readonly number[] => list.split(',').map(Number);
const model = await inspectModelFolder(values.model);
const texts = makeTexts(Number(values.texts));
const tokenizer = createWordPieceTokenizer(model.folder);
const tokens = texts.reduce((sum, text) => sum + tokenizer.count(text), 0);
console.log(
  `${texts.length} texts of ${(tokens / texts.length).toFixed(0)} tokens on average, ${availableParallelism()} cores`,
);
for (const workers of numbers(values.workers)) {
  for (const intraOpThreads of numbers(values.intra)) {
    for (const maxBatchTokens of numbers(values['batch-tokens'])) {
      await measure(model, { workers, intraOpThreads, maxBatchTokens }, texts, Number(values.rounds));
    }
  }
}
