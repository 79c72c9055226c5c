import { describe, expect, it } from 'vitest';
import { FreshetError } from '../../../src/domain/errors.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { blockersOf } from '../../../src/services/blue-green/blockers.ts';
import { progressOf } from '../../../src/services/blue-green/health.ts';
import { createIndexesService } from '../../../src/services/blue-green/indexes.ts';
import { lineId, lineName, rebuildName } from '../../../src/services/blue-green/line-name.ts';
import { LineSet } from '../../../src/services/blue-green/line-set.ts';
import { rebuildBeside } from '../../../src/services/blue-green/rebuild-beside.ts';
import { createShadow } from '../../../src/services/blue-green/shadow.ts';
import { fakeCatalogue, fakeLine, type FakeLine } from './fakes.ts';

const never = new AbortController().signal;

async function openIndexes(lines: readonly FakeLine[], roles = { live: 'v1-a', candidate: 'v2-b' } as object) {
  const recorded = fakeCatalogue(roles);
  lines.forEach(({ name }) => recorded.names.add(name));
  const set = await LineSet.open<FakeLine>(
    {
      catalogue: recorded.catalogue,
      plan: () => ({ lines: lines.map(({ name }) => ({ name, settings: 'main' as const })), notes: [] }),
      open: async ({ name }) => lines.find((line) => line.name === name) as FakeLine,
      make: () => Promise.resolve(),
      clock: systemClock,
      onTrouble: () => undefined,
    },
    never,
  );
  const forgotten: string[] = [];
  const service = createIndexesService({
    lines: set,
    catalogue: recorded.catalogue,
    isShared: false,
    forget: async (name) => {
      forgotten.push(name);
      return [];
    },
    shadow: createShadow(systemClock),
    clock: systemClock,
  });
  return { service, set, recorded, forgotten };
}

const refusal = (text: string) =>
  expect.objectContaining({ code: 'INDEX_NOT_READY', message: expect.stringContaining(text) as string }) as Error;

describe('a switch', () => {
  it('waits until the candidate covers what is committed now, then changes the roles in one step', async () => {
    const [live, candidate] = [fakeLine('v1-a'), fakeLine('v2-b')];
    const { service, recorded } = await openIndexes([live, candidate]);
    await service.canary(0.3, never);
    await service.switch({ force: false }, never);
    expect(candidate.tokens[0]).toBe('now of v1-a');
    expect(recorded.state).toMatchObject({ live: 'v2-b', candidate: undefined, previous: 'v1-a', canaryShare: 0 });
  });

  it.each([
    ['is not built', { isBuilt: false, documents: 4 }, '40 % of it is in'],
    ['is behind', { lagMs: 59_500 }, '60 s behind'],
    ['lacks documents', { letters: 3 }, '3 dead letters'],
    ['never catches up', { reached: () => Promise.resolve(false) }, 'did not get what was committed last'],
  ] as const)('to an index that %s is refused with the reason, and done with --force', async (_what, over, reason) => {
    const { service, recorded } = await openIndexes([fakeLine('v1-a'), fakeLine('v2-b', over)]);
    await expect(service.switch({ force: false }, never)).rejects.toEqual(refusal(reason));
    expect(recorded.state.live).toBe('v1-a');
    await service.switch({ force: true }, never);
    expect(recorded.state.live).toBe('v2-b');
  });

  it('to an index that failed, is not fed or is not there is refused, forced or not', async () => {
    const failed = fakeLine('v2-b');
    failed.fail(new FreshetError('SLOTS_EXHAUSTED', 'fatal', 'No slot is left.'));
    const { service } = await openIndexes([fakeLine('v1-a'), failed]);
    await expect(service.switch({ force: true }, never)).rejects.toEqual(refusal('SLOTS_EXHAUSTED: No slot is left.'));
    const unfed = await openIndexes([fakeLine('v1-a')]);
    await expect(unfed.service.switch({ force: true }, never)).rejects.toEqual(refusal('is not fed'));
    const none = await openIndexes([fakeLine('v1-a')], { live: 'v1-a' });
    await expect(none.service.switch({ force: true }, never)).rejects.toEqual(refusal('There is no candidate'));
    await expect(none.service.canary(0.1, never)).rejects.toEqual(refusal('There is no candidate'));
  });

  it('that another instance did first is told, not done twice', async () => {
    const { service, recorded } = await openIndexes([
      fakeLine('v1-a'),
      fakeLine('v2-b', {
        reached: async () => {
          recorded.set({ canaryShare: 0.9 });
          return true;
        },
      }),
    ]);
    await expect(service.switch({ force: false }, never)).rejects.toMatchObject({
      code: 'CATALOGUE_CHANGED',
      kind: 'stale',
    });
  });
});

