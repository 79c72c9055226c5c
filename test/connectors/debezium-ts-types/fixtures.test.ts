import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectSchemaOfAvro, createDecoder, parseSequence, UNAVAILABLE } from 'debezium-ts-types';
import type { ConnectSchema, DebeziumRecord, RecordHeaders, Row } from 'debezium-ts-types';
import { describe, expect, it } from 'vitest';

interface Captured {
  readonly topic: string;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: RecordHeaders;
}

const SHARED = process.env['FRESHET_SHARED'];
const FOLDER = join(SHARED ?? '', 'fixtures/debezium');
const present = SHARED !== undefined && existsSync(FOLDER);

const lines = <T>(file: string): readonly T[] =>
  readFileSync(join(FOLDER, file), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

function decoded(file: string): readonly DebeziumRecord[] {
  const decoder = createDecoder();
  const bytes = (text: string | null): Uint8Array | null => (text === null ? null : Buffer.from(text));
  return lines<Captured>(file).map(({ topic, key, value, headers }) =>
    decoder.decode({ topic, key: bytes(key), value: bytes(value), headers }),
  );
}

function counts(records: readonly DebeziumRecord[]): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const one of records) {
    const name = 'op' in one ? `${one.kind} ${one.op}` : one.kind;
    found[name] = (found[name] ?? 0) + 1;
  }
  return found;
}

const of = <K extends DebeziumRecord['kind']>(records: readonly DebeziumRecord[], kind: K) =>
  records.filter((one): one is Extract<DebeziumRecord, { readonly kind: K }> => one.kind === kind);

/** The row of `kitchen_sink`, all of whose columns are exact once their types are known. */
const KITCHEN_SINK = {
  id: '6f0f3c1e-5b1a-4b0e-9d53-2f6f8a0f5b11',
  n: '12345.6789',
  n_free: '1500000000000000000000000000000',
  money: '12.34',
  d: '2026-02-28',
  t: '13:14:15.123456',
  ts: '2026-02-28T13:14:15.123456Z',
  tstz: '2026-02-28T11:14:15.123456Z',
  iv: 'PT37091106S',
  b: Uint8Array.of(0xde, 0xad, 0xbe, 0xef),
  j: { a: [1, 2, { b: null }], email: 'x@example.com' },
  x: '<a/>',
  arr: ['x', null, 'y z'],
  m: 'ok',
  flag: true,
  f8: Number.NaN,
  i8: 9_007_199_254_740_993n,
  inet: '10.0.0.1',
};
const KITCHEN_SINK_UPDATED = { ...KITCHEN_SINK, j: {}, arr: [], flag: null };

