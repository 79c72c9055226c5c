import { afterEach, describe, expect, it } from 'vitest';
import { setMaxListeners } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createFilesSource } from '../../connectors/files/index.ts';
import { createMemoryDeadLetters } from '../../connectors/memory/dead-letters.ts';
import { createPushedSource, type PushedInput } from '../../connectors/pushed/source.ts';
import { openSqliteIndex, type SqliteIndex } from '../../connectors/sqlite/index.ts';
import { openSqliteState } from '../../connectors/sqlite/state.ts';
import type { Redacted } from '../../src/domain/document.ts';
import { FreshetError } from '../../src/domain/errors.ts';
import { DEFAULT_TENANT } from '../../src/domain/ids.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { createChangeFeed } from '../../src/observability/change-feed.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { ageOf, oldestAsOf } from '../../src/services/source-freshness.ts';
import { sweepRegularly } from '../../src/services/sweep.ts';
import { testFolder, type TestFolder } from '../connectors/sqlite/support.ts';
import { createManualClock, settled } from '../support/manual-clock.ts';
import { createPipelineKit, idOf } from '../support/pipeline-kit.ts';
import { createRecordingObserver } from '../support/recording-observer.ts';

// What happens around an instance, not in it: the disk is full, and the wall clock is set.

const HOUR = 3_600_000;
const never = new AbortController().signal;
setMaxListeners(0, never);
const folders: TestFolder[] = [];
const newFolder = (): TestFolder => {
  const folder = testFolder();
  folders.push(folder);
  return folder;
};
afterEach(() => folders.splice(0).forEach((folder) => folder[Symbol.dispose]()));

describe('a full disk under the index', () => {
  it('holds writes back, not searches; with space again everything is indexed, in order, and nothing was lost', async () => {
    const path = newFolder().file('index.db');
    const open = (bytesMax?: number) =>
      openSqliteIndex({
        path,
        dimensions: 384,
        embedderFingerprint: 'test',
        ...(bytesMax === undefined ? {} : { bytesMax }),
      });
    const { index, reopen } = reopened(await open(500_000));
    const kit = createPipelineKit({ index });
    const running = kit.run();
    const filler = 'filler '.repeat(300);
    kit.write(1, { body: 'The plover was here before.' });
    await kit.quiet();

    for (let id = 2; id <= 200; id += 1) kit.write(id, { body: `Word${id} ${filler}` });
    kit.write(1, { body: 'The plover is here after.' });
    kit.remove(200);
    await until(() => kit.observer.of('outage-began').length > 0);
    expect(kit.observer.of('outage-began')[0]?.code).toBe('INDEX_DISK_FULL');
    const committed = kit.source.committed.values().next().value ?? 0n;
    expect(committed).toBeLessThan(202n);
    // It answers all the while, from what is there.
    const stats = await index.stats(never);
    expect(stats.documents).toBeGreaterThan(0);
    expect(stats.documents).toBeLessThan(199);
    expect(await kit.text(1)).toContain('The plover');
    expect(await kit.deadLetters.count()).toBe(0);

    // What grows a disk: the same file, now with room.
    await reopen(() => open());
    await until(() => kit.source.committed.values().next().value === 202n, 15_000);
    for (let id = 2; id < 200; id += 1) expect(await kit.text(id)).toContain(`Word${id} `);
    expect(await kit.text(1)).toBe('The plover is here after.');
    expect(await kit.text(200)).toBeUndefined();
    expect(kit.observer.of('outage-ended').length).toBeGreaterThan(0);
    expect(await kit.deadLetters.count()).toBe(0);
    kit.stop();
    await running;
    await kit.close();
  });
});

