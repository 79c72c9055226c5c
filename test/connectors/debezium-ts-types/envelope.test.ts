import { createDecoder, decodeRecord, interpret, parseSequence, tableOf, UNAVAILABLE } from 'debezium-ts-types';
import type { ConnectField } from 'debezium-ts-types';
import { describe, expect, it } from 'vitest';
import { envelope, failure, record, SOURCE, wrapped } from './support.ts';

const COLUMNS: readonly ConnectField[] = [
  { field: 'id', type: 'int64' },
  {
    field: 'price',
    type: 'bytes',
    optional: true,
    name: 'org.apache.kafka.connect.data.Decimal',
    parameters: { scale: '2' },
  },
  { field: 'made', type: 'int32', optional: true, name: 'io.debezium.time.Date' },
];
const PRICE = Buffer.from([0x04, 0xd2]).toString('base64');

describe('a change', () => {
  it('with its schema is a row of exact values', () => {
    const after = { id: 1, price: PRICE, made: 20_512 };
    const decoded = decodeRecord(record({ value: wrapped(COLUMNS, envelope({ op: 'c', after })) }));
    expect(decoded).toMatchObject({
      kind: 'change',
      op: 'c',
      topic: 'shop.public.products',
      table: 'public.products',
      key: { id: 1 },
      before: null,
      after: { id: 1, price: '12.34', made: '2026-02-28' },
      schemaless: false,
      snapshot: 'false',
      transaction: null,
      processedAtMs: 1_790_000_000_200,
      oldKey: null,
    });
  });

  it('without a schema has its values as sent, and says so', () => {
    const after = { id: 1, price: PRICE, made: 20_512 };
    const decoded = decodeRecord(record({ value: envelope({ op: 'u', before: { id: 1 }, after }) }));
    expect(decoded).toMatchObject({ kind: 'change', op: 'u', before: { id: 1 }, after, schemaless: true });
  });

  it('without a schema has exact values where its columns are declared, in the key too', () => {
    const decoder = createDecoder({
      columns: {
        'public.products': {
          price: { type: 'decimal', scale: 2 },
          made: 'date',
          at: 'timestamp',
          tags: 'json',
          size: 'variable-decimal',
          place: 'point',
        },
      },
    });
    const after = {
      id: 1,
      price: PRICE,
      made: 20_512,
      at: 1_772_284_455_123_456,
      tags: '["a"]',
      size: { scale: 1, value: 'BNI=' },
      place: { x: 1, y: 2, wkb: 'AQ==', srid: 4326 },
      other: 1.5,
    };
    const decoded = decoder.decode(record({ key: { made: 20_512 }, value: envelope({ op: 'r', after }) }));
    expect(decoded).toMatchObject({
      key: { made: '2026-02-28' },
      after: {
        id: 1,
        price: '12.34',
        made: '2026-02-28',
        at: '2026-02-28T13:14:15.123456Z',
        tags: ['a'],
        size: '123.4',
        place: { x: 1, y: 2, wkb: Uint8Array.of(1), srid: 4326 },
        other: 1.5,
      },
    });
    const bad = record({ value: envelope({ op: 'r', after: { made: 'Jane Roe' } }) });
    expect(failure(() => decoder.decode(bad), 'INVALID_VALUE', 'Jane').where).toBe('value.after.made');
  });

  it('keeps 64 bits, and decimals beyond a double as their text', () => {
    const value = JSON.stringify(envelope({ op: 'c', after: { id: 1 } })).replace(
      '"id":1',
      '"id":9007199254740993,"price":0.12345678901234567890',
    );
    expect(decodeRecord(record({ value }))).toMatchObject({
      after: { id: 9_007_199_254_740_993n, price: '0.12345678901234567890' },
    });
  });

  it('marks what the source left out, in whole columns only, and never in a key', () => {
    const text = '__debezium_unavailable_value';
    const decoded = decodeRecord(
      record({ key: { id: text }, value: envelope({ op: 'u', after: { a: text, b: `${text}.`, c: { d: text } } }) }),
    );
    expect(decoded).toMatchObject({
      key: { id: text },
      after: { a: UNAVAILABLE, b: `${text}.`, c: { d: text } },
    });
  });

  it('stays the same where the schema of its topic changes and changes back', () => {
    const decoder = createDecoder();
    const other: readonly ConnectField[] = [{ field: 'id', type: 'string' }];
    for (let round = 0; round < 3; round += 1) {
      const first = wrapped(COLUMNS, envelope({ op: 'c', after: { id: round, price: PRICE, made: null } }));
      expect(decoder.decode(record({ value: first }))).toMatchObject({
        after: { id: round, price: '12.34', made: null },
      });
      const second = wrapped(other, envelope({ op: 'c', after: { id: `${round}` } }));
      expect(decoder.decode(record({ value: second }))).toMatchObject({ after: { id: `${round}` } });
    }
    // The same prefix, and something else than one payload behind it.
    const text = JSON.stringify(wrapped(other, envelope({ op: 'c', after: { id: 'x' } })));
    failure(() => decoder.decode(record({ value: `${text}}` })), 'INVALID_JSON');
    failure(() => decoder.decode(record({ value: text.slice(0, -1) })), 'INVALID_JSON');
    failure(() => decoder.decode(record({ value: `${text.slice(0, -1)},"more":1}` })), 'INVALID_JSON');
  });

  it('knows its transaction and its snapshot', () => {
    const transaction = { id: '77:1040', total_order: 3, data_collection_order: 2 };
    const source = { ...SOURCE, snapshot: 'incremental', lsn: null };
    expect(decodeRecord(record({ value: envelope({ op: 'r', after: { id: 1 }, source, transaction }) }))).toMatchObject(
      {
        snapshot: 'incremental',
        transaction: { id: '77:1040', totalOrder: 3, dataCollectionOrder: 2 },
      },
    );
    failure(
      () => decodeRecord(record({ value: envelope({ op: 'r', after: {}, transaction: { id: 1 } }) })),
      'INVALID_FIELD',
    );
    const odd = { ...SOURCE, snapshot: 'maybe' };
    failure(
      () => decodeRecord(record({ value: envelope({ op: 'r', after: {}, source: odd }) })),
      'INVALID_FIELD',
      'maybe',
    );
  });

  it('of a key is a delete that names the new key, and a create that names the old one', () => {
    const deleted = record({
      key: { id: 1 },
      value: envelope({ op: 'd', before: { id: 1, title: '' } }),
      headers: { '__debezium.newkey': Buffer.from('{"id":1001}') },
    });
    expect(decodeRecord(deleted)).toMatchObject({ kind: 'delete', key: { id: 1 }, newKey: { id: 1001 } });
    const wrappedKey = '{"schema":{"type":"struct","fields":[]},"payload":{"id":1}}';
    const created = record({
      key: { id: 1001 },
      value: envelope({ op: 'c', after: { id: 1001 } }),
      headers: { '__debezium.oldkey': ['{"id":0}', wrappedKey] },
    });
    expect(decodeRecord(created)).toMatchObject({ kind: 'change', key: { id: 1001 }, oldKey: { id: 1 } });
    const broken = { ...deleted, headers: { '__debezium.newkey': '{"id":' } };
    expect(failure(() => decodeRecord(broken), 'INVALID_JSON').where).toBe('headers.__debezium.newkey');
  });
});

