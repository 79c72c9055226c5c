import { beforeEach, describe, expect, it } from 'vitest';
import { UNCHANGED, type ChangeEvent } from '../../../../src/domain/change.ts';
import { FreshetError } from '../../../../src/domain/errors.ts';
import { sourcePosition } from '../../../../src/domain/source-position.ts';
import { makeVersion } from '../../../../src/domain/version.ts';
import { createRecordDecoder, type RecordDecoderOptions } from '../../../../connectors/kafka/decode/decoder.ts';
import type { DecodedRecord, RecordDecoder } from '../../../../connectors/kafka/record.ts';
import { change, never, PLACEHOLDER, record, table, type RecordParts } from './records.ts';

const decoderFor = (options: Partial<RecordDecoderOptions> = {}): RecordDecoder =>
  createRecordDecoder({ source: 'app', tables: [table('public.docs')], ...options });

let decoder: RecordDecoder;
beforeEach(() => {
  decoder = decoderFor();
});

function decode(parts: RecordParts, with_: RecordDecoder = decoder, epoch = 0): DecodedRecord {
  const decoded = with_.decode(record(parts), epoch, never);
  if (decoded instanceof Promise) throw new TypeError('JSON decodes at once');
  return decoded;
}
const eventOf = (parts: RecordParts, with_?: RecordDecoder): ChangeEvent => decode(parts, with_).event;
const errorOf = (event: ChangeEvent): Error | undefined => (event.kind === 'undecodable' ? event.error : undefined);

describe('rows in envelopes', () => {
  it('become upserts, with offset as version, commit time to the microsecond and the position in the WAL', () => {
    const value = change({ op: 'u', after: { id: 1, body: 'x' }, sequence: [90, 100], us: 1_700_000_000_123_456 });
    expect(decode({ offset: 42, key: { id: 1 }, value }, decoder, 3)).toEqual({
      event: {
        kind: 'row-upserted',
        table: 'app.public.docs',
        key: '[1]',
        row: { id: 1, body: 'x' },
        version: makeVersion(3, 42),
        sourcePosition: sourcePosition(90n, 100n),
        committedAt: 1_700_000_000_123.456,
        snapshot: false,
      },
      connector: 'cdc',
      sourceTime: 1_700_000_000_123.456,
      lsn: 100n,
    });
  });

  it('read by a snapshot have their offset for order and no position', () => {
    const value = change({ op: 'r', after: { id: 1 }, sequence: [null, 50], snapshot: 'first' });
    const { event, lsn, snapshot } = decode({ offset: 0, key: { id: 1 }, value });
    expect(event).toMatchObject({ kind: 'row-upserted', snapshot: true, version: makeVersion(0, 0) });
    expect(event).not.toHaveProperty('sourcePosition');
    expect([lsn, snapshot]).toEqual([undefined, { table: 'app.public.docs', marker: 'first' }]);
    const incremental = change({ op: 'r', after: { id: 1 }, snapshot: 'incremental' });
    expect(decode({ offset: 1, key: { id: 1 }, value: incremental }).snapshot?.marker).toBe('incremental');
  });

  it('written as creates by a snapshot are reads all the same', () => {
    const value = change({ op: 'c', after: { id: 1 }, sequence: [null, 50], snapshot: 'true' });
    const event = eventOf({ offset: 0, key: { id: 1 }, value });
    expect(event).toMatchObject({ kind: 'row-upserted', snapshot: true });
    expect(event).not.toHaveProperty('sourcePosition');
  });

  it('that were deleted are known by the key of their record, whatever the old row says', () => {
    const value = change({ op: 'd', before: { id: 1, body: '' }, sequence: [90, 100] });
    expect(eventOf({ offset: 5, key: { id: 1 }, value })).toMatchObject({ kind: 'row-deleted', key: '[1]' });
  });

  it('of tables nobody asked for are nothing', () => {
    const value = change({ op: 'c', after: { id: 1 }, sequence: [1, 2], table: 'other' });
    expect(eventOf({ offset: 0, key: { id: 1 }, value })).toEqual({ kind: 'nothing', reason: 'untracked-table' });
  });

  it('in a topic of their own are that table, under whatever name they were written', () => {
    const routed = decoderFor({ tables: [table('public.docs', { topic: 'all-shards' })] });
    const value = change({ op: 'c', after: { id: 1 }, sequence: [1, 2], table: 'docs_shard_7' });
    expect(eventOf({ topic: 'all-shards', offset: 0, key: { id: 1 }, value }, routed)).toMatchObject({
      table: 'app.public.docs',
    });
    const elsewhere = change({ op: 'c', after: { id: 1 }, sequence: [1, 2] });
    expect(eventOf({ offset: 0, key: { id: 1 }, value: elsewhere }, routed)).toMatchObject({ kind: 'nothing' });
  });

  it('stop at a TRUNCATE with its position', () => {
    const value = change({ op: 't', sequence: [200, 210] });
    expect(eventOf({ offset: 9, key: null, value })).toMatchObject({
      kind: 'table-truncated',
      table: 'app.public.docs',
      epoch: 0,
      sourcePosition: sourcePosition(200n, 210n),
    });
  });
});

