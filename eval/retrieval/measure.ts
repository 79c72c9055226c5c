import type { SearchQuery } from '../../src/domain/search.ts';
import type { Dataset } from './datasets.ts';
import type { Instance } from './instance.ts';
import { hit, mean, ndcg, recall, reciprocalRank } from './metrics.ts';

export const MODES = ['lexical', 'dense', 'hybrid'] as const satisfies readonly SearchQuery['mode'][];

export interface Figures {
  readonly mode: SearchQuery['mode'];
  readonly ndcg10: number;
  readonly recall10: number;
  readonly recall100: number;
  readonly hit1: number;
  readonly hit3: number;
  readonly mrr: number;
  /** Median time of a search for ten documents, milliseconds, with the embedding of the question (not in lexical mode). */
  readonly searchMs: number;
}

/**
 * Asks every question and judges documents, each by its best chunk. Places up to ten come from a search for ten, as a user would ask;
 * only recall@100 comes from a search for a hundred.
 */
export async function measure(dataset: Dataset, instance: Instance, mode: SearchQuery['mode']): Promise<Figures> {
  const rows: Omit<Figures, 'mode'>[] = [];
  for (const { text, relevant } of dataset.questions) {
    const started = performance.now();
    const ten = await ranking(instance, text, mode, 10);
    const searchMs = performance.now() - started;
    const hundred = await ranking(instance, text, mode, 100);
    rows.push({
      ndcg10: ndcg(ten, relevant, 10),
      recall10: recall(ten, relevant, 10),
      recall100: recall(hundred, relevant, 100),
      hit1: hit(ten, relevant, 1),
      hit3: hit(ten, relevant, 3),
      mrr: reciprocalRank(ten, relevant),
      searchMs,
    });
  }
  const of = (pick: (row: Omit<Figures, 'mode'>) => number): number => mean(rows.map(pick));
  return {
    mode,
    ndcg10: of((row) => row.ndcg10),
    recall10: of((row) => row.recall10),
    recall100: of((row) => row.recall100),
    hit1: of((row) => row.hit1),
    hit3: of((row) => row.hit3),
    mrr: of((row) => row.mrr),
    searchMs: rows.map((row) => row.searchMs).sort((a, b) => a - b)[Math.floor(rows.length / 2)] ?? Number.NaN,
  };
}

/** The data set's ids, which the instance keeps as uris. */
async function ranking(
  instance: Instance,
  text: string,
  mode: SearchQuery['mode'],
  limit: number,
): Promise<readonly string[]> {
  return (await instance.search(text, { mode, limit, perDocument: 1 })).map(({ uri }) => uri);
}
