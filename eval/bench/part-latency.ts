import type { Part } from './context.ts';
import { untilShown } from './http-reader.ts';
import { figuresOf, type Bar } from './report.ts';
import { median, percentile, percentiles, sleep } from './statistics.ts';
import { commitToVisible, createWriter, sectionText, stageFigures, type Edit } from './writer.ts';

const EMBEDDING_AND_MS = 25;
const PAUSE_MS = 120;
const WARM_UP_EDITS = 20;
/** How long a backlog may take: beyond its engine's capacity the product falls behind, and that is what is measured then. */
const BACKLOG_MS = 300_000;
const RATES = [20, 100] as const;
/** Of the edits under load, one in so many is also watched over HTTP: watching all would itself be load. */
const HTTP_EVERY = 10;

/**
 * Commit → visible with the real model. Idle edits come one at a time; in turn with them, the same engine embeds a chunk of the same length
 * alone, with nothing else going on. Every second idle edit is watched by a client that polls over HTTP instead.
 */
export const latency: Part = async (context) => {
  const { options, say } = context;
  const { child, table, articles } = await context.realSession();
  say(`first copy of ${articles.length} documents …`);
  await child.ready;
  using writer = createWriter(await context.database(), child, table, articles);

  const seen = async (edit: Edit): Promise<void> => {
    for (let waited = 0; Number.isNaN(edit.visibleAt) && waited < 60_000; waited += 1) await sleep(1);
  };
  const idle: Edit[] = [];
  const watched: number[] = [];
  const alone: number[] = [];
  const idleOnes = async (count: number, record: boolean): Promise<void> => {
    for (let n = 0; n < count; n += 1) {
      await sleep(PAUSE_MS);
      const edit = await writer.edit();
      await seen(edit);
      const article = writer.article(edit.document);
      await sleep(PAUSE_MS / 2);
      // Another number in the revised sentence: a text of the same length that no memo has seen.
      const text = sectionText(article ?? articles[0]!, edit.revision).replace(
        /Revision \d+/,
        `Revision ${900_000 + n}`,
      );
      const ms = await child.embed(text);
      await sleep(PAUSE_MS / 2);
      const over = await writer.edit();
      const shownAt = await untilShown(child.api, over.document, over.revision);
      if (!record) continue;
      idle.push(edit);
      alone.push(ms);
      watched.push(shownAt - over.committedAt);
    }
  };
  say('idle edits');
  await idleOnes(WARM_UP_EDITS, false);
  await idleOnes(options.idleEdits, true);
  const idleMs = commitToVisible(idle);

  const figures: Record<string, number | string> = {
    'embedding that one chunk alone p50 ms': median(alone),
    ...figuresOf('idle: commit → visible', percentiles(idleMs)),
    ...stageFigures('idle', idle),
    'idle: p50 ms from sending the statement': median(idle.map(({ sentAt, visibleAt }) => visibleAt - sentAt)),
    'idle: p50 ms seen by a client polling over HTTP': median(watched),
  };
  const bars: Bar[] = [
    {
      name: 'idle commit → visible p50, over embedding the chunk + 25 ms',
      measured: median(idleMs),
      limit: median(alone) + EMBEDDING_AND_MS,
      sense: 'at most',
      unit: ' ms',
    },
  ];
  say(`20 edits/s, one in ${HTTP_EVERY} watched over HTTP`);
  const overHttp: number[] = [];
  const until = Date.now() + 1000 * Math.min(10, options.secondsPerRate);
  for (let n = 0; Date.now() < until; n += 1) {
    const edit = writer.edit();
    if (n % HTTP_EVERY === 0) {
      void edit.then(async ({ document, revision, committedAt }) =>
        overHttp.push((await untilShown(child.api, document, revision)) - committedAt),
      );
    }
    await sleep(50);
  }
  await sleep(2_000);
  Object.assign(figures, figuresOf('20/s: commit → shown over HTTP', percentiles(overHttp)));
  for (const rate of RATES) {
    say(`${rate} edits/s for ${options.secondsPerRate} s`);
    const before = await child.usage();
    const edits = await writer.run(rate, options.secondsPerRate, BACKLOG_MS);
    const after = await child.usage();
    const took = commitToVisible(edits);
    Object.assign(figures, {
      ...figuresOf(`${rate}/s: commit → visible`, percentiles(took)),
      ...stageFigures(`${rate}/s`, edits),
      [`${rate}/s: chunks embedded per edit`]:
        edits.reduce((sum, edit) => sum + (edit.chunksEmbedded || 0), 0) / edits.length,
      [`${rate}/s: CPU ms of the product per edit, embedding included`]: (after.cpuMs - before.cpuMs) / edits.length,
      [`${rate}/s: edits never seen`]: took.filter((ms) => ms === Number.POSITIVE_INFINITY).length,
    });
    if (rate === 20) {
      bars.push({
        name: 'p95 at 20 edits/s, in idle p50s',
        measured: percentile(took, 0.95) / median(idleMs),
        limit: 3,
        sense: 'at most',
        unit: ' ×',
      });
    }
  }
  return {
    part: 'latency',
    title: `Commit → visible, real model, ${articles.length} documents`,
    figures,
    bars,
    notes: [
      'From the server’s acknowledgement of the commit at the writing client to the moment at which reading the document back gives the new text.',
      'Open loop: edits are sent on schedule, whatever is still under way. Writer, PostgreSQL and product share the machine’s cores.',
    ],
  };
};