describe('keys', () => {
  const value = change({ op: 'c', after: { id: 1 }, sequence: [1, 2] });
  const keyOf = (key: unknown, more: object = {}): unknown => {
    const event = eventOf({ offset: 0, key, value }, decoderFor({ tables: [table('public.docs', more)] }));
    return 'key' in event ? (event.key ?? errorOf(event)) : undefined;
  };

  it('keep the order of the record, or of the mapping', () => {
    expect(keyOf({ tenant: 'a', id: 1 })).toBe('["a",1]');
    expect(keyOf({ tenant: 'a', id: 1 }, { key: ['id', 'tenant'] })).toBe('[1,"a"]');
  });

  it('hold 64-bit integers without loss, and as numbers where a number holds them', () => {
    expect(keyOf({ id: 9_007_199_254_740_993n })).toBe('["9007199254740993"]');
    expect(keyOf({ id: 9_007_199_254_740_991n })).toBe('[9007199254740991]');
  });

  it('may be a single value that a transform extracted', () => {
    expect(keyOf('"a-7"')).toBe('["a-7"]');
    expect(keyOf('7')).toBe('[7]');
  });

  it('that are missing, unusable or lack a column are poison with a way out', () => {
    expect(keyOf(null)).toMatchObject({ code: 'KEY_MISSING', kind: 'poison' });
    expect(keyOf({ id: null })).toMatchObject({ code: 'KEY_NOT_USABLE' });
    expect(keyOf({ id: 1 }, { key: ['slug'] })).toMatchObject({ code: 'KEY_COLUMN_MISSING' });
  });
});

describe('a change of the key', () => {
  it('is a delete that names the new key and a create that names the old one', () => {
    const gone = change({ op: 'd', before: { id: 3 }, sequence: [10, 11] });
    const come = change({ op: 'c', after: { id: 1003, body: PLACEHOLDER }, sequence: [10, 11] });
    const deleted = decode({ offset: 0, key: { id: 3 }, value: gone, headers: { '__debezium.newkey': '{"id":1003}' } });
    expect(deleted).toMatchObject({ event: { kind: 'row-deleted', key: '[3]' }, movedTo: '[1003]' });
    const created = decode({ offset: 2, key: { id: 1003 }, value: come, headers: { '__debezium.oldkey': '{"id":3}' } });
    expect(created).toMatchObject({
      event: { kind: 'row-upserted', key: '[1003]', row: { body: UNCHANGED } },
      movedFrom: '[3]',
    });
  });
});

describe('large values left out', () => {
  const rowOf = (parts: { before?: object; after: object }, with_?: RecordDecoder): unknown => {
    const event = eventOf({ offset: 0, key: { id: 1 }, value: change({ op: 'u', sequence: [1, 2], ...parts }) }, with_);
    return event.kind === 'row-upserted' ? event.row : event;
  };

  it('are a symbol, never text', () => {
    expect(rowOf({ after: { id: 1, body: PLACEHOLDER } })).toEqual({ id: 1, body: UNCHANGED });
    expect(rowOf({ after: { id: 1, body: `about ${PLACEHOLDER}` } })).toEqual({ id: 1, body: `about ${PLACEHOLDER}` });
  });

  it('are taken from the old row where the source logs it', () => {
    expect(rowOf({ before: { id: 1, body: 'long' }, after: { id: 1, body: PLACEHOLDER } })).toEqual({
      id: 1,
      body: 'long',
    });
  });

  it('are not taken from an old row that was made up', () => {
    expect(
      rowOf({ before: { id: 1, body: null, b: '' }, after: { id: 1, body: PLACEHOLDER, b: PLACEHOLDER } }),
    ).toEqual({
      id: 1,
      body: UNCHANGED,
      b: UNCHANGED,
    });
    expect(rowOf({ before: { id: 1, body: PLACEHOLDER }, after: { id: 1, body: PLACEHOLDER } })).toMatchObject({
      body: UNCHANGED,
    });
  });

  it('are known by the connector’s own placeholder', () => {
    expect(rowOf({ after: { id: 1, body: '<gone>' } }, decoderFor({ unavailableValue: '<gone>' }))).toMatchObject({
      body: UNCHANGED,
    });
  });
});

