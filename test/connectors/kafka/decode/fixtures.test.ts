import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ChangeEvent } from '../../../../src/domain/change.ts';
import { createRecordDecoder } from '../../../../connectors/kafka/decode/decoder.ts';
import type { DecodedRecord, KafkaRecord } from '../../../../connectors/kafka/record.ts';
import type { RegisteredSchema, SchemaRegistry } from '../../../../connectors/kafka/registry/client.ts';
import { never, PLACEHOLDER, readable, table } from './records.ts';

const shared = process.env['FRESHET_SHARED'];
const folder = join(shared ?? '', 'fixtures/debezium');

interface Captured {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly timestamp?: string;
  readonly headers?: KafkaRecord['headers'];
  readonly key?: string | null;
  readonly value?: string | null;
  readonly key_b64?: string | null;
  readonly value_b64?: string | null;
}

const bytes = (text: string | null | undefined, base64: string | null | undefined): Uint8Array | null => {
  if (base64 !== null && base64 !== undefined) return Buffer.from(base64, 'base64');
  return text === null || text === undefined || base64 === null ? null : Buffer.from(text);
};

const captured = (file: string): readonly KafkaRecord[] =>
  readFileSync(join(folder, file), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Captured)
    .map((one) => ({
      topic: one.topic,
      partition: one.partition,
      offset: BigInt(one.offset),
      timestamp: Number(one.timestamp ?? 0),
      key: bytes(one.key, one.key_b64),
      value: bytes(one.value, one.value_b64),
      headers: one.headers ?? {},
    }));

function registryOfFile(): SchemaRegistry {
  const schemas = JSON.parse(readFileSync(join(folder, 'avro.schemas.json'), 'utf8')) as Record<string, unknown>;
  const known = new Map<number, RegisteredSchema>(
    Object.entries(schemas).map(([id, schema]) => [Number(id), { id: Number(id), schema, references: [] }]),
  );
  return {
    place: 'a file',
    schema: (id) => known.get(id) as RegisteredSchema,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

const TABLES = ['public.articles', 'public.articles_full', 'public.kitchen_sink', 'public.tenant_docs', 'public.no_pk'];

function decodeFile(file: string): readonly { readonly record: KafkaRecord; readonly decoded: DecodedRecord }[] {
  const decoder = createRecordDecoder({
    source: 'app',
    tables: TABLES.map((name) => table(name)),
    registry: registryOfFile(),
  });
  return captured(file).map((record) => {
    const decoded = decoder.decode(record, 0, never);
    if (decoded instanceof Promise) throw new TypeError('all schemas are known');
    return { record, decoded };
  });
}

/** What an event says of its row, without what differs from one connector and topic to the next. */
function essence(event: ChangeEvent): object {
  const { kind } = event;
  const key = 'key' in event ? event.key : undefined;
  const table = 'table' in event ? event.table : undefined;
  const row =
    kind === 'row-upserted'
      ? Object.fromEntries(Object.entries(event.row).map(([name, value]) => [name, readable(value)]))
      : undefined;
  const streamed = 'sourcePosition' in event && event.sourcePosition !== undefined;
  return { kind, table, key, row, streamed, committedAt: streamed ? event.committedAt : undefined };
}

const eventsOf = (file: string, only: (table: string) => boolean): readonly object[] =>
  decodeFile(file)
    .map(({ decoded }) => essence(decoded.event))
    .filter((one) => only((one as { table?: string }).table ?? ''));

describe.skipIf(shared === undefined)('records captured from Debezium (FRESHET_SHARED)', () => {
  const files = [
    'plain.articles.ndjson',
    'schema.articles.ndjson',
    'plain.other-tables.ndjson',
    'schema.other-tables.ndjson',
    'plain.transaction-and-message.ndjson',
    'schema.transaction-and-message.ndjson',
    'unwrapped-smt.ndjson',
    'avro.ndjson',
    'heartbeat.ndjson',
    'notifications.ndjson',
    'signals-topic.ndjson',
  ];

  it.each(files)('%s decodes, but for rows that have no key', (file) => {
    const wrong = decodeFile(file).flatMap(({ record, decoded: { event } }) =>
      event.kind === 'undecodable' && !record.topic.endsWith('.no_pk')
        ? [[record.topic, record.offset, event.error.message]]
        : [],
    );
    expect(wrong).toEqual([]);
    for (const { record, decoded } of decodeFile(file)) {
      if (record.topic.endsWith('.no_pk'))
        expect(decoded.event).toMatchObject({ kind: 'undecodable', error: { code: 'KEY_MISSING' } });
    }
  });

  it.each(files)('%s never gives the placeholder as text, nor a position that goes back', (file) => {
    const last = new Map<string, string>();
    for (const { decoded } of decodeFile(file)) {
      const { event } = decoded;
      expect(JSON.stringify(readable(event))).not.toContain(PLACEHOLDER);
      if (!('sourcePosition' in event) || event.sourcePosition === undefined || !('key' in event)) continue;
      const row = `${event.table} ${event.key}`;
      expect(event.sourcePosition > (last.get(row) ?? '')).toBe(true);
      last.set(row, event.sourcePosition);
    }
  });

  it('mean the same with and without a schema where JSON can say it', () => {
    // Reads of the incremental snapshot fell in between others in each capture.
    const articles = (file: string, streamed: boolean): readonly object[] =>
      eventsOf(file, (table) => table === 'app.public.articles').filter(
        (one) => (one as { streamed?: boolean }).streamed === streamed,
      );
    for (const streamed of [true, false]) {
      expect(articles('schema.articles.ndjson', streamed)).toEqual(articles('plain.articles.ndjson', streamed));
    }
  });

  it('mean the same in Avro as in JSON with a schema', () => {
    for (const name of ['articles_full', 'kitchen_sink', 'tenant_docs', 'no_pk']) {
      const only = (table: string): boolean => table === `app.public.${name}`;
      const events = eventsOf('avro.ndjson', only);
      expect(events.length).toBeGreaterThan(1);
      expect(events).toEqual(eventsOf('schema.other-tables.ndjson', only));
    }
    // The Avro connector was given no signals and skipped TRUNCATE: neither incremental reads nor that.
    const streamed = (file: string): readonly object[] =>
      eventsOf(file, (table) => table === 'app.public.articles').filter(
        (one) => 'streamed' in one && one.streamed === true && 'key' in one && one.key !== undefined,
      );
    expect(streamed('avro.ndjson')).toEqual(streamed('schema.articles.ndjson'));
  });

  it('without envelope give the same rows and deletes as with it', () => {
    const changes = (file: string): readonly object[] =>
      decodeFile(file).flatMap(({ decoded: { event } }) => {
        if ((event.kind !== 'row-upserted' && event.kind !== 'row-deleted') || event.table !== 'app.public.articles')
          return [];
        if (event.kind === 'row-upserted' && event.snapshot) return [];
        const { kind, key, row } = essence(event) as { kind: string; key: string; row: unknown };
        return [{ kind, key, row }];
      });
    expect(changes('unwrapped-smt.ndjson')).toEqual(changes('plain.articles.ndjson'));
  });
});
