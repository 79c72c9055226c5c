import { describe, expect, it } from 'vitest';
import { Changes } from '../../src/runtime/changes.ts';

const never = new AbortController().signal;

describe('Changes', () => {
  it('resolves at once where the condition holds already', async () => {
    await new Changes().until(() => true, never);
  });

  it('looks again at each change, until the condition holds', async () => {
    const changes = new Changes();
    let state = 0;
    let looks = 0;
    const reached = changes.until(() => (looks++, state === 2), never);
    changes.happened();
    state = 2;
    changes.happened();
    changes.happened();
    await reached;
    expect(looks).toBe(3);
  });

  it('gives up when the signal fires, and looks no more', async () => {
    const changes = new Changes();
    const stop = new AbortController();
    let looks = 0;
    const waiting = changes.until(() => (looks++, false), stop.signal);
    stop.abort();
    await waiting;
    changes.happened();
    expect(looks).toBe(1);
  });
});