describe('rows without envelope', () => {
  const rewritten = (more: object): object => ({ id: 1, body: 'x', __deleted: 'false', ...more });

  it('have a position only where the sequence was added, never by an LSN alone', () => {
    const value = rewritten({
      __op: 'u',
      __source_sequence: '["90","100"]',
      __lsn: 100,
      __source_ts_ms: 1_700_000_000_001,
    });
    expect(decode({ offset: 1, key: { id: 1 }, value })).toMatchObject({
      event: {
        kind: 'row-upserted',
        sourcePosition: sourcePosition(90n, 100n),
        committedAt: 1_700_000_000_001,
        row: { id: 1, body: 'x' },
      },
      lsn: 100n,
    });
    const alone = eventOf({ offset: 2, key: { id: 1 }, value: rewritten({ __op: 'u', __lsn: 100 }) });
    expect(alone).toMatchObject({ kind: 'row-upserted', snapshot: false });
    expect(alone).not.toHaveProperty('sourcePosition');
  });

  it('are reads where they say so, and deletes where they were rewritten', () => {
    expect(eventOf({ offset: 1, key: { id: 1 }, value: rewritten({ __op: 'r' }) })).toMatchObject({ snapshot: true });
    const gone = { id: 1, body: '', __deleted: 'true', __op: 'd' };
    expect(eventOf({ offset: 2, key: { id: 1 }, value: gone })).toMatchObject({ kind: 'row-deleted', key: '[1]' });
    expect(eventOf({ offset: 3, key: { id: 1 }, value: null })).toEqual({ kind: 'nothing', reason: 'tombstone' });
  });

  it('whose deletes were dropped are deleted by their tombstones, and have no positions at all', () => {
    const value = { id: 1, body: 'x', __op: 'u', __source_sequence: '["90","100"]' };
    expect(eventOf({ offset: 1, key: { id: 1 }, value })).not.toHaveProperty('sourcePosition');
    const gone = eventOf({ offset: 2, key: { id: 1 }, value: null });
    expect(gone).toMatchObject({ kind: 'row-deleted', key: '[1]', version: makeVersion(0, 2) });
    expect(gone).not.toHaveProperty('sourcePosition');
  });
});

describe('tombstones', () => {
  const docs = (offset: number, id: number, sequence: readonly [number, number], us: number): RecordParts => ({
    offset,
    key: { id },
    value: change({ op: 'c', after: { id }, sequence, us }),
  });

  it('after their delete say nothing new', () => {
    decode({ offset: 0, key: { id: 1 }, value: change({ op: 'd', before: { id: 1 }, sequence: [1, 2] }) });
    expect(eventOf({ offset: 1, key: { id: 1 }, value: null })).toEqual({ kind: 'nothing', reason: 'tombstone' });
  });

  it('whose delete was compacted away delete, right behind what precedes them', () => {
    decode(docs(0, 7, [10, 20], 5_000_000));
    expect(eventOf({ offset: 9, key: { id: 1 }, value: null })).toMatchObject({
      kind: 'row-deleted',
      key: '[1]',
      sourcePosition: sourcePosition(10n, 21n),
      committedAt: 5_000,
    });
  });

  it('are told apart by key and partition', () => {
    decode({ offset: 0, key: { id: 1 }, value: change({ op: 'd', before: { id: 1 }, sequence: [1, 2] }) });
    expect(eventOf({ offset: 1, key: { id: 2 }, value: null })).toMatchObject({ kind: 'row-deleted', key: '[2]' });
    decode({ ...docs(0, 1, [1, 2], 1), partition: 1 });
    expect(eventOf({ partition: 1, offset: 1, key: { id: 1 }, value: null })).toMatchObject({ kind: 'row-deleted' });
  });

  it('with which reading begins delete only rows without a place in the source: on other topics the delete was read before', () => {
    expect(eventOf({ offset: 50, key: { id: 1 }, value: null })).toMatchObject({
      kind: 'row-deleted',
      sourcePosition: sourcePosition(0n),
      committedAt: 0,
    });
  });

  it('read again by their coordinates do not take a later record for the one before', () => {
    decode(docs(100, 7, [10, 20], 1));
    expect(eventOf({ offset: 50, key: { id: 1 }, value: null })).toMatchObject({ sourcePosition: sourcePosition(0n) });
  });

  it('delete, or do not, as the source is told', () => {
    const bare = decoderFor({ tombstonesDelete: true });
    expect(eventOf({ offset: 0, key: { id: 1 }, value: null }, bare)).toMatchObject({ kind: 'row-deleted' });
    const told = decoderFor({ tombstonesDelete: false });
    expect(eventOf({ offset: 0, key: { id: 1 }, value: null }, told)).toMatchObject({ kind: 'nothing' });
  });

  it('of other tables and of rows without keys are nothing', () => {
    expect(eventOf({ topic: 'cdc.public.other', offset: 0, key: { id: 1 }, value: null })).toMatchObject({
      kind: 'nothing',
    });
    expect(eventOf({ offset: 0, key: null, value: null })).toMatchObject({ kind: 'nothing', reason: 'tombstone' });
  });
});

