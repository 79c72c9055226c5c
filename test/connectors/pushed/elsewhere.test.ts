import { describe, expect, it } from 'vitest';
import { createMemoryCheckpoints } from '../../../connectors/memory/checkpoints.ts';
import { createPushedElsewhere } from '../../../connectors/pushed/elsewhere.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { agesOf, oldestAsOf } from '../../../src/services/source-freshness.ts';

const signal = (): AbortSignal => AbortSignal.timeout(5_000);

function open() {
  const checkpoints = createMemoryCheckpoints();
  return { checkpoints, source: createPushedElsewhere({ name: 'push', checkpoints, clock: systemClock }) };
}

describe('Pushed documents of another instance', () => {
  it('are refused here, and it says where to send them', async () => {
    const { source } = open();
    await expect(source.put()).rejects.toMatchObject({ code: 'PUSHES_REFUSED', kind: 'poison' });
    await expect(source.delete()).rejects.toMatchObject({ code: 'PUSHES_REFUSED' });
  });

  it('can be waited for by their tokens, through the index that both feed', async () => {
    const { checkpoints, source } = open();
    await checkpoints.save('push', { sequence: 5 });
    expect(await source.currentToken(signal())).toBe('push:5');
    expect(await source.reached('push:5', 0, signal())).toBe(true);
    expect(await source.reached('push:6', 0, signal())).toBe(false);
    const waiting = source.reached('push:6', 5_000, signal());
    await checkpoints.save('push', { sequence: 6 });
    expect(await waiting).toBe(true);
    await expect(source.reached('other:6', 0, signal())).rejects.toMatchObject({ code: 'BAD_TOKEN' });
  });

  it('say nothing of their age, and keep no answer from having one', async () => {
    const { source } = open();
    const here = { asOf: 1_000, lagEvents: 0, lagMs: 0, partition: 'app' as never };
    const state = {
      source: 'app',
      connected: true,
      partitions: [here],
      snapshotFinished: true,
      snapshots: [],
      gauges: {},
    };
    const ages = agesOf([state, await source.freshness()]);
    expect(ages.map((age) => age.source)).toEqual(['app']);
    expect(oldestAsOf(ages, 2_000).asOf).toBe(1_000);
  });

  it('are read until the instance stops, and nothing comes', async () => {
    const { source } = open();
    const stop = new AbortController();
    const reading = source.read(stop.signal)[Symbol.asyncIterator]().next();
    stop.abort();
    expect(await reading).toEqual({ done: true, value: undefined });
  });
});
