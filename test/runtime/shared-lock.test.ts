import { describe, expect, it } from 'vitest';
import { SharedLock } from '../../src/runtime/shared-lock.ts';
import { settled } from '../support/manual-clock.ts';

/** Work that goes on until it is told to end. */
function gate() {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open: () => open(), opened };
}

describe('the shared lock', () => {
  it('lets many share it at once, and gives back what the work gave', async () => {
    const lock = new SharedLock();
    const { open, opened } = gate();
    const first = lock.shared(() => opened.then(() => 1));
    await expect(lock.shared(() => Promise.resolve(2))).resolves.toBe(2);
    open();
    await expect(first).resolves.toBe(1);
  });

  it('gives exclusive use once those who share it are done, and holds newcomers back until then', async () => {
    const lock = new SharedLock();
    const order: string[] = [];
    const [reading, writing] = [gate(), gate()];
    const reader = lock.shared(() => reading.opened.then(() => void order.push('reader')));
    const writer = lock.exclusive(() => writing.opened.then(() => void order.push('writer')));
    const newcomer = lock.shared(() => Promise.resolve(void order.push('newcomer')));
    writing.open();
    await settled();
    expect(order).toEqual([]);
    reading.open();
    await Promise.all([reader, writer, newcomer]);
    expect(order).toEqual(['reader', 'writer', 'newcomer']);
  });

  it('gives exclusive use to one at a time', async () => {
    const lock = new SharedLock();
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, (inside += 1));
      await settled();
      inside -= 1;
    };
    await Promise.all([lock.exclusive(work), lock.exclusive(work), lock.exclusive(work)]);
    expect(most).toBe(1);
  });

  it('is free again after work that failed, shared or exclusive', async () => {
    const lock = new SharedLock();
    const failing = (): Promise<never> => Promise.reject(new Error('failed'));
    await expect(lock.shared(failing)).rejects.toThrow('failed');
    await expect(lock.exclusive(failing)).rejects.toThrow('failed');
    await expect(lock.exclusive(() => Promise.resolve('exclusive'))).resolves.toBe('exclusive');
    await expect(lock.shared(() => Promise.resolve('shared'))).resolves.toBe('shared');
  });
});