describe('records that are no rows', () => {
  it('are nothing: a heartbeat bears the connector’s clock, and says nothing of the database', () => {
    expect(
      decode({ topic: '__debezium-heartbeat.cdc', offset: 0, key: { serverName: 'cdc' }, value: { ts_ms: 5 } }),
    ).toEqual({ event: { kind: 'nothing', reason: 'heartbeat' } });
  });
});

describe('a tombstone with which reading begins', () => {
  const tombstone = (offset: number, with_ = decoder): ChangeEvent =>
    eventOf({ offset, key: { id: 1 }, value: null }, with_);

  it('is the second half of a delete that was read before', () => {
    decoder.begins?.('cdc.public.docs', 0, 5n);
    expect(tombstone(5)).toMatchObject({ kind: 'row-deleted', sourcePosition: sourcePosition(0n), committedAt: 0 });
  });

  it('deletes by its offset where compaction removed what lay between, its delete with it', () => {
    for (const tombstonesDelete of ['auto', false] as const) {
      const one = decoderFor({ tombstonesDelete });
      one.begins?.('cdc.public.docs', 0, 3n);
      const event = tombstone(5, one);
      expect(event).toMatchObject({ kind: 'row-deleted', key: '[1]', version: makeVersion(0, 5) });
      expect(event).not.toHaveProperty('sourcePosition');
    }
  });

  it('is not judged by what was read before another had the partition', () => {
    const value = change({ op: 'u', after: { id: 2 }, sequence: [90, 100] });
    decode({ offset: 4, key: { id: 2 }, value });
    decoder.begins?.('cdc.public.docs', 0, 200n);
    expect(tombstone(205)).not.toHaveProperty('sourcePosition');
  });
});

describe('a lone tombstone', () => {
  it('stands behind the last change read, whatever was fetched again in between', () => {
    const read = (offset: number, id: number, lsn: number): void => {
      const value = change({ op: 'u', after: { id }, sequence: [lsn - 10, lsn], us: lsn * 1_000 });
      decode({ offset, key: { id }, value });
    };
    read(10, 2, 500);
    // A dead letter that is retried.
    read(3, 3, 100);
    expect(eventOf({ offset: 12, key: { id: 1 }, value: null })).toMatchObject({ committedAt: 500 });
  });
});

describe('how far a connector is in its database', () => {
  const message = (txId: number | null): object => {
    const parts = change({ op: 'c', table: '', sequence: [90, 100], us: 7_000_000 }) as { readonly source: object };
    const source = { ...parts.source, txId };
    return { ...parts, op: 'm', message: { prefix: 'heartbeat', content: '' }, source };
  };
  const read = (parts: Partial<RecordParts>): DecodedRecord =>
    decode({ topic: 'cdc.message', offset: 0, key: { prefix: 'heartbeat' }, ...parts });

  it('is told by a message that was committed; by one outside a transaction only its place in the log', () => {
    expect(read({ value: message(7) })).toEqual({
      event: { kind: 'nothing', reason: 'logical-message' },
      connector: 'cdc',
      sourceTime: 7_000,
      lsn: 100n,
    });
    expect(read({ value: message(null) })).not.toHaveProperty('sourceTime');
  });

  it('is told by a change of any table, and by no row that was read', () => {
    const other = { topic: 'cdc.public.heartbeat', key: { id: 1 } };
    const changed = change({ op: 'u', table: 'heartbeat', after: { id: 1 }, sequence: [90, 100], us: 7_000_000 });
    expect(read({ ...other, value: changed })).toMatchObject({ sourceTime: 7_000, lsn: 100n });
    const parts = { table: 'heartbeat', after: { id: 1 }, sequence: [90, 100], us: 7_000_000 } as const;
    const snapshot = read({ ...other, value: change({ op: 'r', ...parts, snapshot: 'last' }) });
    expect(snapshot).toEqual({
      event: { kind: 'nothing', reason: 'untracked-table' },
      connector: 'cdc',
      snapshot: { table: undefined, marker: 'last' },
    });
  });

  it('is told by a row without an envelope only where added fields say that it was not read', () => {
    const topic = 'cdc.public.docs';
    const row = { id: 1, __source_ts_ms: 7_000, __lsn: 100 };
    const of = (value: object): DecodedRecord => decode({ topic, offset: 0, key: { id: 1 }, value });
    expect(of({ ...row, __op: 'u' })).toMatchObject({ sourceTime: 7_000, lsn: 100n });
    expect(of({ ...row, __op: 'c', __source_snapshot: 'false' })).toMatchObject({ sourceTime: 7_000, lsn: 100n });
    for (const value of [row, { ...row, __op: 'c' }, { ...row, __op: 'r' }]) {
      const decoded = of(value);
      expect(decoded).not.toHaveProperty('sourceTime');
      expect(decoded).not.toHaveProperty('lsn');
      expect(decoded.event).toMatchObject({ kind: 'row-upserted', committedAt: 7_000 });
    }
  });
});