describe.skipIf(!present)('records captured from Debezium 3.7 (FRESHET_SHARED)', () => {
  describe.each([
    ['plain', true],
    ['schema', false],
  ])('%s JSON', (form, schemaless) => {
    it('articles: reads, changes, deletes, key changes, a truncation', () => {
      const records = decoded(`${form}.articles.ndjson`);
      expect(counts(records)).toEqual({
        'change r': 13,
        'change c': 9,
        'change u': 20,
        'delete d': 3,
        'truncate t': 1,
        tombstone: 3,
      });
      expect(records.every((one) => one.schemaless === schemaless || one.kind === 'tombstone')).toBe(true);
      expect(records.map((one) => ('op' in one ? one.op : '-')).join('')).toBe(OPS_OF_ARTICLES[form]);
      expect(records.map((one) => ('snapshot' in one ? one.snapshot : '-')).slice(0, 5)).toEqual([
        'first',
        'true',
        'true',
        'last_in_data_collection',
        'false',
      ]);

      const incremental = of(records, 'change').filter((one) => one.snapshot === 'incremental');
      expect(incremental).toHaveLength(9);
      for (const one of incremental) {
        expect(one.source.connector === 'postgresql' && one.source.lsn).toBeNull();
        expect(parseSequence(one.source.sequence)?.[1]).toBeTypeOf('bigint');
        expect(one.transaction).toBeNull();
      }

      const toasted = of(records, 'change').filter((one) => one.after['body'] === UNAVAILABLE);
      expect(toasted.map(({ op, key, oldKey }) => ({ op, key, oldKey }))).toEqual([
        { op: 'u', key: { id: 4 }, oldKey: null },
        { op: 'c', key: { id: 1004 }, oldKey: { id: 4 } },
      ]);
      expect(
        toasted.every((one) => Object.values(one.after).filter((value) => value === UNAVAILABLE).length === 1),
      ).toBe(true);

      expect(of(records, 'delete').map(({ key, newKey }) => [key, newKey])).toEqual([
        [{ id: 2 }, null],
        [{ id: 3 }, { id: 1003 }],
        [{ id: 4 }, { id: 1004 }],
      ]);
      expect(of(records, 'tombstone').map(({ key, newKey }) => [key, newKey])).toEqual([
        [{ id: 2 }, null],
        [{ id: 3 }, { id: 1003 }],
        [{ id: 4 }, { id: 1004 }],
      ]);
      expect(of(records, 'truncate')[0]).toMatchObject({ key: null, table: 'public.articles', snapshot: 'false' });
      expect(of(records, 'change')[0]?.after['updated_at']).toBe('2026-01-02T03:04:05.123456Z');
    });

    it('other tables: whole old rows, tables without a key, composite keys, every type', () => {
      const records = decoded(`${form}.other-tables.ndjson`);
      expect(counts(records)).toEqual({ 'change r': 6, 'change c': 2, 'change u': 3, 'delete d': 2, tombstone: 2 });
      const changes = of(records, 'change');
      const full = changes.find((one) => one.table === 'public.articles_full' && one.op === 'u');
      expect(full?.before?.['body']).toEqual(full?.after['body']);
      expect(full?.before?.['title']).not.toEqual(full?.after['title']);
      expect(changes.filter((one) => one.table === 'public.no_pk').map((one) => one.key)).toEqual([null, null]);
      expect(changes.find((one) => one.table === 'public.tenant_docs')?.key).toEqual({ tenant_id: 'acme', doc_id: 1 });
      const sinks = changes.filter((one) => one.table === 'public.kitchen_sink').map((one) => one.after);
      if (!schemaless) expect(sinks).toEqual([KITCHEN_SINK, KITCHEN_SINK_UPDATED]);
      else expect(sinks[0]).toMatchObject({ n: 'B1vNFQ==', d: 20_512, f8: 'NaN', i8: 9_007_199_254_740_993n });
    });

    it('transactions and a message', () => {
      const records = decoded(`${form}.transaction-and-message.ndjson`);
      const pairs = form === 'plain' ? 51 : 49;
      expect(counts(records)).toEqual({ transaction: 2 * pairs, 'message m': 1 });
      const transactions = of(records, 'transaction');
      expect(transactions.filter((one) => one.status === 'BEGIN')).toHaveLength(pairs);
      expect(transactions[1]).toMatchObject({
        status: 'END',
        eventCount: 1,
        dataCollections: [{ dataCollection: 'public.articles', eventCount: 1 }],
      });
      const [message] = of(records, 'message');
      expect(message).toMatchObject({ prefix: 'app.marker', table: '', key: { prefix: 'app.marker' } });
      expect(new TextDecoder().decode(message?.content)).toBe('{"deploy":"v2"}');
    });
  });

  it('plain JSON has every value exactly once its columns are declared', () => {
    const decoder = createDecoder({
      columns: {
        'public.kitchen_sink': {
          n: { type: 'decimal', scale: 4 },
          n_free: 'variable-decimal',
          money: { type: 'decimal', scale: 2 },
          d: 'date',
          t: 'time',
          ts: 'timestamp',
          tstz: 'timestamptz',
          iv: 'interval',
          b: 'bytes',
          j: 'json',
          f8: 'double',
        },
      },
    });
    const sinks = lines<Captured>('plain.other-tables.ndjson').filter((one) => one.topic.endsWith('kitchen_sink'));
    const rows = of(
      sinks.map((one) => decoder.decode(one)),
      'change',
    ).map((one) => one.after);
    expect(rows).toEqual([KITCHEN_SINK, KITCHEN_SINK_UPDATED]);
  });

  it('unwrapped rows, deletes rewritten and tombstoned', () => {
    const records = decoded('unwrapped-smt.ndjson');
    expect(counts(records)).toEqual({ 'message m': 1, unwrapped: 40, tombstone: 4 });
    const rows = of(records, 'unwrapped');
    expect(rows.filter((one) => one.deleted).map(({ key, newKey }) => [key, newKey])).toEqual([
      [{ id: 2 }, null],
      [{ id: 3 }, { id: 1003 }],
      [{ id: 4 }, { id: 1004 }],
      [{ id: 4 }, null],
    ]);
    for (const one of rows) {
      expect(one.added).toMatchObject({ db: 'app', table: one.table?.split('.')[1] });
      expect(one.added.op === 'd').toBe(one.deleted);
      expect(one.added.lsn).toBeTypeOf('bigint');
      expect(one.added.sourceTsMs).toBeGreaterThan(1_795_157_000_000);
      expect(Object.keys(one.row).filter((name) => name.startsWith('__'))).toEqual([]);
    }
    expect(rows.filter((one) => one.row['body'] === UNAVAILABLE).map(({ key, added }) => [key, added.op])).toEqual([
      [{ id: 4 }, 'u'],
      [{ id: 1004 }, 'c'],
    ]);
    expect(of(records, 'tombstone').map(({ key, added, table }) => [key, added.op, table])).toEqual([
      [{ id: 2 }, 'd', 'public.articles'],
      [{ id: 3 }, 'd', 'public.articles'],
      [{ id: 4 }, 'd', 'public.articles'],
      [{ id: 4 }, 'd', 'public.articles_full'],
    ]);
  });

  it('heartbeats, notifications, signals', () => {
    const heartbeats = decoded('heartbeat.ndjson');
    expect(counts(heartbeats)).toEqual({ heartbeat: 30 });
    expect(new Set(of(heartbeats, 'heartbeat').map((one) => one.serverName))).toEqual(new Set(['cdc', 'cdcs']));
    const notifications = of(decoded('notifications.ndjson'), 'notification');
    expect(notifications).toHaveLength(26);
    expect(notifications.filter((one) => one.type === 'COMPLETED')).toHaveLength(3);
    expect(notifications.at(-1)).toMatchObject({
      id: 'ksig-1',
      aggregateType: 'Incremental Snapshot',
      type: 'COMPLETED',
    });
    expect(decoded('signals-topic.ndjson')).toMatchObject([
      {
        kind: 'signal',
        key: 'cdc',
        id: 'ksig-1',
        type: 'execute-snapshot',
        data: { type: 'INCREMENTAL', 'data-collections': ['public.articles'] },
      },
    ]);
  });

  it('Avro records mean the same as JSON ones', () => {
    const schemas = new Map<string, ConnectSchema>();
    const avro = JSON.parse(readFileSync(join(FOLDER, 'avro.schemas.json'), 'utf8')) as Readonly<
      Record<string, unknown>
    >;
    for (const [id, schema] of Object.entries(avro)) schemas.set(id, connectSchemaOfAvro(schema));
    const decoder = createDecoder();
    // Captured as an Avro reader gave them: longs as decimal text, bytes as JSON writes a Buffer.
    const records = lines<AvroCaptured>('avro.ndjson').map(({ topic, key, value, key_b64, value_b64 }) => {
      const [keySchema, valueSchema] = [schemas.get(idOf(key_b64)), schemas.get(idOf(value_b64))];
      return decoder.interpret({
        topic,
        key: revived(key, keySchema),
        value: revived(value, valueSchema),
        keySchema,
        valueSchema,
      });
    });
    expect(counts(records)).toEqual({
      'change r': 10,
      'change c': 11,
      'change u': 23,
      'delete d': 5,
      'message m': 1,
      tombstone: 5,
    });
    const plain = of(decoded('schema.articles.ndjson'), 'change').filter((one) => one.snapshot !== 'incremental');
    const articles = of(records, 'change').filter((one) => one.table === 'public.articles');
    expect(articles.map(({ op, key, after }) => ({ op, key, after }))).toEqual(
      plain.map(({ op, key, after }) => ({ op, key, after })).slice(0, articles.length),
    );
    const sinks = of(records, 'change').filter((one) => one.table === 'public.kitchen_sink');
    const { f8: _, ...first } = sinks[0]?.after as Row;
    const { f8: __, ...expected } = KITCHEN_SINK;
    expect(first).toEqual(expected);
  });
});

