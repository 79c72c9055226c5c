import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { MemoryChunk } from '../../connectors/memory/store.ts';
import type { createMemoryIndex } from '../../connectors/memory/memory-index.ts';
import { hashingTokenizer } from '../../connectors/hashing/tokenizer.ts';
import type { ChunkId } from '../../src/domain/ids.ts';
import { makeVersion, type Version } from '../../src/domain/version.ts';
import { openSqliteIndex } from '../../connectors/sqlite/index.ts';
import type { Index, StoredChunk } from '../../src/ports/index-store.ts';
import { createRepair } from '../../src/services/verify/repair.ts';
import { verify, type VerifyDeps } from '../../src/services/verify/verify.ts';
import { createPipelineKit, idOf, keyOf, type PipelineKit } from '../support/pipeline-kit.ts';

type MemoryIndex = ReturnType<typeof createMemoryIndex>;

let kit: PipelineKit;
let running: Promise<void>;
afterEach(async () => {
  kit.stop();
  await running;
  await kit.close();
});

async function indexed(on?: Index): Promise<{ deps: VerifyDeps; store: MemoryIndex['store'] }> {
  kit = createPipelineKit(on === undefined ? {} : { index: on });
  expect(await kit.index.registerSettings('test', kit.signal)).toBe(1);
  running = kit.run();
  for (let id = 1; id <= 20; id += 1) {
    kit.write(id, {
      body: `# Article ${id}\n\nText of article ${id} about subject ${id * 17}.\n\n# More\n\nAnd more of ${id}.`,
    });
  }
  kit.remove(20);
  await kit.quiet();
  const { index, embedQueue, clock, expectations } = kit;
  const repair = createRepair({
    index,
    embedQueue,
    clock,
    settingsFingerprint: 'test',
    sourceOf: () => 'app',
    forgetHeads: () => kit.pipeline.forgetHeads(),
  });
  const tokensOf = (text: string): number => hashingTokenizer.count(text);
  const deps = {
    index,
    sources: () => [kit.live],
    expectations,
    embedQueue,
    tokensOf,
    clock,
    random: Math.random,
    repair,
  };
  return { deps, store: (index as MemoryIndex).store };
}

const run = (deps: VerifyDeps, repair = false) =>
  verify(deps, { repair, vectorSample: 1_000 }, () => undefined, new AbortController().signal);

const counts = ({ missing, stale, ghost, duplicate }: Awaited<ReturnType<typeof run>>) => ({
  missing,
  stale,
  ghost,
  duplicate,
});
const CLEAN = { missing: 0, stale: 0, ghost: 0, duplicate: 0 };

/** Puts a changed copy of a stored chunk behind the index's back, as bad disks and bugs do. */
function damage(store: MemoryIndex['store'], document: number, from: ChunkId, change: Partial<MemoryChunk>): void {
  const chunks = store.chunks.get(idOf(document));
  const chunk = chunks?.get(from);
  if (chunks === undefined || chunk === undefined) throw new Error('no such chunk');
  chunks.set(change.id ?? from, { ...chunk, ...change });
}

