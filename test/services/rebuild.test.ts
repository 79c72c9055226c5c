import { afterEach, describe, expect, it } from 'vitest';
import { createMemoryIndex } from '../../connectors/memory/memory-index.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import { DEFAULT_TENANT, tableId } from '../../src/domain/ids.ts';
import type { Checkpoints } from '../../src/ports/checkpoints.ts';
import type { Index } from '../../src/ports/index-store.ts';
import { rebuild } from '../../src/services/rebuild.ts';
import { createPipelineKit, idOf, type PipelineKit } from '../support/pipeline-kit.ts';

let kit: PipelineKit;
let running: Promise<void>;
afterEach(async () => {
  kit.stop();
  await running;
  await kit.close();
});

async function indexed(options: Parameters<typeof createPipelineKit>[0] = {}): Promise<void> {
  kit = createPipelineKit(options);
  running = kit.run();
  for (let id = 1; id <= 10; id += 1) kit.write(id, { body: `Text of article ${id}.` });
  await kit.quiet();
  // What is written from here on is written after the rebuild began, also to a clock of milliseconds.
  await new Promise((resolve) => setTimeout(resolve, 2));
}

const withCheckpoints = (index: Index): Index & Checkpoints =>
  Object.assign(index, { load: () => Promise.resolve(undefined), save: () => Promise.resolve() });

/** Rebuilds and gives the index that would have been swapped in. */
async function rebuilt(deps: { readonly settingsFingerprint?: string } = {}): Promise<Index> {
  const aside = withCheckpoints(createMemoryIndex({ dimensions: 384 }));
  const live = withCheckpoints(kit.index);
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
      swap: (_aside, last) => last(live),
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
    kit.live.source.rows = async function* () {
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
});
