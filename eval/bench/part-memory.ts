import type { Part } from './context.ts';
import { mean, sleep } from './statistics.ts';
import { createWriter } from './writer.ts';

const EDITS_PER_SECOND = 10;
const SAMPLE_MS = 1_000;
const MINUTES_JUDGED = 10;

/**
 * Resident memory of the product's process (workers and model included, PostgreSQL not) while rows are edited: the last tenth of the run
 * against its third, which are minutes of a run of ten minutes. Documents take turns, so heads and caches fill as they would.
 */
export const memory: Part = async (context) => {
  const { options, say } = context;
  const { child, table, articles } = await context.realSession();
  await child.ready;
  using writer = createWriter(await context.database(), child, table, articles);
  const seconds = options.minutes * 60;
  say(`${EDITS_PER_SECOND} edits/s for ${options.minutes} min`);

  const samples: number[] = [];
  let running = true;
  const sampling = (async () => {
    while (running) {
      samples.push((await child.usage()).rssBytes / 1e6);
      await sleep(SAMPLE_MS);
    }
  })();
  const edits = await writer.run(EDITS_PER_SECOND, seconds, 0);
  running = false;
  await sampling;

  const tenth = (at: number): number =>
    mean(
      samples.slice(
        Math.floor((samples.length * (at - 1)) / MINUTES_JUDGED),
        Math.floor((samples.length * at) / MINUTES_JUDGED),
      ),
    );
  const tenths = Array.from({ length: MINUTES_JUDGED }, (_, at) => tenth(at + 1));
  return {
    part: 'memory',
    title: `Memory over ${options.minutes} min of ${EDITS_PER_SECOND} edits/s on ${articles.length} documents`,
    figures: {
      edits: edits.length,
      'RSS MB in each tenth of the run': tenths.map((one) => one.toFixed(0)).join(' '),
      'RSS MB highest': Math.max(...samples),
    },
    bars: [
      {
        name: `RSS of the last ${options.minutes === MINUTES_JUDGED ? 'minute' : 'tenth'} over the third's`,
        measured: tenth(MINUTES_JUDGED) / tenth(3),
        limit: 1.1,
        sense: 'at most',
        unit: ' ×',
      },
    ],
    notes: options.minutes < MINUTES_JUDGED ? [`Shortened: the promise is about ${MINUTES_JUDGED} minutes.`] : [],
  };
};
