import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openEmbedding, type Embedding } from '../../src/composition/embedding.ts';
import { cutBatches } from '../../connectors/transformers/batches.ts';
import type { Redacted } from '../../src/domain/document.ts';
import type { FreshetEvent } from '../../src/observability/events.ts';
import type { Part } from './context.ts';
import { documentIdOf, makeArticle, TENANT } from './corpus.ts';
import { openProduct, productConfig, untilReady } from './product.ts';
import { mean, median, monotonicMs } from './statistics.ts';

const TABLE = 'indexing_docs';
const never = new AbortController().signal;

interface Run {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** One engine for both: the very workers that the product uses run the bare loop. */
function shared(embedding: Embedding): Embedding {
  return { ...embedding, embedder: { ...embedding.embedder, [Symbol.asyncDispose]: () => Promise.resolve() } };
}

async function timed(work: () => Promise<void>): Promise<Run> {
  const cpu = process.cpuUsage();
  const started = monotonicMs();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (monotonicMs() - started) / 1000, cpuSeconds: (user + system) / 1e6 };
}

/**
 * Documents of PostgreSQL until searchable, against encoding the same chunk texts with the same workers and nothing else: one call with all
 * texts, so that the bare loop has the best batches there are. In turn: bare, product, bare, product, …, bare; each product run is judged by
 * the mean of the bare runs around it.
 */
export const indexing: Part = async ({ options, folder, say, database }) => {
  const db = await database();
  const count = options.indexingDocuments;
  await db.createTable(
    TABLE,
    Array.from({ length: count }, (_, at) => makeArticle(at + 1)),
  );

  const configOf = (name: string) => {
    const dataDir = join(folder, name);
    mkdirSync(dataDir, { recursive: true });
    const { connectionString } = db;
    const { modelPath } = options;
    return productConfig({
      dataDir,
      connectionString,
      tables: [TABLE],
      slot: `bench_${name}`,
      ...(modelPath === undefined ? {} : { modelPath }),
    });
  };
  const first = configOf('indexing_0');
  const embedding = await openEmbedding(first.embedder, process.env, () => undefined, never);
  const { embedder, tokenizer } = embedding;

  let texts: readonly Redacted<string>[] = [];
  const gaps: { beforeFirst: number; afterLast: number }[] = [];
  const padded: { tokens: number; batches: number }[] = [];
  const product = async (name: string): Promise<Run> => {
    const config = configOf(name);
    let [begun, ended] = [Number.NaN, Number.NaN];
    const work = { tokens: 0, batches: 0 };
    const observer = {
      emit(event: FreshetEvent): void {
        if (event.type !== 'embed-batch') return;
        const now = monotonicMs();
        if (Number.isNaN(begun)) begun = now - event.ms;
        ended = now;
        work.tokens += event.tokens;
        work.batches += 1;
      },
    };
    let freshet: Awaited<ReturnType<typeof openProduct>> | undefined;
    const started = monotonicMs();
    const run = await timed(async () => {
      freshet = await openProduct(config, observer, process.env, () => Promise.resolve(shared(embedding)));
      await untilReady(freshet);
    });
    padded.push(work);
    gaps.push({ beforeFirst: begun - started, afterLast: started + run.seconds * 1000 - ended });
    if (freshet === undefined) throw new Error('The product did not open.');
    if (texts.length === 0) {
      const views = await Promise.all(
        Array.from({ length: count }, (_, at) =>
          freshet?.services.documents.get(documentIdOf(TABLE, at + 1), TENANT, never),
        ),
      );
      texts = views.flatMap((view) => (view?.chunks ?? []).map(({ text }) => text as Redacted<string>));
    }
    const { index } = await freshet.services.freshness.report(never);
    if (index.documents !== count || index.chunks !== texts.length) {
      throw new Error(
        `The product indexed ${index.documents} documents and ${index.chunks} chunks of ${count} and ${texts.length}.`,
      );
    }
    await freshet.close();
    await db.forget(`bench_${name}`);
    return run;
  };
  const bare = (): Promise<Run> => timed(async () => void (await embedder.embed(texts, 'document', never)));

  say('warm-up');
  await product('indexing_0');
  const bareRuns: Run[] = [await bare()];
  const productRuns: Run[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    productRuns.push(await product(`indexing_${round}`));
    bareRuns.push(await bare());
    say(
      `round ${round} of ${options.rounds}: product ${(texts.length / (productRuns.at(-1)?.seconds ?? 1)).toFixed(1)} chunks/s, ` +
        `bare ${(texts.length / (bareRuns.at(-1)?.seconds ?? 1)).toFixed(1)}`,
    );
  }
  await embedder[Symbol.asyncDispose]();

  const tokens = texts.reduce((sum, text) => sum + tokenizer.count(text), 0);
  const between = (at: number, value: (run: Run) => number): number => mean(bareRuns.slice(at, at + 2).map(value));
  const ratios = productRuns.map(({ seconds }, at) => between(at, (run) => run.seconds) / seconds);
  const cpuRatios = productRuns.map(({ cpuSeconds }, at) => between(at, (run) => run.cpuSeconds) / cpuSeconds);
  const seconds = median(productRuns.map((run) => run.seconds));
  const timedGaps = gaps.slice(1);
  const lengths = texts.map((text) => tokenizer.count(text));
  const best = cutBatches(lengths, embedder.maxBatchTokens);
  const bestPadded = best.reduce(
    (sum, batch) => sum + batch.length * Math.max(...batch.map((at) => lengths[at] ?? 0)),
    0,
  );
  const work = padded.slice(1);
  return {
    part: 'indexing',
    title: `Initial indexing: ${count} documents, ${texts.length} chunks of ${(tokens / texts.length).toFixed(0)} tokens, ${options.rounds} rounds`,
    figures: {
      'product documents/s': count / seconds,
      'product chunks/s': texts.length / seconds,
      'product tokens/s': tokens / seconds,
      'bare loop chunks/s': texts.length / median(bareRuns.map((run) => run.seconds)),
      'ratio of each round': ratios.map((ratio) => ratio.toFixed(3)).join(' '),
      'ratio of CPU time per chunk, bare / product (no PostgreSQL)': median(cpuRatios),
      'padded tokens per token: product': median(work.map((one) => one.tokens)) / tokens,
      'padded tokens per token: bare loop': bestPadded / tokens,
      'batches: product': median(work.map(({ batches }) => batches)),
      'batches: bare loop': best.length,
      'start → first batch ms': median(timedGaps.map((gap) => gap.beforeFirst)),
      'last batch → searchable ms': median(timedGaps.map((gap) => gap.afterLast)),
    },
    bars: [
      {
        name: 'chunks/s of initial indexing over the bare loop',
        measured: median(ratios),
        limit: 0.9,
        sense: 'at least',
        unit: '',
      },
    ],
    notes: [
      'Product: opening of index and connections, publication and slot, snapshot, redaction, chunking, embedding, writing, until ready. Not: starting PostgreSQL, loading the model.',
    ],
  };
};