describe('a full disk under the state of a folder of files', () => {
  it('holds changes of files back and ends no reading; with space again they come, each once', async () => {
    const folder = newFolder();
    const stored = new Map<string, unknown>();
    let isFull = false;
    const save = (name: string, state: unknown): Promise<void> => {
      if (isFull) return Promise.reject(new FreshetError('INDEX_DISK_FULL', 'transient', 'No space is left.'));
      return Promise.resolve(void stored.set(name, state));
    };
    const observer = createRecordingObserver();
    writeFileSync(folder.file('a.md'), 'Before.');
    const source = createFilesSource({
      name: 'docs',
      root: folder.path,
      checkpoints: { load: (name) => Promise.resolve(stored.get(name)), save },
      clock: systemClock,
      observer,
      settleMs: 1,
      rescanMs: 50,
    });
    const stop = new AbortController();
    const kinds: string[] = [];
    const reading = (async () => {
      for await (const delivery of source.read(stop.signal)) {
        kinds.push(delivery.event.kind);
        await source.commit([delivery.position]).catch(() => undefined);
      }
    })();
    await until(() => kinds.length === 1 && stored.size > 0);
    isFull = true;
    writeFileSync(folder.file('b.md'), 'While it is full.');
    const codes = (): string[] => observer.of('source').map(({ code, level }) => `${level} ${code}`);
    await until(() => codes().includes('warn FILES_STATE_NOT_SAVED'));
    expect(kinds).toHaveLength(1);
    isFull = false;
    await until(() => kinds.length === 2);
    expect(codes()).toContain('info FILES_STATE_NOT_SAVED');
    stop.abort();
    await reading;
    await source[Symbol.asyncDispose]();
    expect(kinds).toEqual(['row-upserted', 'row-upserted']);
  });
});

/** Time passes as ever; only what the clock on the wall says is set. */
function setClock(): Clock & { shiftMs: number } {
  const clock = { ...systemClock, shiftMs: 0, now: () => systemClock.now() + clock.shiftMs };
  return clock;
}