interface AvroCaptured {
  readonly topic: string;
  readonly key: unknown;
  readonly value: unknown;
  readonly key_b64: string | null;
  readonly value_b64: string | null;
}

/** A zero byte and the schema's id lead every Avro message. */
const idOf = (base64: string | null): string =>
  base64 === null ? '' : String(Buffer.from(base64, 'base64').readUInt32BE(1));

function revived(data: unknown, schema: ConnectSchema | undefined): unknown {
  if (data === null || data === undefined || schema === undefined) return data;
  if (schema.type === 'bytes') return Buffer.from((data as { readonly data: readonly number[] }).data);
  if (schema.type === 'int64') return BigInt(data as string);
  if (schema.type !== 'struct') return data;
  const struct = data as Readonly<Record<string, unknown>>;
  return Object.fromEntries((schema.fields ?? []).map((one) => [one.field, revived(struct[one.field], one)]));
}

/** In the order of their offsets: the snapshot, the stream with its key changes, the incremental snapshots in it, the truncation. */
const OPS_OF_ARTICLES: Readonly<Record<string, string>> = {
  plain: 'rrrrcuuccud-d-cd-cuuucuccuurrurrrrrrruuuuuuuuuutc',
  schema: 'rrrrcuuccud-d-cd-cuuucuccuuurrrrrrrrruuuuuuuuuutc',
};
