import type { TableMapping } from '../domain/mapping.ts';
import type { Generation } from '../domain/version.ts';
import type { Clock } from '../ports/clock.ts';
import type { Index } from '../ports/index-store.ts';

/** Documents of tables that left the configuration are removed: nothing feeds them any more, and stale answers are wrong answers. */
export async function retireTables(
  deps: {
    readonly index: Index;
    readonly generation: Generation;
    readonly clock: Clock;
    readonly mappings: readonly TableMapping[];
  },
  signal: AbortSignal,
): Promise<void> {
  const { index, generation, clock } = deps;
  const configured = new Set(deps.mappings.map((mapping) => mapping.table));
  for await (const head of index.scanHeads({}, signal)) {
    if (head.deleted || configured.has(head.table)) continue;
    const { rowHash: _rowHash, ...rest } = head;
    const attributes = { ...head.attributes, title: '', uri: '', metadata: {} };
    const tombstone = { ...rest, generation, attributes, chunks: [], deleted: true, indexedAt: clock.now() };
    await index.apply({ head: tombstone, keep: [], insert: [] }, signal);
  }
}
