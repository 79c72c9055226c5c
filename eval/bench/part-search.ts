import type { Part } from './context.ts';
import { seeded, sentence } from './corpus.ts';
import { ask } from './http-reader.ts';
import { figuresOf } from './report.ts';
import { monotonicMs, percentiles, sleep } from './statistics.ts';

const PAUSE_MS = 50;
const SEARCHES_AFTER = 100;

/** Hybrid searches over HTTP while the first copy is under way, and afterwards with nothing else going on. */
export const search: Part = async (context) => {
  const { child, articles } = await context.realSession();
  const random = seeded(11);
  let indexing = true;
  const ready = child.ready.then((at) => {
    indexing = false;
    return at;
  });
  const one = async (): Promise<number> => {
    const query = sentence(random).split(' ').slice(0, 6).join(' ');
    const started = monotonicMs();
    const { status } = await ask(`${child.api}/v1/search`, { query, limit: 10 });
    if (status !== 200) throw new Error(`A search was answered with ${status}.`);
    return monotonicMs() - started;
  };
  context.say(`searching while ${articles.length} documents are indexed`);
  const during: number[] = [];
  while (indexing) {
    during.push(await one());
    await sleep(PAUSE_MS);
  }
  const seconds = ((await ready) - child.startedAt) / 1000;
  const after: number[] = [];
  for (let n = 0; n < SEARCHES_AFTER; n += 1) {
    after.push(await one());
    await sleep(PAUSE_MS);
  }
  const { chunks } = await child.usage();
  return {
    part: 'search',
    title: `Search while indexing ${articles.length} documents, ${chunks} chunks`,
    figures: {
      ...(during.length === 0 ? {} : figuresOf('while indexing', percentiles(during))),
      'chunks/s meanwhile': during.length === 0 ? 'the first copy was in before' : chunks / seconds,
      ...figuresOf('afterwards', percentiles(after)),
    },
    bars: [],
    notes: ['Over HTTP, hybrid, ten results: redaction and embedding of the query, both searches, fusion.'],
  };
};