describe('other operations', () => {
  it('a delete without an old row', () => {
    expect(decodeRecord(record({ value: envelope({ op: 'd' }) }))).toMatchObject({
      kind: 'delete',
      before: null,
      newKey: null,
    });
  });

  it('a truncate has no key', () => {
    expect(decodeRecord(record({ key: null, value: envelope({ op: 't' }) }))).toMatchObject({
      kind: 'truncate',
      key: null,
      table: 'public.products',
    });
  });

  it('a logical message has a prefix and bytes, and no table', () => {
    const message = { prefix: 'app', content: Buffer.from('hello').toString('base64') };
    const decoded = decodeRecord(record({ key: { prefix: 'app' }, value: envelope({ op: 'm', message }) }));
    expect(decoded).toMatchObject({
      kind: 'message',
      table: '',
      prefix: 'app',
      content: new TextEncoder().encode('hello'),
    });
    failure(() => decodeRecord(record({ value: envelope({ op: 'm', message: {} }) })), 'INVALID_FIELD');
  });

  it('an operation or a connector nobody knows is refused', () => {
    failure(() => decodeRecord(record({ value: envelope({ op: 'z' }) })), 'INVALID_FIELD');
    failure(() => decodeRecord(record({ value: envelope({ op: 'c' }) })), 'INVALID_FIELD');
    const source = { ...SOURCE, connector: 'informix' };
    const failed = failure(
      () => decodeRecord(record({ value: envelope({ op: 'c', source }) })),
      'INVALID_FIELD',
      'informix',
    );
    expect(failed.where).toBe('value.source.connector');
  });
});

describe('a source block', () => {
  it('of MySQL names database and table, and keeps 64-bit positions', () => {
    const source = {
      connector: 'mysql',
      name: 'm',
      ts_ms: 1,
      db: 'shop',
      table: 'orders',
      server_id: 1,
      file: 'b.1',
      pos: 4,
      row: 0,
    };
    const value = JSON.stringify(envelope({ op: 'c', after: { id: 1 }, source })).replace(
      '"pos":4',
      '"pos":18446744073709551615',
    );
    expect(decodeRecord(record({ value }))).toMatchObject({
      table: 'shop.orders',
      source: { connector: 'mysql', pos: 18_446_744_073_709_551_615n },
    });
  });

  it('of SQL Server has its two LSNs as text', () => {
    const source = {
      connector: 'sqlserver',
      name: 's',
      ts_ms: 1,
      db: 'shop',
      schema: 'dbo',
      table: 'orders',
      change_lsn: '0027:0ac0:0002',
    };
    const decoded = decodeRecord(
      record({ value: envelope({ op: 'd', before: { id: 1 }, source: { ...source, new_field: [1] } }) }),
    );
    expect(decoded).toMatchObject({ table: 'dbo.orders', source: { change_lsn: '0027:0ac0:0002', new_field: [1] } });
  });

  it('of PostgreSQL has a pair of positions', () => {
    expect(parseSequence('["31671600","31671872"]')).toEqual([31_671_600n, 31_671_872n]);
    expect(parseSequence('[null,"18446744073709551615"]')).toEqual([null, 18_446_744_073_709_551_615n]);
    expect(parseSequence(null)).toBeUndefined();
    expect(parseSequence('0001')).toBeUndefined();
    const decoded = decodeRecord(record({ value: envelope({ op: 'd' }) }));
    expect('source' in decoded && decoded.source !== null && tableOf(decoded.source)).toBe('public.products');
  });
});

