import { createDecoder, decodeRecord, UNAVAILABLE } from 'debezium-ts-types';
import { describe, expect, it } from 'vitest';
import { failure, record } from './support.ts';

const CONTEXT = { '__debezium.context.connectorLogicalName': 'shop' };

describe('a row after ExtractNewRecordState', () => {
  it('is told apart from what the transform added', () => {
    const value = {
      id: 1,
      body: '__debezium_unavailable_value',
      __note: 'a column of the table',
      __deleted: 'false',
      __op: 'u',
      __lsn: 1040,
      __source_ts_ms: 1_790_000_000_123,
      __source_sequence: '["1000","1040"]',
    };
    expect(decodeRecord(record({ value }))).toMatchObject({
      kind: 'unwrapped',
      table: 'public.products',
      row: { id: 1, body: UNAVAILABLE, __note: 'a column of the table' },
      deleted: false,
      schemaless: true,
      added: {
        op: 'u',
        lsn: 1040n,
        sourceTsMs: 1_790_000_000_123,
        sequence: [1000n, 1040n],
        all: { deleted: 'false', op: 'u', lsn: 1040 },
      },
    });
  });

  it('takes from headers what is not in fields, the last of several', () => {
    const headers = { __op: ['c', Buffer.from('u')], __source_schema: 'stock', __table: 'parts', __source_ts_ms: '5' };
    expect(decodeRecord(record({ value: { id: 1 }, headers }))).toMatchObject({
      table: 'stock.parts',
      row: { id: 1 },
      added: { op: 'u', schema: 'stock', table: 'parts', sourceTsMs: 5, all: {} },
    });
  });

  it('is a delete where it was rewritten, and a tombstone where it was not', () => {
    const deleted = decodeRecord(record({ value: { id: 1, title: null, __deleted: 'true' } }));
    expect(deleted).toMatchObject({ kind: 'unwrapped', deleted: true, row: { id: 1, title: null } });
    const headers = { ...CONTEXT, __op: ['d', 'd'], '__debezium.newkey': '{"id":2}' };
    expect(decodeRecord(record({ value: null, headers }))).toMatchObject({
      kind: 'tombstone',
      table: 'public.products',
      key: { id: 1 },
      newKey: { id: 2 },
      added: { op: 'd' },
    });
    expect(decodeRecord(record({ value: null }))).toMatchObject({
      kind: 'tombstone',
      added: { op: null },
      newKey: null,
    });
  });

  it('has exact values by its schema or its declared columns', () => {
    const schema = {
      type: 'struct',
      name: 'shop.public.products.Value',
      fields: [
        { field: 'made', type: 'int32', name: 'io.debezium.time.Date', optional: true },
        { field: '__op', type: 'string', optional: true },
      ],
    };
    expect(decodeRecord(record({ value: { schema, payload: { made: 1, __op: 'c' } } }))).toMatchObject({
      kind: 'unwrapped',
      row: { made: '1970-01-02' },
      added: { op: 'c' },
      schemaless: false,
    });
    const decoder = createDecoder({ columns: { 'shop.public.products': { made: 'date' } } });
    const decoded = decoder.decode(record({ value: { made: 1, __op: 'c' } }));
    expect(decoded).toMatchObject({ row: { made: '1970-01-02' } });
    expect(decoded).not.toHaveProperty('row.__op');
  });

  it('needs a mark, unless every plain object is declared to be one', () => {
    const plain = record({ value: { id: 1, note: 'x' } });
    const failed = failure(() => decodeRecord(plain), 'UNKNOWN_SHAPE', 'note');
    expect(failed.message).toContain('add.fields');
    expect(decodeRecord({ ...plain, headers: CONTEXT })).toMatchObject({
      kind: 'unwrapped',
      row: { id: 1, note: 'x' },
    });
    expect(decodeRecord(plain, { unwrapped: 'any' })).toMatchObject({ kind: 'unwrapped' });
    expect(decodeRecord(plain, { roles: { [plain.topic]: 'rows' } })).toMatchObject({ kind: 'unwrapped' });
    failure(() => decodeRecord({ ...plain, headers: CONTEXT }, { unwrapped: 'never' }), 'UNKNOWN_SHAPE');
  });

  it('is a row even where its columns look like a signal’s', () => {
    const row = { id: 'a', type: 'b', data: 'c' };
    expect(decodeRecord(record({ value: row, headers: CONTEXT }))).toMatchObject({ kind: 'unwrapped', row });
    expect(decodeRecord(record({ key: null, value: row, headers: CONTEXT }))).toMatchObject({ kind: 'unwrapped', row });
    failure(() => decodeRecord(record({ value: row })), 'UNKNOWN_SHAPE');
    const topic = 'shop.public.products';
    expect(decodeRecord(record({ value: row }), { roles: { [topic]: 'rows' } })).toMatchObject({
      kind: 'unwrapped',
      row,
    });
  });

  it('may have another prefix', () => {
    const decoder = createDecoder({ addedPrefix: 'cdc_' });
    expect(decoder.decode(record({ value: { id: 1, cdc_op: 'c', __op: 'mine' } }))).toMatchObject({
      row: { id: 1, __op: 'mine' },
      added: { op: 'c' },
    });
  });
});
