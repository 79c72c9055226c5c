import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createMemoryIndex } from '../../connectors/memory/memory-index.ts';
import { openSqliteIndex } from '../../connectors/sqlite/index.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import { DEFAULT_TENANT, tableId } from '../../src/domain/ids.ts';
import type { Checkpoints } from '../../src/ports/checkpoints.ts';
import type { Index } from '../../src/ports/index-store.ts';
import { createSwappableIndex, type SwappableIndex } from '../../src/composition/swappable-index.ts';
import { rebuild, type RebuildDeps } from '../../src/services/rebuild.ts';
import { createPipelineKit, idOf, type PipelineKit } from '../support/pipeline-kit.ts';

let kit: PipelineKit;
let live: SwappableIndex;
let running: Promise<void>;
afterEach(async () => {
  kit.stop();
  await running;
  await kit.close();
});

async function indexed(options: Parameters<typeof createPipelineKit>[0] = {}): Promise<void> {
  live = createSwappableIndex(withCheckpoints(createMemoryIndex({ dimensions: 384 })));
  kit = createPipelineKit({ ...options, index: live });
  running = kit.run();
  for (let id = 1; id <= 10; id += 1) kit.write(id, { body: `Text of article ${id}.` });
  await kit.quiet();
}

const withCheckpoints = <I extends Index>(index: I): I & Checkpoints =>
  Object.assign(index, { load: () => Promise.resolve(undefined), save: () => Promise.resolve() });

/** Rebuilds and gives the index that would have been swapped in. */
async function rebuilt(
  deps: Partial<Pick<RebuildDeps, 'settingsFingerprint' | 'swap' | 'discardAside'>> & {
    readonly aside?: Index & Checkpoints;
  } = {},
): Promise<Index> {
  const aside = deps.aside ?? withCheckpoints(createMemoryIndex({ dimensions: 384 }));
  const { embedQueue, clock, expectations, signal } = kit;
  await rebuild(
    {
      live,
      sources: () => [kit.live],
      expectations,
      embedQueue,
      settingsFingerprint: deps.settingsFingerprint ?? 'settings',
      clock,
      openAside: () => Promise.resolve(aside),
      discardAside: deps.discardAside ?? (() => Promise.resolve()),
      watchWrites: () => live.watchWrites(),
      swap: deps.swap ?? ((_aside, last) => last(live)),
    },
    () => undefined,
    signal,
  );
  return aside;
}

async function textIn(index: Index, id: number): Promise<string | undefined> {
  const stored = await index.document(idOf(id), DEFAULT_TENANT, kit.signal);
  return stored?.chunks.map((chunk) => chunk.text).join('\n');
}

