import { describe, expect, it } from 'vitest';
import { abortedError, FreshetError } from '../../../src/domain/errors.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { LineSet } from '../../../src/services/blue-green/line-set.ts';
import type { LinePlan } from '../../../src/services/blue-green/plan.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { fakeCatalogue, fakeLine, type FakeLine } from './fakes.ts';

const never = new AbortController().signal;

async function openSet(
  lines: readonly FakeLine[],
  catalogue = fakeCatalogue({ live: 'v1', candidate: 'v2' }),
  clock: Clock = systemClock,
) {
  const plan = (): LinePlan => ({ lines: lines.map(({ name }) => ({ name, settings: 'main' })), notes: [] });
  const opened: string[] = [];
  const set = await LineSet.open(
    {
      catalogue: catalogue.catalogue,
      plan,
      open: async ({ name }) => {
        opened.push(name);
        return lines.find((line) => line.name === name) as FakeLine;
      },
      make: () => Promise.resolve(),
      clock,
      onTrouble: () => undefined,
    },
    never,
  );
  return { set, catalogue, opened };
}

/** A promise to settle from outside. */
function gate(): { readonly passed: Promise<boolean>; open(): void } {
  let open = (): void => undefined;
  const passed = new Promise<boolean>((resolve) => (open = () => resolve(true)));
  return { passed, open: () => open() };
}

const isPending = async (promise: Promise<unknown>): Promise<boolean> =>
  (await Promise.race([
    promise.then(() => 'done'),
    new Promise((resolve) => setImmediate(() => resolve('pending'))),
  ])) === 'pending';

