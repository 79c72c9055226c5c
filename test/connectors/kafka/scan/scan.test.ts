import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UNCHANGED } from '../../../../src/domain/change.ts';
import { tableId } from '../../../../src/domain/ids.ts';
import { createRecordDecoder } from '../../../../connectors/kafka/decode/decoder.ts';
import type { KafkaRecord } from '../../../../connectors/kafka/record.ts';
import { createTopicScan, type TopicScanOptions } from '../../../../connectors/kafka/scan.ts';
import { change, never, PLACEHOLDER, record, table, type ChangeParts } from '../decode/records.ts';
import { LogInMemory } from './log-in-memory.ts';

const DOCS = 'cdc.public.docs';
const docs = tableId('app.public.docs');

/** Records of one table in the order they are written, each with the next offset of its partition. */
class Writer {
  readonly log = new LogInMemory();
  #lsn = 1_000;
  readonly #offsets = new Map<number, number>();
  timestamp = 1_000;

  write(
    key: unknown,
    value: object | null,
    { partition = 0, headers = {}, timestamp = (this.timestamp += 1) } = {},
  ): KafkaRecord {
    const offset = this.#offsets.get(partition) ?? 0;
    this.#offsets.set(partition, offset + 1);
    const one = record({ topic: DOCS, partition, offset, timestamp, key, value, headers });
    this.log.add(one);
    return one;
  }

