import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Checkpoints } from '../../src/ports/checkpoints.ts';

export interface CheckpointsContext extends AsyncDisposable {
  readonly checkpoints: Checkpoints;
}

/** What every Checkpoints adapter must do. `open` gives an empty store for every test. */
export function describeCheckpoints(name: string, open: () => Promise<CheckpointsContext>): void {
  describe(`Checkpoints contract: ${name}`, () => {
    let context: CheckpointsContext;
    beforeEach(async () => {
      context = await open();
    });
    afterEach(() => context[Symbol.asyncDispose]());

    it('knows nothing of a source that never saved', async () => {
      expect(await context.checkpoints.load('app')).toBeUndefined();
    });

    it('gives back what was saved last, per source', async () => {
      const { checkpoints } = context;
      await checkpoints.save('app', { slot: 'freshet', lsn: '0/16B3748', tables: ['a', 'b'], epoch: 0, done: false });
      await checkpoints.save('push', 'push:7');
      await checkpoints.save('app', { slot: 'freshet', lsn: '0/16B3750', tables: [], epoch: 1, done: true });
      expect(await checkpoints.load('app')).toEqual({
        slot: 'freshet',
        lsn: '0/16B3750',
        tables: [],
        epoch: 1,
        done: true,
      });
      expect(await checkpoints.load('push')).toBe('push:7');
    });

    it('keeps the order of saves that overlap', async () => {
      const { checkpoints } = context;
      await Promise.all(Array.from({ length: 50 }, (_, at) => checkpoints.save('app', { at })));
      expect(await checkpoints.load('app')).toEqual({ at: 49 });
    });

    it('is not changed by what the caller does to its object later', async () => {
      const { checkpoints } = context;
      const state = { at: 1 };
      const saved = checkpoints.save('app', state);
      state.at = 2;
      await saved;
      state.at = 3;
      const loaded = (await checkpoints.load('app')) as { at: number };
      expect(loaded).toEqual({ at: 1 });
      loaded.at = 4;
      expect(await checkpoints.load('app')).toEqual({ at: 1 });
    });

    it('takes names and values that are odd text', async () => {
      const { checkpoints } = context;
      await checkpoints.save(`o'dd "name" ☃`, { text: 'a\0b\ud800', list: [null, 1.5, true] });
      expect(await checkpoints.load(`o'dd "name" ☃`)).toEqual({ text: 'a\0b\ud800', list: [null, 1.5, true] });
    });
  });
}