describe('verify', () => {
  it('finds nothing wrong with what the pipeline wrote', async () => {
    const { deps } = await indexed();
    const report = await run(deps);
    expect(counts(report)).toEqual(CLEAN);
    expect(report).toMatchObject({ documents: 19, problems: [], unindexable: 0 });
    expect(report.vectorsChecked).toBe(report.chunks);
  });

  it('names missing, stale, ghost and duplicate chunks, and repair mends them all', async () => {
    const { deps, store } = await indexed();
    const first = (id: number): ChunkId => store.heads.get(idOf(id))!.chunks[0]!.id;
    store.chunks.get(idOf(1))?.delete(first(1));
    damage(store, 2, first(2), { text: 'something else' as StoredChunk['text'] });
    damage(store, 3, first(3), { vector: new Float32Array(384).fill(Math.sqrt(1 / 384)) });
    // Above their heads, where readers show what no list names.
    const version = makeVersion(0, 2 ** 40);
    damage(store, 4, first(4), { id: '00000000-0000-5000-8000-000000000001' as ChunkId, version });
    const text = 'nobody wrote this' as StoredChunk['text'];
    damage(store, 5, first(5), { id: '00000000-0000-5000-8000-000000000002' as ChunkId, text, version });
    store.heads.delete(idOf(6));
    const ghost = store.heads.get(idOf(7))!;
    store.heads.set(idOf(99), { ...ghost, id: idOf(99), chunks: [] });

    const found = await run(deps);
    const kindsOf = (id: number): readonly string[] => [
      ...new Set(found.problems.filter((problem) => problem.document === idOf(id)).map((problem) => problem.kind)),
    ];
    expect(kindsOf(1)).toEqual(['missing']);
    expect(kindsOf(2)).toEqual(['stale']);
    expect(kindsOf(3)).toEqual(['stale']);
    expect(kindsOf(4)).toEqual(['duplicate']);
    expect(kindsOf(5)).toEqual(['ghost']);
    expect(kindsOf(6)).toEqual(['missing']);
    expect(kindsOf(99)).toEqual(['ghost']);
    expect(new Set(found.problems.map((problem) => problem.document)).size).toBe(7);

    const repaired = await run(deps, true);
    expect(counts(repaired)).toEqual(CLEAN);
    expect(repaired.repaired).toBe(7);
    expect(counts(await run(deps))).toEqual(CLEAN);
    expect(await kit.text(6)).toContain('Text of article 6');

    kit.write(6, { body: 'Edited after the repair.' });
    await kit.quiet();
    expect(await kit.text(6)).toBe('Edited after the repair.');
    expect(counts(await run(deps))).toEqual(CLEAN);
  });

  it('leaves what readers hide to the sweeper: chunks that a frozen instance wrote below a newer head', async () => {
    const { deps, store } = await indexed();
    const head = store.heads.get(idOf(4))!;
    const id = '00000000-0000-5000-8000-000000000001' as ChunkId;
    const text = 'of a version long gone' as StoredChunk['text'];
    damage(store, 4, head.chunks[0]!.id, { id, text, version: (head.version - 1) as Version });
    expect(counts(await run(deps))).toEqual(CLEAN);
  });

  it('calls a chunk missing that its head lists and readers do not show', async () => {
    const { deps, store } = await indexed();
    const head = store.heads.get(idOf(4))!;
    damage(store, 4, head.chunks[0]!.id, { version: (head.version - 1) as Version });
    expect(counts(await run(deps))).toMatchObject({ missing: 1 });
    expect(counts(await run(deps, true))).toEqual(CLEAN);
  });

  it('does not call an edit that is still on its way a problem', async () => {
    const { deps } = await indexed();
    const editing = setInterval(
      () => kit.write(1 + Math.floor(Math.random() * 19), { body: `Edit ${Math.random()}.` }),
      1,
    );
    try {
      for (let round = 0; round < 5; round += 1) expect(counts(await run(deps))).toEqual(CLEAN);
    } finally {
      clearInterval(editing);
    }
  });

  it('leaves rows that cannot be indexed to the dead letters', async () => {
    const { deps } = await indexed();
    kit.write(3, { body: 'x'.repeat(200_000) });
    await kit.quiet();
    const report = await run(deps);
    expect(report.unindexable).toBe(1);
    expect(counts(report)).toEqual(CLEAN);
  });

  it('mends the same document twice at one version: each repair stands above the one before', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'freshet-verify-'));
    const path = join(folder, 'index.sqlite');
    const { deps } = await indexed(await openSqliteIndex({ path, dimensions: 384, embedderFingerprint: 'hashing' }));
    for (let round = 0; round < 2; round += 1) {
      const head = (await kit.index.heads([idOf(1)], kit.signal)).get(idOf(1))!;
      await kit.index.deleteChunks([head.chunks[0]!.id], kit.signal);
      expect(await run(deps, true)).toMatchObject({ ...CLEAN, repaired: 1 });
      expect(await kit.text(1)).toContain('Text of article 1');
    }
    rmSync(folder, { recursive: true });
  });

  it('does not undo an edit that overtakes the repair of its document', async () => {
    const { deps, store } = await indexed();
    damage(store, 1, store.heads.get(idOf(1))!.chunks[0]!.id, { text: 'something else' as StoredChunk['text'] });
    const { deleteChunks } = kit.index;
    kit.index.deleteChunks = async (ids, signal) => {
      kit.index.deleteChunks = deleteChunks;
      kit.write(1, { body: `# Article 1\n\nText of article 1 about subject 17.\n\n# More\n\nEdited meanwhile.` });
      await kit.quiet();
      await deleteChunks(ids, signal);
    };
    await run(deps, true);
    expect(await kit.text(1)).toContain('Edited meanwhile.');
    expect(await kit.text(1)).toContain('Text of article 1');
    expect(counts(await run(deps))).toEqual(CLEAN);
  });

  it('calls rows of a truncated table neither ghosts nor present', async () => {
    const { deps } = await indexed();
    const kept = kit.rows.get(keyOf(2))!;
    kit.truncate();
    await kit.quiet();
    expect(counts(await run(deps))).toEqual(CLEAN);

    kit.rows.set(keyOf(2), kept);
    expect((await run(deps)).missing).toBeGreaterThan(0);
    expect(counts(await run(deps, true))).toEqual(CLEAN);
    expect(await kit.text(2)).toContain('Text of article 2');
  });

  it('goes on when a row turns unindexable while it looks again', async () => {
    const { deps, store } = await indexed();
    store.chunks.get(idOf(1))?.delete(store.heads.get(idOf(1))!.chunks[0]!.id);
    const { row } = kit.source;
    kit.source.row = async (table, key) => ({ ...(await row(table, key)), body: 'x'.repeat(200_000) });
    expect(counts(await run(deps, true))).toEqual(CLEAN);
  });

  it('does not call a row a problem that is edited each time it is looked at', async () => {
    const { deps } = await indexed();
    const { row, rows } = kit.source;
    let edits = 0;
    const edited = { body: '' };
    kit.source.row = async (table, key) =>
      key === keyOf(3) ? { ...(await row(table, key)), body: `Edit ${(edits += 1)}.` } : row(table, key);
    kit.source.rows = async function* () {
      for await (const one of rows()) yield one.key === keyOf(3) ? { ...one, row: { ...one.row, ...edited } } : one;
    };
    edited.body = 'Edited before the first look.';
    expect(counts(await run(deps))).toEqual(CLEAN);
    expect(edits).toBeGreaterThan(3);
  });

  it('still names a row whose change the index never got', async () => {
    const { deps } = await indexed();
    kit.rows.set(keyOf(3), { ...kit.rows.get(keyOf(3)), body: 'Nobody was told.' });
    const report = await run(deps);
    expect(new Set(report.problems.map(({ document }) => document))).toEqual(new Set([idOf(3)]));
  });

  it('says what the rows were read from', async () => {
    const { deps } = await indexed();
    expect((await run(deps)).comparedWith).toEqual([{ source: 'app', origin: 'a map in memory' }]);
  });

  it('finds rows again in one pass where a source can only be read whole', async () => {
    const { deps, store } = await indexed();
    const { rowLookup: _, ...scanOnly } = kit.live;
    store.chunks.get(idOf(1))?.delete(store.heads.get(idOf(1))!.chunks[0]!.id);
    store.chunks.get(idOf(2))?.delete(store.heads.get(idOf(2))!.chunks[0]!.id);
    let passes = 0;
    const { rows } = kit.source;
    kit.source.rows = () => ((passes += 1), rows());
    const report = await run({ ...deps, sources: () => [scanOnly] });
    expect(counts(report)).toEqual({ ...CLEAN, missing: 2 });
    expect(passes).toBeLessThan(10);
    passes = 0;
    expect(counts(await run({ ...deps, sources: () => [scanOnly] }, true))).toEqual(CLEAN);
    // One pass for the repair of both, besides those of the two comparisons.
    expect(passes).toBeLessThan(12);
  });

  it('leaves out the documents of a source whose rows cannot be read, and says so', async () => {
    const { deps, store } = await indexed();
    const { rowScan: _, ...unreadable } = kit.live;
    const other = { ...kit.live, source: { ...kit.source, name: 'kb' } };
    store.chunks.get(idOf(1))?.delete(store.heads.get(idOf(1))!.chunks[0]!.id);
    const sources = () => [
      { ...unreadable, rowsMissing: 'Give it a connection.' },
      { ...other, mappings: new Map() },
    ];
    const report = await run({ ...deps, sources });
    expect(counts(report)).toEqual(CLEAN);
    expect(report.notCompared).toEqual([{ source: 'app', reason: 'Give it a connection.' }]);
    expect(report.comparedWith).toMatchObject([{ source: 'kb' }]);
  });

  it('refuses where no rows can be read at all', async () => {
    const { deps } = await indexed();
    const { rowScan: _, ...unreadable } = kit.live;
    await expect(run({ ...deps, sources: () => [unreadable] })).rejects.toMatchObject({
      code: 'SOURCE_ROWS_UNAVAILABLE',
      kind: 'poison',
    });
  });

  it('looks again at a vector that was wrong, in case its document was edited meanwhile', async () => {
    const { deps, store } = await indexed();
    const first = store.heads.get(idOf(3))!.chunks[0]!.id;
    damage(store, 3, first, { vector: new Float32Array(384).fill(Math.sqrt(1 / 384)) });
    const { embedQueue } = kit;
    let edited = false;
    const report = await run({
      ...deps,
      embedQueue: Object.assign(Object.create(embedQueue) as typeof embedQueue, {
        embedDocument: async (...args: Parameters<typeof embedQueue.embedDocument>) => {
          if (!edited) {
            edited = true;
            kit.write(3, { body: 'Edited while its vector was embedded anew.' });
            await kit.quiet();
          }
          return embedQueue.embedDocument(...args);
        },
      }),
    });
    expect(counts(report)).toEqual(CLEAN);
  });
});