  /** A streamed change, in a transaction of its own. */
  stream(
    key: unknown,
    parts: Omit<ChangeParts, 'sequence'>,
    more: { partition?: number; headers?: KafkaRecord['headers'] } = {},
  ): KafkaRecord {
    this.#lsn += 10;
    return this.write(key, change({ us: this.#lsn * 1_000, ...parts, sequence: [this.#lsn - 5, this.#lsn] }), more);
  }

  read(id: number, body: string, marker: string, partition = 0): void {
    this.write({ id }, change({ op: 'r', after: { id, body }, snapshot: marker }), { partition });
  }

  again(one: KafkaRecord): void {
    const offset = this.#offsets.get(one.partition) ?? 0;
    this.#offsets.set(one.partition, offset + 1);
    this.log.add({ ...one, offset: BigInt(offset), timestamp: (this.timestamp += 1) });
  }
}

async function scan(log: LogInMemory, more: Partial<TopicScanOptions> = {}): Promise<Record<string, unknown>> {
  const tables = [table('public.docs')];
  const rows: Record<string, unknown> = {};
  const source = createTopicScan({
    source: 'app',
    log,
    decoder: () => createRecordDecoder({ source: 'app', tables }),
    topics: [DOCS],
    tables,
    ...more,
  });
  for await (const { key, row } of source.rows(docs, never)) {
    if (key in rows) throw new Error(`${key} came twice`);
    rows[key] = row;
  }
  return rows;
}

const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('a scan of the topic', () => {
  it('gives the last row of each key, over all partitions', async () => {
    const writer = new Writer();
    writer.read(1, 'a', 'first');
    writer.read(2, 'b', 'last', 1);
    writer.stream({ id: 1 }, { op: 'u', after: { id: 1, body: 'a2' } });
    writer.stream({ id: 3 }, { op: 'c', after: { id: 3, body: 'c' } }, { partition: 1 });
    writer.stream({ id: 2 }, { op: 'd', before: { id: 2 } }, { partition: 1 });
    writer.write({ id: 2 }, null, { partition: 1 });
    expect(await scan(writer.log)).toEqual({ '[1]': { id: 1, body: 'a2' }, '[3]': { id: 3, body: 'c' } });
  });

  it('does not take what is sent again for news', async () => {
    const writer = new Writer();
    const first = writer.stream({ id: 1 }, { op: 'c', after: { id: 1, body: 'old' } });
    writer.stream({ id: 1 }, { op: 'u', after: { id: 1, body: 'new' } });
    writer.again(first);
    expect(await scan(writer.log)).toEqual({ '[1]': { id: 1, body: 'new' } });
  });

  it('leaves out what a TRUNCATE removed, in whatever partition it lies', async () => {
    const writer = new Writer();
    writer.read(1, 'a', 'first', 1);
    writer.stream({ id: 2 }, { op: 'c', after: { id: 2, body: 'b' } }, { partition: 1 });
    writer.stream(null, { op: 't' });
    writer.stream({ id: 3 }, { op: 'c', after: { id: 3, body: 'c' } }, { partition: 1 });
    expect(await scan(writer.log)).toEqual({ '[3]': { id: 3, body: 'c' } });
  });

  it('carries large values forward that later changes left out', async () => {
    const writer = new Writer();
    writer.read(1, 'long', 'first');
    writer.stream({ id: 1 }, { op: 'u', after: { id: 1, title: 'x', body: PLACEHOLDER } });
    writer.stream({ id: 2 }, { op: 'c', after: { id: 2, title: 'y', body: 'other' } });
    writer.stream({ id: 1 }, { op: 'u', after: { id: 1, title: 'z', body: PLACEHOLDER } });
    expect(await scan(writer.log)).toMatchObject({ '[1]': { id: 1, title: 'z', body: 'long' } });
  });

  it('carries them over a change of the key, also into another partition that is read first', async () => {
    const writer = new Writer();
    writer.stream({ id: 1 }, { op: 'c', after: { id: 1, body: 'long' } }, { partition: 1 });
    writer.stream({ id: 1 }, { op: 'u', after: { id: 1, body: PLACEHOLDER } }, { partition: 1 });
    writer.stream(
      { id: 1 },
      { op: 'd', before: { id: 1 } },
      { partition: 1, headers: { '__debezium.newkey': '{"id":9}' } },
    );
    writer.stream(
      { id: 9 },
      { op: 'c', after: { id: 9, body: PLACEHOLDER } },
      { headers: { '__debezium.oldkey': '{"id":1}' } },
    );
    writer.stream({ id: 9 }, { op: 'u', after: { id: 9, title: 't', body: PLACEHOLDER } });
    expect(await scan(writer.log)).toEqual({ '[9]': { id: 9, title: 't', body: 'long' } });
  });

  it('reads the log once more rather than hold more than its budget', async () => {
    const writer = new Writer();
    const expected: Record<string, unknown> = {};
    for (let id = 0; id < 20; id += 1) writer.read(id, `long ${id}`, id === 0 ? 'first' : 'true');
    for (let id = 0; id < 20; id += 1) {
      writer.stream({ id }, { op: 'u', after: { id, title: 'x', body: PLACEHOLDER } });
      expected[`[${id}]`] = { id, title: 'x', body: `long ${id}` };
    }
    expect(await scan(writer.log)).toEqual(expected);
    const once = writer.log.fetches;
    expect(await scan(writer.log, { budgetBytes: 1_000 })).toEqual(expected);
    expect(writer.log.fetches).toBeGreaterThan(2 * once);
  });

  it('leaves a value out that is nowhere in the log', async () => {
    const writer = new Writer();
    writer.stream({ id: 1 }, { op: 'u', after: { id: 1, body: PLACEHOLDER } });
    expect(await scan(writer.log)).toEqual({ '[1]': { id: 1, body: UNCHANGED } });
  });

  it('reads no topic of another table, and says which it reads', async () => {
    const writer = new Writer();
    writer.read(1, 'a', 'first');
    writer.log.add(record({ topic: 'cdc.public.other', offset: 5, key: { id: 1 }, value: '{broken' }));
    const tables = [table('public.docs'), table('public.other')];
    expect(await scan(writer.log, { topics: [/cdc\..*/], tables })).toEqual({ '[1]': { id: 1, body: 'a' } });
    const options = {
      source: 'app',
      log: writer.log,
      decoder: () => createRecordDecoder({ source: 'app', tables }),
      tables,
    };
    expect(createTopicScan({ ...options, topics: [DOCS] }).origin).toBe(`the topic ${DOCS}`);
    expect(createTopicScan({ ...options, topics: [/cdc\..*/] }).origin).toBe('the topics cdc\\..*');
  });

  it('ends where the log ended when it began', async () => {
    const writer = new Writer();
    writer.read(1, 'a', 'first');
    const tables = [table('public.docs')];
    const decoder = (): ReturnType<typeof createRecordDecoder> => {
      writer.read(2, 'late', 'incremental');
      return createRecordDecoder({ source: 'app', tables });
    };
    expect(await scan(writer.log, { decoder })).toEqual({ '[1]': { id: 1, body: 'a' } });
  });
});

describe('a topic that does not hold all rows', () => {
  const cut = (): Writer => {
    const writer = new Writer();
    writer.read(1, 'a', 'first');
    writer.read(2, 'b', 'last', 1);
    writer.stream({ id: 1 }, { op: 'u', after: { id: 1, body: 'a2' } });
    return writer;
  };

  it('is refused, with the way out', async () => {
    const { log } = cut();
    log.cutBefore(DOCS, 0, 1n);
    expect(await failure(scan(log))).toMatchObject({
      code: 'TOPIC_INCOMPLETE',
      kind: 'poison',
      details: { source: 'app', table: docs },
    });
    expect(await failure(scan(new LogInMemory()))).toMatchObject({ code: 'TOPIC_INCOMPLETE' });
  });

  it('is whole where compaction removed nothing but what newer records replaced', async () => {
    const { log } = cut();
    log.cutBefore(DOCS, 0, 1n).compact(DOCS);
    expect(await scan(log)).toEqual({ '[1]': { id: 1, body: 'a2' }, '[2]': { id: 2, body: 'b' } });
  });

  it('is whole where a later snapshot lies in it, which also tells what is gone', async () => {
    const writer = new Writer();
    writer.read(1, 'a', 'first');
    writer.read(4, 'deleted while nobody looked', 'last');
    writer.stream({ id: 5 }, { op: 'c', after: { id: 5, body: 'deleted too' } }, { partition: 1 });
    writer.read(1, 'again', 'first_in_data_collection');
    writer.read(2, 'b', 'true', 1);
    writer.read(3, 'c', 'last', 1);
    writer.stream({ id: 6 }, { op: 'c', after: { id: 6, body: 'd' } });
    writer.log.cutBefore(DOCS, 0, 1n);
    expect(await scan(writer.log)).toEqual({
      '[1]': { id: 1, body: 'again' },
      '[2]': { id: 2, body: 'b' },
      '[3]': { id: 3, body: 'c' },
      '[6]': { id: 6, body: 'd' },
    });
  });

  it('is refused where the snapshot itself lost records', async () => {
    const writer = new Writer();
    writer.read(1, 'a', 'first');
    writer.read(2, 'b', 'true', 1);
    writer.read(3, 'c', 'true', 1);
    writer.read(4, 'd', 'last');
    writer.log.cutBefore(DOCS, 1, 1n);
    expect(await failure(scan(writer.log))).toMatchObject({ code: 'TOPIC_INCOMPLETE' });
  });
});

describe('whatever happens to a table', () => {
  type Step = {
    readonly id: number;
    readonly op: 'put' | 'touch' | 'delete' | 'resend' | 'read' | 'truncate';
    readonly body: string;
  };
  const step = fc.record<Step>({
    id: fc.integer({ min: 0, max: 3 }),
    op: fc.constantFrom('put', 'put', 'touch', 'touch', 'delete', 'resend', 'read', 'truncate'),
    body: fc.string({ minLength: 1, maxLength: 3 }),
  });

  it('a scan of its topic gives its rows', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 30 }),
        fc.integer({ min: 0, max: 60 }),
        async (steps, budgetBytes) => {
          const writer = new Writer();
          const rows = new Map<number, { id: number; title: string; body: string }>();
          const sent: KafkaRecord[] = [];
          for (const [at, { id, op, body }] of steps.entries()) {
            const partition = id % 2;
            const row = rows.get(id);
            const title = String(at);
            if (op === 'put') {
              rows.set(id, { id, title, body });
              sent.push(
                writer.stream({ id }, { op: row === undefined ? 'c' : 'u', after: { id, title, body } }, { partition }),
              );
            } else if (op === 'touch' && row !== undefined) {
              rows.set(id, { ...row, title });
              sent.push(writer.stream({ id }, { op: 'u', after: { id, title, body: PLACEHOLDER } }, { partition }));
            } else if (op === 'delete' && row !== undefined) {
              rows.delete(id);
              sent.push(writer.stream({ id }, { op: 'd', before: { id } }, { partition }));
              sent.push(writer.write({ id }, null, { partition }));
            } else if (op === 'read' && row !== undefined) {
              writer.write({ id }, change({ op: 'r', after: row, snapshot: 'incremental' }), { partition });
            } else if (op === 'truncate') {
              rows.clear();
              sent.push(writer.stream(null, { op: 't' }));
            } else if (op === 'resend') {
              // Connect goes back some way and sends everything from there again; a delete and its tombstone are one to it.
              const back = 1 + (at % 5);
              const from = sent.at(-back)?.value === null ? back + 1 : back;
              for (const one of sent.slice(-from)) writer.again(one);
            }
          }
          if (steps.length === 0 || sent.length === 0) return;
          const expected = Object.fromEntries([...rows].map(([id, row]) => [`[${id}]`, row]));
          expect(await scan(writer.log, { budgetBytes })).toEqual(expected);
        },
      ),
      { numRuns: 300 },
    );
  });
});
