import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMemoryIndex } from '../../../connectors/memory/memory-index.ts';
import type { Index } from '../../../src/ports/index-store.ts';
import { tableId, tenantId } from '../../../src/domain/ids.ts';
import { sourcePosition } from '../../../src/domain/source-position.ts';
import { makeVersion } from '../../../src/domain/version.ts';
import {
  angled,
  collect,
  DIMENSIONS,
  documentId,
  never,
  NOW,
  PARTITION,
  query,
  write,
  type Spec,
} from '../../contracts/index-fixtures.ts';
import { startQdrant, type QdrantServer } from '../../support/qdrant/double.ts';
import { openTestIndex } from './support.ts';

const NAMES = ['a', 'b', 'c', 'd'];
const TEXTS = ['red', 'green', 'blue', 'white', 'black', 'grey'];
const TABLES = ['app.public.articles', 'app.public.notes'];
const STEPS = 40;

/**
 * The memory index is what the simulation proved the rules on. Given the same writes in the same order (new, stale, repeated, interleaved
 * over documents), both must say the same.
 */
describe('The Qdrant index and the memory index', () => {
  let server: QdrantServer;
  beforeAll(async () => {
    server = await startQdrant();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('read alike after the same history (seed %i)', async (seed) => {
    let state = seed * 7919;
    const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    const oneOf = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
    const chance = (share: number): boolean => random() < share;

    await using context = await openTestIndex(server.url, { dimensions: DIMENSIONS });
    const both: readonly Index[] = [createMemoryIndex({ dimensions: DIMENSIONS }), context.index];
    const memory = both[0]!;
    const past = new Map<string, readonly string[]>();
    const history: ReturnType<typeof write>[] = [];
    for (let step = 1; step <= STEPS; step++) {
      if (chance(0.06)) {
        const truncation = { epoch: 0, sourcePosition: sourcePosition(BigInt(Math.floor(random() * step))) };
        const table = tableId(oneOf(TABLES));
        for (const index of both) await index.truncate(table, truncation, never);
        continue;
      }
      const name = oneOf(NAMES);
      const chunks = TEXTS.filter(() => chance(0.5)).map((text) => `${name} ${text}`);
      const deleted = chance(0.15);
      const known = new Set(past.get(name));
      const spec: Spec = {
        version: chance(0.8) ? step : Math.max(1, step - 1 - Math.floor(random() * 6)),
        generation: chance(0.9) ? 1 : 2,
        chunks: deleted ? [] : chunks.map((text) => [text, 10 * text.length] as const),
        keep: deleted ? [] : chunks.filter((text) => known.has(text)),
        deleted,
        table: TABLES[NAMES.indexOf(name) % 2]!,
        title: oneOf(TEXTS),
        metadata: {
          step,
          tags: [oneOf(TEXTS), oneOf(TEXTS)],
          ...(chance(0.5) ? { seen: '2026-01-0' + (step % 9) } : {}),
        },
        access: chance(0.3) ? ['ann'] : [],
        position: chance(0.2) ? null : step,
        indexedAt: NOW,
      };
      const isReplay = chance(0.1) && history.length > 0;
      const change = isReplay ? oneOf(history) : write(name, spec);
      history.push(change);
      for (const index of both) await index.apply(change, never);
      // All texts that were ever stored: a decision on an old head keeps what a newer write has dropped.
      if (!isReplay) past.set(name, [...known, ...chunks.filter(() => !deleted)]);
    }
    const compare = async (): Promise<void> => {
      const [expected, found] = await Promise.all(both.map(read));
      expect(found).toEqual(expected);
    };
    await compare();
    const limits = { horizonMs: 1, committed: new Map([[PARTITION, makeVersion(0, STEPS)]]) };
    for (const now of [NOW + 10, NOW + 20, NOW + 30]) {
      for (const index of both) await index.sweep({ ...limits, now }, never);
      await compare();
    }
    const [left, right] = await Promise.all(both.map((index) => collect(index.scanChunks({ vectors: false }, never))));
    expect(new Set(right!.map(({ id }) => id))).toEqual(new Set(left!.map(({ id }) => id)));
    expect(await context.index.floor(PARTITION, never)).toEqual(await memory.floor(PARTITION, never));
  });
});

/** Everything a reader and a writer can ask, in an order of its own. */
async function read(index: Index): Promise<unknown> {
  const heads = await index.heads(NAMES.map(documentId), never);
  const documents = await Promise.all(
    NAMES.map((name) => index.document(documentId(name), tenantId('default'), never)),
  );
  const hits = async (rest: Parameters<typeof query>[0]): Promise<unknown> =>
    (await index.search(query({ limit: 100, ...rest }), never))
      .map(({ score, ...hit }) => ({ ...hit, score: score.toFixed(4) }))
      .sort((a, b) => (a.chunk < b.chunk ? -1 : 1));
  const stored = await collect(index.scanChunks({ vectors: true }, never));
  return {
    heads: [...heads.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).map(living),
    scanned: (await collect(index.scanHeads({}, never))).map(living),
    documents,
    all: await hits({}),
    open: await hits({ principals: [] }),
    perDocument: ((await hits({ perDocument: 1, vector: angled(30) })) as unknown[]).length,
    tagged: await hits({ filter: { key: 'tags', op: 'eq', value: 'red' } }),
    late: await hits({ filter: { key: 'step', op: 'gte', value: 20 } }),
    dated: await hits({ filter: { key: 'seen', op: 'lte', value: '2026-01-04' } }),
    undated: await hits({ filter: { key: 'seen', op: 'nin', value: ['2026-01-04'] } }),
    // When garbage goes is the adapter's; that it goes is looked at in the end.
    stored: stored
      .filter(({ deleted }) => !deleted)
      .map((chunk) => ({ id: chunk.id, version: chunk.version, generation: chunk.generation, deleted: chunk.deleted }))
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
    documentsCounted: (await index.stats(never)).documents,
  };
}

/** What a tombstone keeps besides its stamp is the adapter's. */
function living(head: { readonly deleted: boolean; readonly id: string; readonly version: number }): unknown {
  return head.deleted ? { id: head.id, version: head.version, deleted: true } : head;
}