describe('a record that cannot be decoded', () => {
  it('keeps what is known of it, and shows nothing of its text', () => {
    const event = eventOf({ offset: 4, timestamp: 77, key: { id: 1 }, value: '{"secret":"jane@example.com"' });
    expect(event).toMatchObject({
      kind: 'undecodable',
      table: 'app.public.docs',
      key: '[1]',
      version: makeVersion(0, 4),
      committedAt: 77,
      error: { code: 'RECORD_UNDECODABLE', kind: 'poison' },
    });
    expect(errorOf(event)).toBeInstanceOf(FreshetError);
    expect(JSON.stringify([errorOf(event)?.message, errorOf(event)])).not.toContain('jane');
  });

  it('does so whatever the bytes are', () => {
    const odd = [
      '[]',
      '7',
      '"x"',
      'null',
      '{}',
      '{"op":"x"}',
      '{"op":"c"}',
      '{"payload":{},"schema":{}}',
      '{"before":1,"after":2,"op":"u","source":3}',
    ];
    for (const value of [
      ...odd,
      Buffer.from([0xff, 0xfe]),
      Buffer.from([]),
      Buffer.from([0]),
      Buffer.from([0, 0, 0, 0, 9, 1]),
    ]) {
      const { event } = decode({ offset: 1, key: { id: 1 }, value });
      expect(['undecodable', 'nothing', 'row-deleted']).toContain(event.kind);
    }
  });

  it('names the registry that is missing', () => {
    expect(errorOf(eventOf({ offset: 1, key: { id: 1 }, value: Buffer.from([0, 0, 0, 0, 9, 1]) }))).toMatchObject({
      code: 'REGISTRY_MISSING',
    });
  });

  it('whose document came only in part says which setting is wrong', () => {
    const value = {
      before: null,
      after: null,
      updateDescription: { updatedFields: '{"a":1}', removedFields: [], truncatedArrays: [] },
      source: {
        version: '3',
        connector: 'mongodb',
        name: 'm',
        ts_ms: 1000,
        snapshot: 'false',
        db: 'shop',
        collection: 'docs',
        ord: 1,
      },
      op: 'u',
      ts_ms: 1001,
    };
    const mongo = decoderFor({ tables: [table('shop.docs')] });
    expect(errorOf(eventOf({ topic: 'm.shop.docs', offset: 1, key: { id: '"a"' }, value }, mongo))).toMatchObject({
      code: 'DOCUMENT_INCOMPLETE',
    });
  });
});

describe('columns without a schema', () => {
  it('are exact where their types were declared', () => {
    const declared = decoderFor({
      tables: [
        table('public.docs', {
          columns: { at: 'timestamp', day: 'date', price: { type: 'decimal', scale: 2 }, meta: 'json' },
        }),
      ],
    });
    const after = { id: 1, at: 1_772_284_455_123_456n, day: 20_512, price: 'BNI=', meta: '{"a":1}' };
    expect(
      eventOf({ offset: 0, key: { id: 1 }, value: change({ op: 'c', after, sequence: [1, 2] }) }, declared),
    ).toMatchObject({
      row: { at: '2026-02-28T13:14:15.123456Z', day: '2026-02-28', price: '12.34', meta: { a: 1 } },
    });
  });
});