describe('rebuild', () => {
  it('builds every current row at the stamp of its live head, and leaves behind what no row accounts for', async () => {
    await indexed();
    kit.rows.delete(JSON.stringify([3]) as never);
    const aside = await rebuilt();
    expect(await textIn(aside, 1)).toBe('Text of article 1.');
    expect(await textIn(aside, 3)).toBeUndefined();
    const stamp = async (index: Index): Promise<unknown> =>
      (await index.heads([idOf(1)], kit.signal)).get(idOf(1))?.version;
    expect(await stamp(aside)).toBe(await stamp(kit.index));
  });

  it('has the newest text of a row that was edited between being read and being built', async () => {
    await indexed();
    const { rows } = kit.source;
    kit.source.rows = async function* () {
      const page = [];
      for await (const row of rows()) page.push(row);
      kit.write(5, { body: 'Edited while the rebuild held its old row.' });
      await kit.quiet();
      yield* page;
    };
    expect(await textIn(await rebuilt(), 5)).toBe('Edited while the rebuild held its old row.');
  });

  it('counts generations on, so that later settings still replace what was copied', async () => {
    await indexed();
    for (const settings of ['first', 'second', 'third']) await kit.index.registerSettings(settings, kit.signal);
    const aside = await rebuilt({ settingsFingerprint: 'third' });
    expect(await aside.registerSettings('third', kit.signal)).toBe(3);
    expect(await aside.registerSettings('fourth', kit.signal)).toBe(4);
  });

  it('keeps tombstones of tables that are fed, and leaves behind those of tables that are not', async () => {
    await indexed();
    kit.remove(1);
    await kit.quiet();
    const tombstone = (await kit.index.heads([idOf(1)], kit.signal)).get(idOf(1))!;
    await kit.index.apply(
      { head: { ...tombstone, id: idOf(99), table: tableId('gone.public.articles') }, keep: [], insert: [] },
      kit.signal,
    );
    const aside = await rebuilt();
    expect([...(await aside.heads([idOf(1), idOf(99)], kit.signal)).keys()]).toEqual([idOf(1)]);
  });

  it('does without a text that the embedder refuses, and builds all others', async () => {
    let refuses = false;
    await indexed({
      wrapEmbedder: (embedder) =>
        Object.assign(Object.create(embedder) as typeof embedder, {
          embed: (...args: Parameters<typeof embedder.embed>) =>
            refuses && args[0].some((text) => text.includes('article 4'))
              ? Promise.reject(new FreshetError('TEXT_REFUSED', 'poison', 'The engine refuses this text.'))
              : embedder.embed(...args),
        }),
    });
    refuses = true;
    const aside = await rebuilt();
    expect(await textIn(aside, 4)).toBeUndefined();
    expect(await textIn(aside, 10)).toBe('Text of article 10.');
  });

  it('copies only what changed since its last pass while the index stands still, an edit, a delete and a truncation of it included', async () => {
    await indexed();
    const asked: string[] = [];
    const aside = await rebuilt({
      swap: async (_aside, last) => {
        kit.write(2, { body: 'Edited just before the swap.' });
        kit.remove(3);
        await kit.quiet();
        const watched = Object.assign(Object.create(live) as SwappableIndex, {
          heads: (ids: Parameters<Index['heads']>[0], signal: AbortSignal) => {
            asked.push(...ids);
            return live.heads(ids, signal);
          },
          scanHeads: () => {
            throw new Error('It must not look at every head while the index stands still.');
          },
        });
        await last(watched);
      },
    });
    expect(asked.sort()).toEqual([idOf(2), idOf(3)].sort());
    expect(await textIn(aside, 1)).toBe('Text of article 1.');
    expect(await textIn(aside, 2)).toBe('Edited just before the swap.');
    expect(await textIn(aside, 3)).toBeUndefined();
    expect((await aside.heads([idOf(3)], kit.signal)).get(idOf(3))?.deleted).toBe(true);

    const truncated = await rebuilt({
      swap: async (_aside, last) => {
        kit.truncate();
        kit.write(4, { body: 'Written after the truncation.' });
        await kit.quiet();
        await last(live);
      },
    });
    expect(await textIn(truncated, 1)).toBeUndefined();
    expect(await textIn(truncated, 4)).toBe('Written after the truncation.');
  });

  it('keeps a document deleted that the sweeper would have forgotten before it was copied', async () => {
    await indexed();
    const { rows } = kit.source;
    kit.source.rows = async function* () {
      const page = [];
      for await (const row of rows()) page.push(row);
      yield* page;
      kit.remove(5);
      await kit.quiet();
      const { committedVersions } = kit.pipeline;
      await live.sweep({ horizonMs: 0, now: Date.now() + 60_000, committed: committedVersions() }, kit.signal);
    };
    expect(await textIn(await rebuilt(), 5)).toBeUndefined();
  });

  it('removes what it built when it fails, and leaves the live index as it was', async () => {
    await indexed();
    let discarded = 0;
    const swap = (): Promise<void> => Promise.reject(new Error('The disk is full.'));
    const discardAside = (): Promise<void> => Promise.resolve(void (discarded += 1));
    await expect(rebuilt({ swap, discardAside })).rejects.toThrow('The disk is full.');
    expect(discarded).toBe(1);
    expect(await kit.text(1)).toBe('Text of article 1.');
  });

  it('gets over an edit that falls between reading a head and reading its chunks', async () => {
    const dimensions = 384;
    await indexed();
    const folder = mkdtempSync(join(tmpdir(), 'freshet-rebuild-'));
    const path = join(folder, 'index.sqlite');
    const aside = await openSqliteIndex({ path, dimensions, embedderFingerprint: 'hashing' });
    const { rows } = kit.source;
    kit.source.rows = async function* () {
      yield* rows();
      kit.write(5, { body: 'The first edit.' });
      await kit.quiet();
    };
    const { scanChunks } = live;
    live.scanChunks = (options, signal) => {
      live.scanChunks = scanChunks;
      return (async function* () {
        kit.write(5, { body: 'The second edit.' });
        await kit.quiet();
        // As a store that keeps no tombstones of chunks.
        for await (const chunk of scanChunks(options, signal)) if (!chunk.deleted) yield chunk;
      })();
    };
    await rebuilt({ aside });
    expect(await textIn(aside, 5)).toBe('The second edit.');
    await aside[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
});