describe('the lines of an instance', () => {
  it('after a switch wait with the first query until the new index covers what the old one may have shown, and not with later ones', async () => {
    const caughtUp = gate();
    const [one, two] = [fakeLine('v1'), fakeLine('v2', { reached: () => caughtUp.passed })];
    const { set } = await openSet([one, two]);
    expect((await set.answering()).name).toBe('v1');
    await set.update(set.state, { live: 'v2', candidate: undefined, previous: 'v1' }, never);
    const first = set.answering();
    expect(await isPending(first)).toBe(true);
    // The token was read at the old index's sources after the last query went there.
    expect(two.tokens).toEqual(['now of v1']);
    caughtUp.open();
    expect((await first).name).toBe('v2');
    expect(await isPending(set.answering())).toBe(false);
    expect(two.tokens).toHaveLength(1);
  });

  it('wait no longer than a moment for an index that does not catch up', async () => {
    const clock = createManualClock();
    const [one, two] = [fakeLine('v1'), fakeLine('v2', { reached: () => new Promise(() => undefined) })];
    const { set } = await openSet([one, two], undefined, clock);
    await set.update(set.state, { live: 'v2', candidate: undefined, previous: 'v1' }, never);
    const first = set.answering();
    await clock.advance(1_000);
    expect(await isPending(first)).toBe(true);
    await clock.advance(1_000);
    expect((await first).name).toBe('v2');
  });

  it('follow a switch that another instance recorded', async () => {
    const { set, catalogue } = await openSet([fakeLine('v1'), fakeLine('v2')]);
    catalogue.set({ live: 'v2', candidate: undefined, previous: 'v1' });
    await set.refresh(never);
    expect([set.live.name, set.candidate?.name, set.previous?.name]).toEqual(['v2', undefined, 'v1']);
  });

  it('close one that nobody names any more', async () => {
    const [one, two] = [fakeLine('v1'), fakeLine('v2')];
    const { set } = await openSet([one, two]);
    await set.update(set.state, { candidate: undefined }, never);
    expect([one.isClosed, two.isClosed]).toEqual([false, true]);
    expect(set.all.map(({ name }) => name)).toEqual(['v1']);
    await set.close();
    expect(one.isClosed).toBe(true);
  });

  it('go on answering from the one they have when another instance switches to one they do not feed', async () => {
    const { set, catalogue } = await openSet([fakeLine('v1')], fakeCatalogue({ live: 'v1' }));
    catalogue.set({ live: 'v9' });
    await expect(set.refresh(never)).rejects.toMatchObject({ code: 'INDEX_NOT_CONFIGURED', kind: 'transient' });
    expect((await set.answering()).name).toBe('v1');
  });

  it('do not take an older state, read by a slow request, for a newer one', async () => {
    const { set, catalogue } = await openSet([fakeLine('v1'), fakeLine('v2')]);
    const older = catalogue.state;
    await set.update(set.state, { live: 'v2', candidate: undefined, previous: 'v1' }, never);
    catalogue.catalogue.state = () => Promise.resolve(older);
    await set.refresh(never);
    expect(set.live.name).toBe('v2');
  });

  it('answer without one beside the live one that cannot be opened, and say why; the live one has to open', async () => {
    const catalogue = fakeCatalogue({ live: 'v1', candidate: 'v2' });
    const troubles: string[] = [];
    const open = (broken: string) =>
      LineSet.open<FakeLine>(
        {
          catalogue: catalogue.catalogue,
          plan: () => ({ lines: ['v1', 'v2'].map((name) => ({ name, settings: 'main' as const })), notes: [] }),
          open: async ({ name }) => {
            if (name === broken) throw new FreshetError('INDEX_DAMAGED', 'fatal', 'broken');
            return fakeLine(name);
          },
          make: () => Promise.resolve(),
          clock: systemClock,
          onTrouble: (what) => troubles.push(what),
        },
        never,
      );
    const set = await open('v2');
    expect([(await set.answering()).name, set.candidate, set.failureOf('v2')?.code]).toEqual([
      'v1',
      undefined,
      'INDEX_DAMAGED',
    ]);
    expect(troubles).toEqual([expect.stringContaining('v2')]);
    catalogue.set({ live: 'v2', candidate: undefined, previous: 'v1' });
    await expect(set.refresh(never)).rejects.toMatchObject({ code: 'INDEX_DAMAGED' });
    expect((await set.answering()).name).toBe('v1');
    await expect(open('v2')).rejects.toMatchObject({ code: 'INDEX_DAMAGED' });
  });

  it('end the instance when the live one fails, and not when another does', async () => {
    const [one, two] = [fakeLine('v1'), fakeLine('v2')];
    const { set } = await openSet([one, two]);
    const ended = set.failed.catch((error: FreshetError) => error.code);
    two.fail(new FreshetError('OF_CANDIDATE', 'fatal', 'no'));
    expect(await isPending(ended)).toBe(true);
    one.fail(new FreshetError('OF_LIVE', 'fatal', 'no'));
    expect(await ended).toBe('OF_LIVE');
  });

  it('end the instance when another one makes an index live that failed here', async () => {
    const [one, two] = [fakeLine('v1'), fakeLine('v2')];
    const { set, catalogue } = await openSet([one, two]);
    two.fail(new FreshetError('OF_CANDIDATE', 'fatal', 'no'));
    await expect(two.failed).rejects.toBeDefined();
    catalogue.set({ live: 'v2', candidate: undefined, previous: 'v1' });
    await set.refresh(never);
    await expect(set.failed).rejects.toMatchObject({ code: 'OF_CANDIDATE' });
  });

  it('record what the plan asks for before anything is opened; another instance that was faster is followed', async () => {
    const catalogue = fakeCatalogue();
    const opened: string[] = [];
    let raced = false;
    const set = await LineSet.open(
      {
        catalogue: {
          ...catalogue.catalogue,
          update: (...args) => {
            if (!raced) catalogue.set({ live: 'v1-theirs' });
            raced = true;
            return catalogue.catalogue.update(...args);
          },
        },
        plan: ({ live }) =>
          live === undefined
            ? {
                lines: [],
                notes: [],
                record: { live: 'v1-ours', candidate: undefined, previous: undefined, canaryShare: 0 },
              }
            : { lines: [{ name: live, settings: 'main' }], notes: [] },
        open: async ({ name }) => {
          opened.push(name);
          return fakeLine(name);
        },
        make: () => Promise.resolve(),
        clock: systemClock,
        onTrouble: () => undefined,
      },
      never,
    );
    expect(opened).toEqual(['v1-theirs']);
    expect(set.live.name).toBe('v1-theirs');
  });

  it('leave nothing open when opening is cancelled half-way', async () => {
    const one = fakeLine('v1');
    const opening = LineSet.open(
      {
        catalogue: fakeCatalogue({ live: 'v1', candidate: 'v2' }).catalogue,
        plan: () => ({ lines: ['v1', 'v2'].map((name) => ({ name, settings: 'main' as const })), notes: [] }),
        open: ({ name }) => (name === 'v1' ? Promise.resolve(one) : Promise.reject(abortedError())),
        make: () => Promise.resolve(),
        clock: systemClock,
        onTrouble: () => undefined,
      },
      never,
    );
    await expect(opening).rejects.toMatchObject({ kind: 'aborted' });
    expect(one.isClosed).toBe(true);
  });
});