describe('a wall clock that is set by hours', () => {
  it.each([-5, 5])('(%i h) while changes stream: the newest still wins, and no duration is negative', async (hours) => {
    const clock = setClock();
    const feed = createChangeFeed({ now: clock.now, describe: () => Promise.resolve(undefined) });
    const kit = createPipelineKit({ clock });
    const running = kit.run();
    kit.write(1, { body: 'First edit.' });
    kit.write(2, { body: 'Stays.' });
    await kit.quiet();
    clock.shiftMs = hours * HOUR;
    kit.write(1, { body: 'Second edit.' });
    kit.remove(2);
    await kit.quiet();
    clock.shiftMs = 0;
    kit.write(1, { body: 'Third edit.' });
    await kit.quiet();
    expect(await kit.text(1)).toBe('Third edit.');
    expect(await kit.text(2)).toBeUndefined();
    for (const event of kit.observer.events) feed.emit(event);
    await feed.idle();
    expect(feed.commitToVisible().p50).toBeGreaterThanOrEqual(0);
    kit.stop();
    await running;
    await kit.close();
  });

  it('keeps pushed documents in order, and their freshness never newer than what is in', async () => {
    const clock = setClock();
    const state = await openSqliteState({ path: newFolder().file('state.db'), sealKey: new Uint8Array(32) });
    const checkpoint = new Map<string, unknown>();
    const source = createPushedSource({
      log: state.pushed,
      checkpoints: {
        load: (name) => Promise.resolve(checkpoint.get(name)),
        save: (name, value) => Promise.resolve(void checkpoint.set(name, value)),
      },
      clock,
    });
    const put = async (text: string): Promise<{ sequence: number; at: number }> => {
      const at = clock.now();
      const [receipt] = await source.put([{ id: 'a', tenant: DEFAULT_TENANT, text } as Redacted<PushedInput>]);
      return { sequence: Number(receipt?.token.split(':')[1]), at };
    };
    const putOther = async (id: string): Promise<{ sequence: number; at: number }> => {
      const at = clock.now();
      const [receipt] = await source.put([{ id, tenant: DEFAULT_TENANT, text: id } as Redacted<PushedInput>]);
      return { sequence: Number(receipt?.token.split(':')[1]), at };
    };
    const asOf = async (): Promise<number | undefined> => {
      const { partitions } = await source.freshness();
      expect(partitions[0]?.lagMs ?? 0).toBeGreaterThanOrEqual(0);
      return partitions[0]?.asOf;
    };
    const settle = (sequence: number) => source.commit([{ partition: 'push' as never, offset: BigInt(sequence) }]);

    const first = await put('one');
    await settle(first.sequence);
    for (const hours of [6, -6]) {
      clock.shiftMs = hours * HOUR;
      const edit = await put(`${hours} h`);
      // One waits: it, and all that is later, is not claimed.
      expect(await asOf()).toBeLessThan(edit.at + 1);
      const other = await putOther(`other${hours}`);
      expect(other.sequence).toBeGreaterThan(edit.sequence);
      expect((await asOf()) ?? 0).toBeLessThan(edit.at + 1);
      await settle(edit.sequence);
      expect((await asOf()) ?? 0).toBeLessThan(other.at + 1);
      await settle(other.sequence);
      expect(await asOf()).toBeLessThanOrEqual(clock.now());
    }
    // Two wait, and the later one bears the earlier time.
    clock.shiftMs = 0;
    const noon = await putOther('noon');
    clock.shiftMs = -12 * HOUR;
    const midnight = await putOther('midnight');
    expect(midnight.sequence).toBeGreaterThan(noon.sequence);
    expect((await asOf()) ?? 0).toBeLessThan(midnight.at + 1);
    const taken: (number | bigint)[] = [];
    const stop = new AbortController();
    for await (const { position } of source.read(stop.signal)) {
      taken.push(position.offset);
      if (position.offset === BigInt(midnight.sequence)) break;
    }
    expect(taken).toEqual([...taken].sort((a, b) => Number(a) - Number(b)));
    await state[Symbol.asyncDispose]();
  });

  it('never lets an answer claim a moment that its own clock has not reached', async () => {
    const clock = setClock();
    const kit = createPipelineKit({ clock });
    const noted = clock.now();
    const live = {
      ...kit.live,
      source: {
        ...kit.source,
        freshness: async () => ({
          ...(await kit.source.freshness()),
          partitions: [{ partition: 'p' as never, asOf: noted, lagEvents: 0, lagMs: 0 }],
        }),
      },
    };
    clock.shiftMs = -4 * HOUR;
    const now = clock.now();
    const age = oldestAsOf([ageOf(await live.source.freshness())], now);
    expect(age.asOf).toBe(now);
    expect(age.lagMs).toBe(0);
    await kit.close();
  });

  it('sweeps no tombstone before its time, though the clock says that it is over', async () => {
    const manual = createManualClock();
    let shiftMs = 0;
    const clock: Clock = { ...manual, now: () => manual.now() + shiftMs };
    const kit = createPipelineKit({ clock });
    const running = kit.run();
    kit.write(1, { body: 'Gone soon.' });
    kit.remove(1);
    await manual.advance(1_000);
    await kit.quiet();
    const stop = new AbortController();
    setMaxListeners(0, stop.signal);
    const sweeping = sweepRegularly(
      {
        index: kit.index,
        sources: () => [kit.live],
        deadLetters: createMemoryDeadLetters(),
        clock,
        observer: createRecordingObserver(),
        intervalMs: 60_000,
        horizonMs: HOUR,
      },
      stop.signal,
    );
    const isThere = async (): Promise<boolean> => (await kit.index.heads([idOf(1)], never)).has(idOf(1));
    await manual.advance(60_000);
    shiftMs = 8 * HOUR;
    for (let minute = 0; minute < 55; minute += 1) await manual.advance(60_000);
    expect(await isThere()).toBe(true);
    for (let minute = 0; minute < 10; minute += 1) await manual.advance(60_000);
    expect(await isThere()).toBe(false);
    stop.abort();
    await manual.advance(60_000);
    await sweeping;
    kit.stop();
    await manual.advance(20_000);
    await running;
    await kit.close();
  });
});

/** An index whose file can be opened again under those who use it: calls wait meanwhile. */
function reopened(first: SqliteIndex): {
  readonly index: SqliteIndex;
  reopen(open: () => Promise<SqliteIndex>): Promise<void>;
} {
  let current = first;
  let gate = Promise.resolve();
  const running = new Set<Promise<unknown>>();
  const index = new Proxy(first, {
    get(_first, name) {
      const member: unknown = Reflect.get(current, name, current);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]): Promise<unknown> => {
        await gate;
        const call = (Reflect.get(current, name, current) as (...all: unknown[]) => Promise<unknown>).apply(
          current,
          args,
        );
        running.add(call);
        return call.finally(() => running.delete(call));
      };
    },
  });
  return {
    index,
    reopen(open) {
      return (gate = (async () => {
        await Promise.allSettled(running);
        await current[Symbol.asyncDispose]();
        current = await open();
      })());
    },
  };
}

async function until(holds: () => boolean, withinMs = 5_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error('It did not happen in time.');
    await systemClock.sleep(5, never);
    await settled();
  }
}
