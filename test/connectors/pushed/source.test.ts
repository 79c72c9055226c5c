import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPushedSource, type PushedInput, type PushedSource } from '../../../connectors/pushed/source.ts';
import { openSqliteState, type SqliteState } from '../../../connectors/sqlite/state.ts';
import type { Delivery } from '../../../src/domain/change.ts';
import type { Redacted } from '../../../src/domain/document.ts';
import { pushedDocumentId, rowKey, tenantId } from '../../../src/domain/ids.ts';
import type { Checkpoints } from '../../../src/ports/checkpoints.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { testFolder, type TestFolder } from '../sqlite/support.ts';

const ACME = tenantId('acme');
const START = Date.UTC(2026, 10, 20, 12);
const never = new AbortController().signal;

const pushed = (id: string, rest: Partial<PushedInput> = {}): Redacted<PushedInput> =>
  ({ id, tenant: ACME, text: `Text of ${id}`, ...rest }) as Redacted<PushedInput>;

function memoryCheckpoints(): Checkpoints {
  const states = new Map<string, unknown>();
  return {
    load: (source) => Promise.resolve(states.get(source)),
    save: (source, state) => Promise.resolve(void states.set(source, state)),
  };
}

describe('the source of pushed documents', () => {
  let folder: TestFolder;
  let state: SqliteState;
  let checkpoints: Checkpoints;
  let source: PushedSource;
  let now: number;
  let stop: AbortController;
  const clock: Clock = { ...systemClock, now: () => now };
  const restart = (): PushedSource => createPushedSource({ log: state.pushed, checkpoints, clock });

  beforeEach(async () => {
    now = START;
    folder = testFolder();
    state = await openSqliteState({ path: folder.file('state.db'), sealKey: new Uint8Array(32) });
    checkpoints = memoryCheckpoints();
    source = restart();
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await state[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  async function take(from: PushedSource, count: number): Promise<readonly Delivery[]> {
    const taken: Delivery[] = [];
    if (count === 0) return taken;
    for await (const delivery of from.read(stop.signal)) {
      taken.push(delivery);
      if (taken.length === count) break;
    }
    return taken;
  }
  const keys = (deliveries: readonly Delivery[]) =>
    deliveries.map(({ event }) => ('key' in event ? `${event.kind}:${event.key}` : event.kind));

  it('delivers a document as a row, with a version that is its place in the log', async () => {
    const [receipt] = await source.put([
      pushed('a', { title: 'T', uri: 'kb://a', format: 'markdown', access: ['ann'], metadata: { lang: 'en' } }),
    ]);
    const [delivery] = await take(source, 1);
    expect(receipt).toEqual({
      id: pushedDocumentId(ACME, 'a'),
      externalId: 'a',
      accepted: true,
      token: `push:${delivery!.position.offset}`,
    });
    expect(delivery).toMatchObject({
      position: { partition: 'push' },
      endsPosition: true,
      event: {
        kind: 'row-upserted',
        table: 'push.documents',
        key: rowKey([ACME, 'a']),
        version: Number(delivery!.position.offset),
        committedAt: START,
        snapshot: false,
        row: {
          id: 'a',
          tenant: 'acme',
          title: 'T',
          uri: 'kb://a',
          text: 'Text of a',
          format: 'markdown',
          access: ['ann'],
          metadata: { lang: 'en' },
        },
      },
    });
  });

  it('delivers what is pushed while it waits, without polling', async () => {
    const live = take(source, 2);
    await source.put([pushed('a')]);
    await source.delete('a', { tenant: ACME });
    expect(keys(await live)).toEqual(['row-upserted:["acme","a"]', 'row-deleted:["acme","a"]']);
  });

  it('delivers only the latest version of a document that was pushed again meanwhile', async () => {
    await source.put([pushed('a', { text: 'one' }), pushed('b'), pushed('a', { text: 'two' })]);
    const deliveries = await take(source, 2);
    expect(keys(deliveries)).toEqual(['row-upserted:["acme","b"]', 'row-upserted:["acme","a"]']);
    expect(deliveries[1]!.event).toMatchObject({ row: { text: 'two' } });
  });

  it('goes on after the committed mark when it is started again', async () => {
    await source.put([pushed('a'), pushed('b')]);
    const [first] = await take(source, 1);
    await source.commit([first!.position]);
    expect(keys(await take(restart(), 1))).toEqual(['row-upserted:["acme","b"]']);
  });

  it('delivers again what was not committed, under the same versions', async () => {
    await source.put([pushed('a'), pushed('b')]);
    const before = await take(source, 2);
    const after = await take(restart(), 2);
    expect(after.map(({ position, event }) => [position, event])).toEqual(
      before.map(({ position, event }) => [position, event]),
    );
  });

  it('delivers everything again to an index that was built anew', async () => {
    await source.put([pushed('a'), pushed('b')]);
    await source.commit([(await take(source, 2))[1]!.position]);
    checkpoints = memoryCheckpoints();
    expect(keys(await take(restart(), 2))).toEqual(['row-upserted:["acme","a"]', 'row-upserted:["acme","b"]']);
  });

  it('never moves its mark back, and ignores positions of others', async () => {
    await source.put([pushed('a'), pushed('b')]);
    const [first, second] = await take(source, 2);
    await source.commit([second!.position]);
    await source.commit([first!.position]);
    await source.commit([{ ...second!.position, partition: 'other' as never, offset: 2n ** 52n }]);
    await source.commit([]);
    expect(await source.reached(`push:${second!.position.offset}`, 0, never)).toBe(true);
    expect(await source.reached(`push:${second!.position.offset + 1n}`, 0, never)).toBe(false);
    expect(await checkpoints.load('push')).toEqual({ sequence: Number(second!.position.offset) });
  });

  it('keeps sequences growing when the clock stands still or goes back', async () => {
    const receipts = [...(await source.put([pushed('a'), pushed('b')]))];
    now -= 3_600_000;
    receipts.push(...(await source.put([pushed('c')])));
    source = restart();
    receipts.push(...(await source.put([pushed('d')])));
    const sequences = receipts.map(({ token }) => Number(token.slice('push:'.length)));
    expect(sequences).toEqual([0, 1, 2, 3].map((at) => sequences[0]! + at));
  });

  it('carries versions over the 48 bits of an epoch, still in order', async () => {
    now = Date.UTC(2020, 0, 1) + 2 ** 48 / 1000 - 0.001;
    await source.put([pushed('a'), pushed('b'), pushed('c')]);
    const versions = (await take(source, 3)).map(({ event }) => ('version' in event ? event.version! : 0));
    expect(versions).toEqual([...versions].sort((x, y) => x - y));
    expect(versions.map((version) => version - 2 ** 48)).toEqual([-1, 0, 1]);
  });

  describe('versions of the caller', () => {
    it('refuse an older and an equal one, also after a delete and a restart', async () => {
      await source.put([pushed('a', { sourceVersion: 5 })]);
      expect(await source.put([pushed('a', { sourceVersion: 4 })])).toMatchObject([
        { accepted: false, reason: 'superseded' },
      ]);
      expect(await source.put([pushed('a', { sourceVersion: 5 })])).toMatchObject([
        { accepted: false, reason: 'duplicate' },
      ]);
      await source.delete('a', { tenant: ACME, sourceVersion: 7 });
      source = restart();
      expect(await source.put([pushed('a', { sourceVersion: 6 })])).toMatchObject([
        { accepted: false, reason: 'superseded' },
      ]);
      expect(await source.put([pushed('a', { sourceVersion: 8 })])).toMatchObject([{ accepted: true }]);
    });

    it('give a refused push a token that covers what stands', async () => {
      const [first] = await source.put([pushed('a', { sourceVersion: 5 })]);
      const [second] = await source.put([pushed('a', { sourceVersion: 5 })]);
      expect(second!.token).toBe(first!.token);
    });

    it('keep a document dead whose delete came before its upsert', async () => {
      await source.delete('a', { tenant: ACME, sourceVersion: 9 });
      expect(await source.put([pushed('a', { sourceVersion: 8 })])).toMatchObject([{ accepted: false }]);
    });

    it('are compared per document and tenant only', async () => {
      await source.put([pushed('a', { sourceVersion: 1_000_000 })]);
      expect(await source.put([pushed('b', { sourceVersion: 1 })])).toMatchObject([{ accepted: true }]);
      const other = { id: 'a', tenant: tenantId('other'), text: 'x', sourceVersion: 1 } as Redacted<PushedInput>;
      expect(await source.put([other])).toMatchObject([{ accepted: true }]);
    });

    it.each([-1, 1.5, Number.NaN, 2 ** 53])('refuse %s', async (sourceVersion) => {
      await expect(source.put([pushed('a', { sourceVersion })])).rejects.toMatchObject({
        code: 'BAD_SOURCE_VERSION',
        kind: 'poison',
      });
    });
  });

  describe('tokens', () => {
    it('are reached once everything up to them is settled', async () => {
      const [receipt] = await source.put([pushed('a')]);
      const waiting = source.reached(receipt!.token, 5_000, never);
      await source.commit((await take(source, 1)).map(({ position }) => position));
      expect(await waiting).toBe(true);
      expect(source.coveredToken()).toBe(receipt!.token);
      expect(await source.currentToken(never)).toBe(receipt!.token);
    });

    it('are not reached while something is unsettled, and say so in time', async () => {
      const [receipt] = await source.put([pushed('a')]);
      expect(await source.reached(receipt!.token, 20, never)).toBe(false);
    });

    it('stop waiting for a caller that leaves', async () => {
      const [receipt] = await source.put([pushed('a')]);
      const leaving = new AbortController();
      const waiting = source.reached(receipt!.token, 60_000, leaving.signal);
      leaving.abort();
      await expect(waiting).rejects.toMatchObject({ kind: 'aborted' });
    });

    it.each(['', 'push', 'push:', 'push:x', 'push:-1', 'push:1:2', 'app:1', '0/16B3748', `push:${'9'.repeat(20)}`])(
      'refuse %j',
      async (token) => {
        await expect(source.reached(token, 0, never)).rejects.toMatchObject({ code: 'BAD_TOKEN', kind: 'poison' });
      },
    );
  });

  describe('freshness', () => {
    const partition = async () => (await source.freshness()).partitions[0]!;

    it('is now while nothing is unsettled', async () => {
      await source.put([pushed('a')]);
      await source.commit((await take(source, 1)).map(({ position }) => position));
      now += 60_000;
      expect(await partition()).toMatchObject({ asOf: now, lagEvents: 0, lagMs: 0 });
      expect((await source.freshness()).snapshotFinished).toBe(true);
    });

    it('knows nothing before anything was settled, and is not ready', async () => {
      await source.put([pushed('a')]);
      await take(source, 1);
      expect(await partition()).toMatchObject({ asOf: undefined, lagEvents: 1, lagMs: undefined });
      expect((await source.freshness()).snapshotFinished).toBe(false);
    });

    it('stays at the mark while a document that was pushed twice is unsettled', async () => {
      await source.put([pushed('settled')]);
      await source.commit((await take(source, 1)).map(({ position }) => position));
      now += 1_000;
      await source.put([pushed('a', { text: 'one' })]);
      now += 60_000;
      await source.put([pushed('a', { text: 'two' })]);
      expect((await partition()).asOf).toBe(START);
    });

    it('is never newer than what waits, also after the clock went back', async () => {
      await source.put([pushed('a')]);
      await source.commit((await take(source, 1)).map(({ position }) => position));
      now -= 10_000;
      await source.put([pushed('b')]);
      expect((await partition()).asOf).toBeLessThan(now);
    });
  });

  describe('rows', () => {
    it('are read by key as they stand now', async () => {
      await source.put([pushed('a', { text: 'one' }), pushed('gone')]);
      await source.put([pushed('a', { text: 'two' })]);
      await source.delete('gone', { tenant: ACME });
      expect(await source.row(source.table, rowKey([ACME, 'a']), never)).toMatchObject({ text: 'two' });
      expect(await source.row(source.table, rowKey([ACME, 'gone']), never)).toBeUndefined();
      expect(await source.row('app.other' as never, rowKey([ACME, 'a']), never)).toBeUndefined();
    });

    it('are scanned whole, in key order, without what was deleted', async () => {
      const ids = Array.from({ length: 250 }, (_, at) => `d${String(at).padStart(3, '0')}`);
      await source.put(ids.toReversed().map((id) => pushed(id)));
      await source.delete('d007', { tenant: ACME });
      const seen: string[] = [];
      for await (const { row } of source.rows(source.table, never)) seen.push(row.id as string);
      expect(seen).toEqual(ids.filter((id) => id !== 'd007'));
    });

    it('keep odd text unchanged', async () => {
      const text = 'NUL \0, lone \ud800, emoji 🍏, "quotes"';
      await source.put([pushed('odd \0 "id"', { text })]);
      expect(await source.row(source.table, rowKey([ACME, 'odd \0 "id"']), never)).toMatchObject({ text });
    });
  });

  it('loses the text of a deleted document from its store at once', async () => {
    await source.put([pushed('a', { text: 'a secret nobody needs any more' })]);
    await source.delete('a', { tenant: ACME });
    expect((await state.pushed.entry(rowKey([ACME, 'a'])))?.document).toBeUndefined();
  });

  it('has durable documents when put resolves: a second opening of the file sees them', async () => {
    await source.put([pushed('a'), pushed('b')]);
    const second = await openSqliteState({ path: folder.file('state.db'), sealKey: new Uint8Array(32) });
    expect(await second.pushed.countAfter(0)).toBe(2);
    await second[Symbol.asyncDispose]();
  });

  it('ends quietly when it is stopped while waiting', async () => {
    const all: Delivery[] = [];
    const reading = (async () => {
      for await (const delivery of source.read(stop.signal)) all.push(delivery);
    })();
    stop.abort();
    await reading;
    expect(all).toEqual([]);
  });
});