describe('two that change the roles at once', () => {
  it('a switch that another overtook changes nothing, also where this instance has followed the other already', async () => {
    const lines = [fakeLine('v1-a'), fakeLine('v2-b')] as const;
    const { service, set, recorded } = await openIndexes(lines);
    lines[1].reached = async () => {
      recorded.set({ live: 'v2-b', candidate: undefined, previous: 'v1-a' });
      await set.refresh(never);
      return true;
    };
    await expect(service.switch({ force: false }, never)).rejects.toMatchObject({ code: 'CATALOGUE_CHANGED' });
    expect(recorded.state).toMatchObject({ live: 'v2-b', previous: 'v1-a' });
  });

  it('a drop of an index that becomes the live one meanwhile takes nothing away', async () => {
    const { service, set, recorded, forgotten } = await openIndexes([fakeLine('v1-a'), fakeLine('v2-b')]);
    const { list } = recorded.catalogue;
    recorded.catalogue.list = async (signal) => {
      recorded.set({ live: 'v2-b', candidate: undefined, previous: 'v1-a' });
      await set.refresh(never);
      return list(signal);
    };
    await expect(service.drop('v2-b', never)).rejects.toMatchObject({ code: 'CATALOGUE_CHANGED' });
    expect([forgotten, recorded.dropped]).toEqual([[], []]);
  });
});

describe('an index beside the live one that cannot be asked', () => {
  it('is reported with the reason, hides none of the others, and is not switched to', async () => {
    const candidate = fakeLine('v2-b');
    candidate.index.stats = () => Promise.reject(new FreshetError('INDEX_COLLECTION_MISSING', 'fatal', 'It is gone.'));
    const { service } = await openIndexes([fakeLine('v1-a'), candidate]);
    const { indexes, switchBlockers } = await service.report(never);
    expect(indexes.map(({ name, documents, failure }) => [name, documents, failure?.code])).toEqual([
      ['v1-a', 10, undefined],
      ['v2-b', undefined, 'INDEX_COLLECTION_MISSING'],
    ]);
    expect(switchBlockers).toEqual([expect.stringContaining('It is gone.')]);
  });
});

describe('a rebuild of an index that its store cannot exchange', () => {
  const id = lineId({ embedder: 'e', redactor: 'r', chunker: 'c' });
  const name = lineName(0, id);
  const next = rebuildName(1, id);

  async function openRebuild(fresh: FakeLine, roles: object) {
    const lines = [fakeLine(name), fresh, fakeLine('v9-other')];
    const recorded = fakeCatalogue(roles);
    const made: string[] = [];
    const set = await LineSet.open<FakeLine>(
      {
        catalogue: recorded.catalogue,
        plan: ({ live, candidate, previous }) => ({
          lines: [live, candidate, previous].flatMap((each) =>
            each === undefined ? [] : [{ name: each, settings: 'main' as const }],
          ),
          notes: [],
        }),
        open: async (line) => lines.find((each) => each.name === line.name) as FakeLine,
        make: async (line) => void made.push(line.name),
        clock: systemClock,
        onTrouble: () => undefined,
      },
      never,
    );
    const indexes = createIndexesService({
      lines: set,
      catalogue: recorded.catalogue,
      isShared: false,
      forget: async () => [],
      shadow: createShadow(systemClock),
      clock: systemClock,
    });
    const rebuild = () =>
      rebuildBeside({ lines: set, indexes, idOf: () => id, clock: systemClock }, () => undefined, never);
    return { rebuild, recorded, made };
  }

  it('builds one of the same settings beside it, switches and drops the old one', async () => {
    const { rebuild, recorded, made } = await openRebuild(fakeLine(next, { documents: 12 }), {
      live: name,
      revision: 1,
    });
    expect(await rebuild()).toEqual({ documents: 12, chunks: 24 });
    expect(made).toEqual([next]);
    expect(recorded.state).toMatchObject({ live: next, candidate: undefined, previous: undefined });
    expect(recorded.dropped).toEqual([name]);
  });

  it('goes on with one that was begun before', async () => {
    const { rebuild, recorded, made } = await openRebuild(fakeLine(next), { live: name, candidate: next, revision: 7 });
    await rebuild();
    expect(made).toEqual([]);
    expect(recorded.state.live).toBe(next);
  });

  it.each([{ candidate: 'v9-other' }, { previous: 'v9-other' }])(
    'is refused while another index is beside the live one: %o',
    async (role) => {
      const { rebuild, recorded } = await openRebuild(fakeLine(next), { live: name, revision: 7, ...role });
      await expect(rebuild()).rejects.toMatchObject({ code: 'REBUILD_IN_THE_WAY', kind: 'poison' });
      expect(recorded.dropped).toEqual([]);
    },
  );

  it('leaves the live index as it is when the new one fails', async () => {
    const failed = fakeLine(next);
    failed.fail(new FreshetError('SLOTS_EXHAUSTED', 'fatal', 'no'));
    await expect(failed.failed).rejects.toBeDefined();
    const { rebuild, recorded } = await openRebuild(failed, { live: name, revision: 1 });
    await expect(rebuild()).rejects.toMatchObject({ code: 'SLOTS_EXHAUSTED' });
    expect(recorded.state.live).toBe(name);
  });
});

