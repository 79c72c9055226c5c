import { describe, expect, it } from 'vitest';
import { Budget } from '../../src/runtime/budget.ts';
import { settled } from '../support/manual-clock.ts';

const signal = new AbortController().signal;

async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  void promise.then(() => (done = true));
  await settled();
  return done;
}

describe('the in-flight budget', () => {
  it('holds the reader at the count limit and lets it go on at 80 %', async () => {
    const budget = new Budget({ count: 10, bytes: 1e9 });
    for (let n = 0; n < 9; n += 1) await budget.take(1, signal);
    const tenth = budget.take(1, signal);
    expect(await isDone(tenth)).toBe(false);
    budget.give(1);
    expect(await isDone(tenth)).toBe(false);
    budget.give(1);
    expect(await isDone(tenth)).toBe(true);
  });

  it('holds the reader at the byte limit', async () => {
    const budget = new Budget({ count: 1_000, bytes: 100 });
    await budget.take(60, signal);
    const second = budget.take(60, signal);
    expect(await isDone(second)).toBe(false);
    budget.give(60);
    expect(await isDone(second)).toBe(true);
  });

  it('lets one item larger than the limit through alone', async () => {
    const budget = new Budget({ count: 10, bytes: 100 });
    const huge = budget.take(5_000, signal);
    expect(await isDone(huge)).toBe(false);
    budget.give(5_000);
    expect(await isDone(huge)).toBe(true);
    expect(budget.count).toBe(0);
  });

  it('rejects a waiting reader when it is cancelled', async () => {
    const budget = new Budget({ count: 1, bytes: 100 });
    const controller = new AbortController();
    const waiting = budget.take(1, controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ kind: 'aborted' });
  });
});
