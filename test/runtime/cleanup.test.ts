import { describe, expect, it } from 'vitest';
import { Cleanup } from '../../src/runtime/cleanup.ts';

describe('the clean-up', () => {
  it('undoes what was opened, last first, each step after the one before is done', async () => {
    const cleanup = new Cleanup();
    const done: string[] = [];
    cleanup.add('first', () => void done.push('first'));
    cleanup.add('second', async () => {
      await Promise.resolve();
      done.push('second');
    });
    cleanup.add('third', () => void done.push('third'));
    await cleanup.run(() => undefined);
    expect(done).toEqual(['third', 'second', 'first']);
  });

  it('reports a step that fails by its name, and runs the others all the same', async () => {
    const cleanup = new Cleanup();
    const done: string[] = [];
    const failed: unknown[] = [];
    cleanup.add('first', () => void done.push('first'));
    cleanup.add('rejects', () => Promise.reject(new Error('a')));
    cleanup.add('throws', () => {
      throw new Error('b');
    });
    await cleanup.run((what, error) => failed.push([what, (error as Error).message]));
    expect(failed).toEqual([
      ['throws', 'b'],
      ['rejects', 'a'],
    ]);
    expect(done).toEqual(['first']);
  });

  it('runs every step once, however often it is asked', async () => {
    const cleanup = new Cleanup();
    let times = 0;
    cleanup.add('step', () => void (times += 1));
    await Promise.all([cleanup.run(() => undefined), cleanup.run(() => undefined)]);
    await cleanup.run(() => undefined);
    expect(times).toBe(1);
  });
});
