import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openQdrantCatalogue } from '../../../connectors/qdrant/catalogue.ts';
import type { QdrantIndex } from '../../../connectors/qdrant/index.ts';
import { throwIfAborted } from '../../../src/domain/errors.ts';
import { makeVersion } from '../../../src/domain/version.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { documentId, DIMENSIONS, never, texts, write } from '../../contracts/index-fixtures.ts';
import { startQdrant, type QdrantServer } from '../../support/qdrant/double.ts';
import { startFaultProxy, type Fault, type FaultProxy, type Passed } from '../../support/qdrant/fault-proxy.ts';
import { freshName, openTestIndex, removeCollection, type QdrantContext } from './support.ts';

const isWrite = ({ path }: Passed): boolean => path.includes('/points/batch');

describe('The Qdrant index behind a network that fails', () => {
  let server: QdrantServer;
  let proxy: FaultProxy;
  /** Straight to the server. */
  let direct: QdrantContext;
  /** The same collection, through the proxy. */
  let index: QdrantIndex;
  let slept: number[];

  beforeAll(async () => {
    server = await startQdrant();
    proxy = await startFaultProxy(server.url);
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    slept = [];
    proxy.fault = () => undefined;
    direct = await openTestIndex(server.url, { dimensions: DIMENSIONS });
    const clock: Clock = {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      sleep(ms, signal) {
        throwIfAborted(signal);
        slept.push(ms);
        return new Promise((resolve) => setImmediate(resolve));
      },
    };
    const { collection } = direct;
    ({ index } = await openTestIndex(proxy.url, { dimensions: DIMENSIONS, collection, clock, timeoutMs: 5_000 }));
  });
  afterEach(async () => {
    proxy.release();
    await index[Symbol.asyncDispose]();
    await direct[Symbol.asyncDispose]();
  });

  /** The first `count` writes meet the fault, the others nothing. */
  const failWrites = (fault: Fault, count: number): void => {
    let left = count;
    proxy.fault = (passed) => (isWrite(passed) && left-- > 0 ? fault : undefined);
  };

  it.each<[string, Fault]>([
    ['is refused with 429', { kind: 'status', status: 429, retryAfter: '3' }],
    ['is refused with 503', { kind: 'status', status: 503 }],
    ['is lost before the server has it', { kind: 'drop-before' }],
    ['is done, and its answer lost', { kind: 'drop-after' }],
    ['is in the log and not visible yet', { kind: 'wait-timeout' }],
  ])('takes a write that %s as often as it may be sent again', async (_what, fault) => {
    await index.apply(write('a', { version: 1, chunks: [['one', 0], 'two'] }), never);
    failWrites(fault, 3);
    await index.apply(write('a', { version: 2, chunks: [['one', 0], 'three'], keep: ['one'] }), never);
    expect(await texts(direct.index)).toEqual(['one', 'three']);
    expect(slept).toHaveLength(3);
    if (fault.kind === 'status' && fault.retryAfter !== undefined) expect(slept).toEqual([3_000, 3_000, 3_000]);
  });

  it('never reports a write as visible that the server only has in its log', async () => {
    failWrites({ kind: 'wait-timeout' }, Infinity);
    await expect(index.apply(write('a', { version: 1, chunks: ['one'] }), never)).rejects.toMatchObject({
      kind: 'transient',
      code: 'INDEX_NOT_YET_VISIBLE',
    });
    proxy.fault = () => undefined;
    await index.apply(write('a', { version: 1, chunks: ['one'] }), never);
    expect(await texts(index)).toEqual(['one']);
  });

  it('never reports a write as visible that never came through', async () => {
    failWrites({ kind: 'drop-before' }, Infinity);
    await expect(index.apply(write('a', { version: 1, chunks: ['one'] }), never)).rejects.toMatchObject({
      kind: 'transient',
    });
    expect(await texts(direct.index)).toEqual([]);
  });

  it('lets a write that was late for its caller change nothing after a newer one', async () => {
    failWrites({ kind: 'hold' }, 1);
    const leaving = new AbortController();
    const old = index.apply(write('a', { version: 1, chunks: ['old'] }), leaving.signal).catch(() => 'left');
    while (!proxy.seen.some(isWrite)) await new Promise((resolve) => setImmediate(resolve));
    leaving.abort();
    expect(await old).toBe('left');
    await direct.index.apply(write('a', { version: 2, chunks: ['new'] }), never);
    proxy.release();
    expect(await texts(index)).toEqual(['new']);
  });

  it('counts settings once, also when the answer to their registration is lost', async () => {
    const first = await index.registerSettings('one', never);
    failWrites({ kind: 'drop-after' }, 1);
    expect(await index.registerSettings('two', never)).toBe(first + 1);
    expect(await direct.index.registerSettings('two', never)).toBe(first + 1);
  });

  it('saves a position once, also when the answer is lost', async () => {
    await index.save('app', { at: 1 });
    failWrites({ kind: 'drop-after' }, 2);
    await index.save('app', { at: 2 });
    expect(await direct.index.load('app')).toEqual({ at: 2 });
  });

  it('knows its own change of the catalogue, also when the answer is lost', async () => {
    const prefix = freshName();
    const catalogue = await openQdrantCatalogue({ url: proxy.url, prefix, clock: { ...fastClock } });
    await catalogue.open('blue', { dimensions: DIMENSIONS, embedderFingerprint: 'e' }, never);
    const next = { live: 'blue', candidate: undefined, previous: undefined, canaryShare: 0 };
    failWrites({ kind: 'drop-after' }, 1);
    expect(await catalogue.update(0, next, never)).toEqual({ ...next, revision: 1 });
    await catalogue[Symbol.asyncDispose]();
    for (const name of ['blue', 'catalogue']) await removeCollection(server.url, `${prefix}-${name}`);
  });

  it('ends right after a storm of faults over two writers, and shows what it said was visible', async () => {
    let state = 7;
    const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    const faults: readonly (Fault | undefined)[] = [
      { kind: 'status', status: 429, retryAfter: '0' },
      { kind: 'status', status: 500 },
      { kind: 'drop-before' },
      { kind: 'drop-after' },
      { kind: 'wait-timeout' },
    ];
    proxy.fault = () => (random() < 0.4 ? faults[Math.floor(random() * faults.length)] : undefined);
    const writers = [index, direct.index];
    const names = ['a', 'b', 'c'];
    const run = async (name: string): Promise<void> => {
      for (let version = 1; version <= 12; version++) {
        const one = write(name, { version, chunks: [[`${name} stays`, 10], `${name} ${version}`] });
        const stale = write(name, { version: Math.max(1, version - 2), chunks: [`${name} stale`] });
        const results = await Promise.allSettled(
          [one, stale].map((each) => writers[Math.floor(random() * 2)]!.apply(each, never)),
        );
        for (const result of results) if (result.status === 'rejected') expect(result.reason.kind).toBe('transient');
        if (results[0]!.status !== 'fulfilled') continue;
        const head = (await direct.index.heads([documentId(name)], never)).get(documentId(name));
        expect(head?.version).toBeGreaterThanOrEqual(makeVersion(0, version));
      }
    };
    await Promise.all(names.map(run));
    proxy.fault = () => undefined;
    for (const name of names) {
      await index.apply(write(name, { version: 13, chunks: [[`${name} stays`, 10], `${name} 13`] }), never);
    }
    const expected = names.flatMap((name) => [`${name} 13`, `${name} stays`]);
    expect([...(await texts(direct.index))].sort()).toEqual(expected.sort());
  });
});

const fastClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: () => new Promise((resolve) => setImmediate(resolve)),
};
