import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyedLanes, type Coalesced } from '../../src/runtime/keyed-lanes.ts';

interface Item {
  readonly key: string;
  readonly numbers: readonly number[];
}

/** Lanes whose items end when the test says so. */
function lanes(coalesce?: (waiting: Item, incoming: Item) => Coalesced<Item>) {
  const running: { readonly item: Item; readonly end: (error?: Error) => void }[] = [];
  const ended: Item[] = [];
  const failures: unknown[] = [];
  const subject = new KeyedLanes<Item>({
    handle: (item) =>
      new Promise((resolve, reject) => {
        running.push({
          item,
          end: (error) => {
            if (error !== undefined) return reject(error);
            ended.push(item);
            resolve();
          },
        });
      }),
    onFailure: (error) => failures.push(error),
    ...(coalesce === undefined ? {} : { coalesce }),
  });
  const endOne = async (at: number): Promise<void> => {
    running.splice(at, 1)[0]?.end();
    await settled();
  };
  return { subject, running, ended, failures, endOne };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const keys = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 });

describe('keyed lanes', () => {
  it('handle every item once, one at a time and in order per key, whatever ends first', async () => {
    await fc.assert(
      fc.asyncProperty(keys, fc.infiniteStream(fc.nat()), async (plan, choices) => {
        const { subject, running, ended, endOne } = lanes();
        const next = (): number => choices.next().value as number;
        for (const [number, key] of plan.entries()) {
          subject.push(key, { key, numbers: [number] });
          expect(new Set(running.map(({ item }) => item.key)).size).toBe(running.length);
          if (running.length > 0 && next() % 3 === 0) await endOne(next() % running.length);
        }
        while (running.length > 0) await endOne(next() % running.length);
        expect(subject.active).toBe(0);
        for (const key of ['a', 'b', 'c']) {
          const wanted = plan.flatMap((other, number) => (other === key ? [number] : []));
          expect(ended.filter((item) => item.key === key).flatMap((item) => item.numbers)).toEqual(wanted);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('lose nothing by coalescing, and never touch the item being handled', async () => {
    const join = (waiting: Item, incoming: Item): Coalesced<Item> =>
      (incoming.numbers[0] ?? 0) % 3 === 0
        ? { action: 'append' }
        : { action: 'replace', item: { key: incoming.key, numbers: [...waiting.numbers, ...incoming.numbers] } };
    await fc.assert(
      fc.asyncProperty(keys, fc.infiniteStream(fc.nat()), async (plan, choices) => {
        const { subject, running, ended, endOne } = lanes(join);
        const next = (): number => choices.next().value as number;
        for (const [number, key] of plan.entries()) {
          const handled = running.map(({ item }) => [item, [...item.numbers]] as const);
          subject.push(key, { key, numbers: [number] });
          for (const [item, numbers] of handled) expect(item.numbers).toEqual(numbers);
          if (running.length > 0 && next() % 4 === 0) await endOne(next() % running.length);
        }
        while (running.length > 0) await endOne(next() % running.length);
        for (const key of ['a', 'b', 'c']) {
          const wanted = plan.flatMap((other, number) => (other === key ? [number] : []));
          expect(ended.filter((item) => item.key === key).flatMap((item) => item.numbers)).toEqual(wanted);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('are idle only once everything pushed is handled', async () => {
    const { subject, endOne } = lanes();
    let idle = false;
    subject.push('a', { key: 'a', numbers: [1] });
    subject.push('a', { key: 'a', numbers: [2] });
    const waiting = subject.idle().then(() => (idle = true));
    await endOne(0);
    expect(idle).toBe(false);
    await endOne(0);
    await waiting;
    expect(idle).toBe(true);
  });

  it('stop for good at the first failure, and report it once', async () => {
    const { subject, running, failures } = lanes();
    for (const key of ['a', 'a', 'b', 'b']) subject.push(key, { key, numbers: [] });
    const error = new Error('broken');
    running.shift()?.end(error);
    await settled();
    running.shift()?.end(new Error('broken again'));
    await settled();
    expect(running).toEqual([]);
    expect(failures).toEqual([error]);
    await subject.idle();
  });
});