describe('a rollback', () => {
  it('makes the previous index live again, and what was live the candidate', async () => {
    const { service, recorded } = await openIndexes([fakeLine('v2-b'), fakeLine('v1-a')], {
      live: 'v2-b',
      previous: 'v1-a',
    });
    await service.rollback({ force: false }, never);
    expect(recorded.state).toMatchObject({ live: 'v1-a', candidate: 'v2-b', previous: undefined });
  });

  it('leaves a candidate that took that place meanwhile where it is', async () => {
    const lines = [fakeLine('v2-b'), fakeLine('v1-a'), fakeLine('v3-c')];
    const { service, recorded } = await openIndexes(lines, { live: 'v2-b', previous: 'v1-a', candidate: 'v3-c' });
    await service.rollback({ force: false }, never);
    expect(recorded.state).toMatchObject({ live: 'v1-a', candidate: 'v3-c', previous: 'v2-b' });
  });
});

describe('a drop', () => {
  it('takes an index by the beginning of its name, closes it and forgets what feeds it', async () => {
    const candidate = fakeLine('v2-b');
    const { service, recorded, forgotten } = await openIndexes([fakeLine('v1-a'), candidate]);
    expect(await service.drop('v2', never)).toEqual({ dropped: 'v2-b', leftBehind: [] });
    expect(candidate.isClosed).toBe(true);
    expect([forgotten, recorded.dropped]).toEqual([['v2-b'], ['v2-b']]);
    expect(recorded.state).toMatchObject({ live: 'v1-a', candidate: undefined });
  });

  it('never takes the live one, nor a name that could be two', async () => {
    const { service, recorded } = await openIndexes([fakeLine('v1-a'), fakeLine('v2-b')]);
    await expect(service.drop('v1-a', never)).rejects.toMatchObject({ code: 'INDEX_IN_USE' });
    await expect(service.drop('v', never)).rejects.toMatchObject({ code: 'INDEX_UNKNOWN' });
    await expect(service.drop('v7', never)).rejects.toMatchObject({ code: 'INDEX_UNKNOWN' });
    expect(recorded.dropped).toEqual([]);
  });

  it('takes one that has no role any more', async () => {
    const { service, recorded } = await openIndexes([fakeLine('v1-a')], { live: 'v1-a' });
    recorded.names.add('v0-x');
    expect((await service.report(never)).indexes.map(({ name, role, fed }) => [name, role, fed])).toEqual([
      ['v1-a', 'live', true],
      ['v0-x', 'unused', false],
    ]);
    await service.drop('v0-x', never);
    expect(recorded.dropped).toEqual(['v0-x']);
  });
});

describe('what speaks against an index', () => {
  const health = {
    isBuilt: true,
    isConnected: true,
    progress: 1,
    asOf: 0,
    lagMs: 100,
    stats: { documents: 1, chunks: 1, bytesOnDisk: 0 },
    deadLetters: 0,
  };
  const line = (over: Partial<typeof health> | { lagMs: undefined } = {}) => ({
    failure: undefined,
    health: { ...health, ...over },
  });

  it('is nothing when it is built and close; an unknown lag alone proves nothing', () => {
    expect(blockersOf('candidate', 'v2', line(), { deadLetters: 0 })).toEqual([]);
    expect(blockersOf('candidate', 'v2', line({ lagMs: undefined }), { deadLetters: 0 })).toEqual([]);
    expect(blockersOf('candidate', 'v2', line({ isConnected: false }), { deadLetters: 0 })).toHaveLength(1);
  });

  it('progress counts rows where the sources do, else documents of the live index, and is never whole before the end', () => {
    const snapshot = (rowsRead: number, rowsTotal: number | undefined, finished = false) => ({
      table: 't',
      rowsRead,
      rowsTotal,
      finished,
    });
    const open = (...snapshots: ReturnType<typeof snapshot>[]) => [{ snapshotFinished: false, snapshots }];
    expect(progressOf(open(snapshot(25, 100), snapshot(50, 40, true)), 0, undefined)).toBe(0.5);
    expect(progressOf(open(snapshot(200, 100)), 0, undefined)).toBe(0.99);
    expect(progressOf(open(snapshot(25, undefined)), 30, 60)).toBe(0.5);
    expect(progressOf(open(), 90, 60)).toBe(0.99);
    expect(progressOf(open(), 90, undefined)).toBeUndefined();
  });
});
