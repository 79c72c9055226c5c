import type { TableMapping } from '../domain/mapping.ts';
import type { Generation } from '../domain/version.ts';
import type { Checkpoints } from '../ports/checkpoints.ts';
import type { Clock } from '../ports/clock.ts';
import type { Index } from '../ports/index-store.ts';

/** Which tables were retired, and at which generation: `{table: generation}`, kept beside the positions of the sources. */
export const RETIRED = 'retired tables';

export type Retired = Readonly<Record<string, Generation>>;

export async function loadRetired(checkpoints: Checkpoints): Promise<Retired> {
  return ((await checkpoints.load(RETIRED)) as Retired | null | undefined) ?? {};
}

/**
 * Documents of tables that left the configuration are removed: nothing feeds them any more, and stale answers are wrong answers.
 * It is remembered first: a source that comes back finds its old position, and would take what it delivered then for indexed.
 */
export async function retireTables(
  deps: {
    readonly index: Index & Checkpoints;
    readonly retired: Retired;
    readonly generation: Generation;
    readonly clock: Clock;
    readonly mappings: readonly TableMapping[];
  },
  signal: AbortSignal,
): Promise<void> {
  const { index, generation, clock } = deps;
  const configured = deps.mappings.map((mapping) => mapping.table);
  const retired = { ...deps.retired };
  for await (const head of index.scanHeads({ livingOutside: configured }, signal)) {
    if (retired[head.table] !== generation) {
      retired[head.table] = generation;
      await index.save(RETIRED, retired);
    }
    const { rowHash: _rowHash, ...rest } = head;
    const attributes = { ...head.attributes, title: '', uri: '', metadata: {} };
    const tombstone = { ...rest, generation, attributes, chunks: [], deleted: true, indexedAt: clock.now() };
    await index.apply({ head: tombstone, keep: [], insert: [] }, signal);
  }
}