describe('MongoDB', () => {
  const source = { connector: 'mongodb', name: 'm', ts_ms: 1, db: 'shop', collection: 'orders', ord: 1 };

  it('sends documents as Extended JSON text', () => {
    const after = JSON.stringify({
      _id: { $oid: '64b7f0c2e1d3a4b5c6d7e8f9' },
      n: { $numberLong: '9007199254740993' },
      i: { $numberInt: '5' },
      d: { $numberDecimal: '12.340' },
      f: { $numberDouble: 'NaN' },
      at: { $date: 1_772_284_455_123 },
      on: { $date: { $numberLong: '-1' } },
      bytes: { $binary: { base64: '3q0=', subType: '00' } },
      own: { $oid: 5, nested: [{ $date: '2026-02-28T13:14:15Z' }] },
    });
    const decoded = decodeRecord(
      record({ key: { id: '{"$oid": "64b7"}' }, value: envelope({ op: 'c', after, source }) }),
    );
    expect(decoded).toMatchObject({
      kind: 'change',
      table: 'shop.orders',
      key: { id: '{"$oid": "64b7"}' },
      after: {
        _id: '64b7f0c2e1d3a4b5c6d7e8f9',
        n: 9_007_199_254_740_993n,
        i: 5,
        d: '12.340',
        f: Number.NaN,
        at: '2026-02-28T13:14:15.123Z',
        on: '1969-12-31T23:59:59.999Z',
        bytes: Uint8Array.of(0xde, 0xad),
        own: { $oid: 5, nested: ['2026-02-28T13:14:15Z'] },
      },
    });
  });

  it('sends updates that name only what changed', () => {
    const updateDescription = {
      updatedFields: '{"status": "sent", "n": {"$numberLong": "7"}}',
      removedFields: ['note'],
      truncatedArrays: [{ field: 'lines', size: 3 }],
    };
    expect(decodeRecord(record({ value: envelope({ op: 'u', source, updateDescription }) }))).toMatchObject({
      kind: 'partial-update',
      update: {
        updatedFields: { status: 'sent', n: 7 },
        removedFields: ['note'],
        truncatedArrays: [{ field: 'lines', newSize: 3 }],
      },
    });
    const patch = '{"$v": 1, "$set": {"status": "sent"}, "$unset": {"note": true}}';
    expect(decodeRecord(record({ value: envelope({ op: 'u', source, patch }) }))).toMatchObject({
      update: { updatedFields: { status: 'sent' }, removedFields: ['note'], truncatedArrays: [] },
    });
    failure(() => decodeRecord(record({ value: envelope({ op: 'u', source }) })), 'INVALID_FIELD');
    failure(
      () => decodeRecord(record({ value: envelope({ op: 'u', source, patch: '{"whole": 1}' }) })),
      'INVALID_FIELD',
    );
  });
});

describe('a record that another converter has parsed', () => {
  it('means the same by its Connect schema', () => {
    const row = { type: 'struct', fields: COLUMNS, optional: true } as const;
    const valueSchema = {
      type: 'struct',
      fields: [{ ...row, field: 'after' }],
      name: 'shop.public.products.Envelope',
    } as const;
    const after = { id: 9_007_199_254_740_993n, price: Buffer.from([0x04, 0xd2]), made: 20_512 };
    const value = envelope({ op: 'c', after, source: { ...SOURCE, ts_ns: 1_790_000_000_123_456_789n } });
    const decoded = interpret({
      topic: 't',
      key: { id: 1n },
      value,
      valueSchema,
      keySchema: { type: 'struct', fields: [{ field: 'id', type: 'int64' }] },
    });
    expect(decoded).toMatchObject({
      kind: 'change',
      key: { id: 1 },
      after: { id: 9_007_199_254_740_993n, price: '12.34', made: '2026-02-28' },
      source: { ts_ns: 1_790_000_000_123_456_789n },
      schemaless: false,
    });
    expect(interpret({ topic: 't', key: 'k', value: null })).toMatchObject({ kind: 'tombstone', key: 'k' });
  });
});
