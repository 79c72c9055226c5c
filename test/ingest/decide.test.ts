import { describe, expect, it } from 'vitest';
import type { RowChange } from '../../src/domain/change.ts';
import type { Head } from '../../src/domain/document.ts';
import { DEFAULT_TENANT, partitionId, rowKey, tableId, type DocumentId } from '../../src/domain/ids.ts';
import { sourcePosition, type SourcePosition } from '../../src/domain/source-position.ts';
import { makeVersion, snapshotVersion } from '../../src/domain/version.ts';
import { coalesce } from '../../src/ingest/coalesce.ts';
import { decide } from '../../src/ingest/decide.ts';

const TABLE = tableId('app.public.articles');

const at = (n: number): SourcePosition => sourcePosition(BigInt(n));

function change(options: {
  n: number;
  position?: number;
  time?: number;
  deleted?: boolean;
  epoch?: number;
}): RowChange {
  const common = {
    table: TABLE,
    key: rowKey([1]),
    version: makeVersion(options.epoch ?? 0, options.n),
    ...(options.position === undefined ? {} : { sourcePosition: at(options.position) }),
    committedAt: options.time ?? options.n,
  };
  return options.deleted === true
    ? { kind: 'row-deleted', ...common }
    : { kind: 'row-upserted', ...common, row: {}, snapshot: options.position === undefined };
}

function head(options: { n: number; position?: number; time?: number; generation?: number; epoch?: number }): Head {
  return {
    id: 'd' as DocumentId,
    source: 'app',
    table: TABLE,
    partition: partitionId('app'),
    version: makeVersion(options.epoch ?? 0, options.n),
    generation: options.generation ?? 1,
    ...(options.position === undefined ? {} : { sourcePosition: at(options.position) }),
    committedAt: options.time ?? options.n,
    attributes: { tenant: DEFAULT_TENANT, access: [], title: '', uri: '', metadata: {} },
    chunks: [],
    deleted: false,
    receivedAt: 0,
    indexedAt: 0,
  };
}

const nothing = { head: undefined, floor: undefined, truncation: undefined };

describe('what a change means to the index', () => {
  it.each([
    ['a change below the head is older', change({ n: 5, position: 5 }), head({ n: 6, position: 6 }), 'older'],
    ['a change equal to the head was done', change({ n: 6, position: 6 }), head({ n: 6, position: 6 }), 'equal'],
    [
      'a higher offset at the same position and time is a re-send',
      change({ n: 9, position: 6, time: 6 }),
      head({ n: 6, position: 6 }),
      'resend',
    ],
    [
      'a higher offset at a lower position and time is a re-send',
      change({ n: 9, position: 3, time: 3 }),
      head({ n: 6, position: 6 }),
      'resend',
    ],
  ])('%s', (_name, incoming, stored, reason) => {
    expect(decide(incoming, { ...nothing, head: stored }, 1)).toEqual({ action: 'nothing', reason });
  });

  it('writes an equal version again under a newer generation', () => {
    expect(decide(change({ n: 6, position: 6 }), { ...nothing, head: head({ n: 6, position: 6 }) }, 2)).toMatchObject({
      action: 'upsert',
    });
  });

  it('does not take a lower position with a later time for a re-send', () => {
    const decision = decide(
      change({ n: 9, position: 3, time: 100 }),
      { ...nothing, head: head({ n: 6, position: 6 }) },
      1,
    );
    expect(decision).toMatchObject({ action: 'upsert', lineage: { sourcePosition: at(6), committedAt: 100 } });
  });

  it('never compares positions across epochs', () => {
    const incoming = change({ epoch: 1, n: 2, position: 2, time: 2 });
    const decision = decide(incoming, { ...nothing, head: head({ n: 60, position: 60 }) }, 1);
    expect(decision).toMatchObject({ action: 'upsert', lineage: { sourcePosition: at(2), committedAt: 2 } });
  });

  it('leaves position and time of the last streamed change alone when a row was only read', () => {
    const decision = decide(change({ n: 9, time: 900 }), { ...nothing, head: head({ n: 6, position: 6 }) }, 1);
    expect(decision).toEqual({ action: 'upsert', lineage: { sourcePosition: at(6), committedAt: 6 } });
  });

  it('drops what a floor remembers, by version or by position and time together', () => {
    const floor = { version: makeVersion(0, 10), sourcePosition: at(10), committedAt: 10 };
    expect(decide(change({ n: 10, position: 50, time: 50 }), { ...nothing, floor }, 1)).toMatchObject({
      reason: 'below-floor',
    });
    expect(decide(change({ n: 20, position: 9, time: 9 }), { ...nothing, floor }, 1)).toMatchObject({
      reason: 'below-floor',
    });
    expect(decide(change({ n: 20, position: 9, time: 99 }), { ...nothing, floor }, 1)).toMatchObject({
      action: 'upsert',
    });
    expect(decide(change({ epoch: 1, n: 1, position: 1, time: 1 }), { ...nothing, floor }, 1)).toMatchObject({
      action: 'upsert',
    });
  });

  it('makes a change at or below its table’s truncation a delete, and a read row without a position no news', () => {
    const truncation = { epoch: 0, sourcePosition: at(10) };
    expect(decide(change({ n: 10, position: 10 }), { ...nothing, truncation }, 1)).toMatchObject({ action: 'delete' });
    expect(decide(change({ n: 11, position: 11 }), { ...nothing, truncation }, 1)).toMatchObject({ action: 'upsert' });
    const read = { ...change({ n: 0 }), version: snapshotVersion(0) };
    expect(decide(read, { ...nothing, truncation }, 1)).toEqual({ action: 'nothing', reason: 'truncated' });
    expect(decide({ ...read, version: snapshotVersion(1) }, { ...nothing, truncation }, 1)).toMatchObject({
      action: 'upsert',
    });
  });

  it('always writes a delete, also where no head exists', () => {
    expect(decide(change({ n: 5, position: 5, deleted: true }), nothing, 1)).toMatchObject({ action: 'delete' });
  });
});

describe('coalescing of waiting changes', () => {
  it.each([
    [
      'a newer streamed change replaces a waiting one',
      change({ n: 1, position: 1 }),
      change({ n: 2, position: 2 }),
      'replace',
    ],
    ['a re-send is dropped', change({ n: 1, position: 5, time: 5 }), change({ n: 2, position: 3, time: 3 }), 'drop'],
    [
      'a lower position with a later time is kept',
      change({ n: 1, position: 5, time: 5 }),
      change({ n: 2, position: 3, time: 9 }),
      'append',
    ],
    ['a waiting read is kept', change({ n: 1 }), change({ n: 2, position: 2 }), 'append'],
    ['an incoming read is kept', change({ n: 1, position: 1 }), change({ n: 2 }), 'append'],
    ['epochs are kept apart', change({ n: 9, position: 9 }), change({ epoch: 1, n: 10, position: 10 }), 'append'],
  ])('%s', (_name, waiting, incoming, action) => {
    expect(coalesce(waiting, incoming)).toBe(action);
  });
});
