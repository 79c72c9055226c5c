import type { Part } from './context.ts';
import { figuresOf, type Bar } from './report.ts';
import { percentile, percentiles } from './statistics.ts';
import { commitToVisible, createWriter, stageFigures, type Edit } from './writer.ts';

const RATES = [20, 100] as const;
const BLOCKS = 3;
const WARM_UP_EDITS = 60;

/**
 * Commit → visible with an embedder of 4 ms per call and 2 ms per text, against bare loops with the same embedder that keep nothing.
 *
 * The yardstick must see the same commit, so the bar is judged by the loop that reads its rows from PostgreSQL, by logical replication, as
 * the product does. The loop whose changes are made up in its own process is given beside it. Blocks of edits take turns, so that none runs
 * while another is measured.
 */
export const synthetic: Part = async (context) => {
  const { options, say } = context;
  const session = await context.syntheticSession();
  const db = await context.database();
  using product = createWriter(db, session.child, session.table, session.articles);
  using bare = createWriter(db, session.bare.child, session.bare.table, session.bare.articles);

  for (const writer of [product, bare]) await writer.run(50, WARM_UP_EDITS / 50);
  await session.bare.child.memoryLoop(50, WARM_UP_EDITS);

  const figures: Record<string, number | string> = {};
  const bars: Bar[] = [];
  for (const rate of RATES) {
    const took = { product: [] as number[], bare: [] as number[], memory: [] as number[] };
    const productEdits: Edit[] = [];
    const seconds = options.secondsPerRate / BLOCKS;
    for (let block = 1; block <= BLOCKS; block += 1) {
      say(`${rate} edits/s, block ${block} of ${BLOCKS}`);
      const edits = await product.run(rate, seconds);
      took.product.push(...commitToVisible(edits));
      productEdits.push(...edits);
      took.bare.push(...commitToVisible(await bare.run(rate, seconds)));
      took.memory.push(...(await session.bare.child.memoryLoop(rate, Math.round(rate * seconds))));
    }
    Object.assign(figures, {
      ...figuresOf(`${rate}/s product`, percentiles(took.product)),
      ...figuresOf(`${rate}/s bare loop on PostgreSQL`, percentiles(took.bare)),
      ...figuresOf(`${rate}/s bare loop in memory`, percentiles(took.memory)),
      ...stageFigures(`${rate}/s product`, productEdits),
    });
    for (const [name, share] of [
      ['p50', 0.5],
      ['p95', 0.95],
    ] as const) {
      const of = (values: readonly number[]): number => percentile(values, share);
      figures[`${rate}/s ${name}: product − bare loop in memory, ms`] = of(took.product) - of(took.memory);
      figures[`${rate}/s ${name}: product over the bare loop in memory`] = of(took.product) / of(took.memory);
      bars.push({
        name: `${name} at ${rate} edits/s over the bare loop on PostgreSQL`,
        measured: of(took.product) / of(took.bare),
        limit: 1.3,
        sense: 'at most',
        unit: ' ×',
      });
    }
  }
  return {
    part: 'synthetic',
    title: `Commit → visible, synthetic embedder, ${session.articles.length} documents`,
    figures,
    bars,
    notes: [
      'Bare loop on PostgreSQL: a plain subscriber (pgoutput) that acknowledges at once, embeds new paragraphs, and sets a Map. Nothing is durable, redacted, versioned or searchable.',
      'Bare loop in memory: the same without a database; its time begins when the change is made up, so it has no commit to wait for.',
    ],
  };
};
