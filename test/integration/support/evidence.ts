import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogReader } from '../../../connectors/kafka/client/client.ts';
import { createKafkaClient } from '../../../connectors/kafka/client/index.ts';
import { DEFAULT_KAFKA_LIMITS } from '../../../connectors/kafka/options.ts';
import { rowDocumentId, rowKey, tableId } from '../../../src/domain/ids.ts';
import type { World } from './world.ts';

const SOURCE = 'help';
const TABLE = tableId('help.public.articles');
const TOPIC = 'app.public.articles';
/** Of each wrong row, as many of its last records are told. */
const RECORDS = 4;
const ROWS_TOLD = 20;

interface LogRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: unknown;
  readonly value: unknown;
}

interface Point {
  readonly id: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

interface Envelope {
  readonly op: string;
  readonly source: { readonly lsn: number };
}

/** What decides whether an index is wrong, and why: every record, every row and every point, taken while nothing changes any more. */
export interface Evidence {
  readonly log: readonly LogRecord[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly points: readonly Point[];
}

export async function gather(world: World, qdrant: string): Promise<Evidence> {
  await using client = createKafkaClient({ brokers: world.kafka.brokers }, DEFAULT_KAFKA_LIMITS);
  const { topics } = await client.log.cluster();
  const names = [...topics.keys()].filter((name) => !name.startsWith('_') && !name.startsWith('connect-'));
  return {
    log: await recordsOf(client.log, names),
    rows: await world.sql.run('SELECT * FROM articles ORDER BY id'),
    points: (await Promise.all((await collectionsOf(qdrant)).map((name) => pointsOf(qdrant, name)))).flat(),
  };
}

/**
 * One line for each document that is wrong: where its row stands in the log, and up to where the index has it. A version is an offset, so a
 * head below its row's last record was not fed it. Where the log disagrees with the row, a change never came to the topic.
 */
export function explain({ log, rows, points }: Evidence, documents: readonly string[]): readonly string[] {
  const documentOf = (id: unknown): string => rowDocumentId(SOURCE, TABLE, rowKey([Number(id)]));
  const recordsOfRows = log.filter(({ topic, key }) => topic === TOPIC && key !== null);
  const alive = new Set(rows.map(({ id }) => documentOf(id)));
  return documents.slice(0, ROWS_TOLD).map((document) => {
    const records = recordsOfRows.filter(({ key }) => documentOf((key as { id: unknown }).id) === document);
    const head = points.find(({ payload }) => payload['kind'] === 'head' && payload['doc'] === document)?.payload;
    const last = records.slice(-RECORDS).map((record) => {
      const value = record.value as Envelope | null;
      return `${record.offset} ${value === null ? 'tombstone' : `${value.op} (LSN ${value.source.lsn})`}`;
    });
    const told =
      head === undefined ? 'no head' : `head at ${String(head['ver'])}${head['deleted'] ? ' (deleted)' : ''}`;
    return (
      `${document} of row ${JSON.stringify(records[0]?.key ?? null)}, which ${alive.has(document) ? 'exists' : 'does not exist'}: ` +
      `${told}; its last records, in partition ${String(records[0]?.partition)}: ${last.join(', ') || 'none'}`
    );
  });
}

/** @param outputs what the members of the group wrote, by file name */
export async function keep(
  folder: string,
  { log, rows, points }: Evidence,
  world: World,
  outputs: Readonly<Record<string, string>>,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const write = (name: string, lines: readonly unknown[]): Promise<void> =>
    writeFile(join(folder, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await write('log.jsonl', log);
  await write('rows.jsonl', rows);
  await write('points.jsonl', points);
  for (const [name, text] of Object.entries(outputs)) await writeFile(join(folder, name), text);
  for (const { name, logPath } of [world.kafka, world.connect, world.postgres]) {
    await copyFile(logPath, join(folder, `${name}.log`));
  }
}

async function recordsOf(log: LogReader, topics: readonly string[]): Promise<readonly LogRecord[]> {
  const found: LogRecord[] = [];
  const [from, to] = await Promise.all([log.offsets(topics, 'earliest'), log.offsets(topics, 'end')]);
  for (const [name, end] of to) {
    const slash = name.lastIndexOf('/');
    const where = { topic: name.slice(0, slash), partition: Number(name.slice(slash + 1)) };
    for (let offset = from.get(name) ?? 0n; offset < end; ) {
      const { records, next } = await log.fetch({ ...where, offset });
      for (const { offset: at, key, value } of records) {
        found.push({ ...where, offset: Number(at), key: jsonOf(key), value: jsonOf(value) });
      }
      if (next === offset) break;
      offset = next;
    }
  }
  return found;
}

const jsonOf = (bytes: Uint8Array | null): unknown =>
  bytes === null ? null : JSON.parse(Buffer.from(bytes).toString('utf8'));

async function collectionsOf(url: string): Promise<readonly string[]> {
  const answer = await fetch(new URL('/collections', url));
  const { result } = (await answer.json()) as { result: { collections: { name: string }[] } };
  return result.collections.map(({ name }) => name);
}

async function pointsOf(url: string, collection: string): Promise<readonly Point[]> {
  const found: Point[] = [];
  for (let offset: string | null = null; ; ) {
    const answer = await fetch(new URL(`/collections/${encodeURIComponent(collection)}/points/scroll`, url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        limit: 500,
        with_payload: true,
        with_vector: false,
        ...(offset === null ? {} : { offset }),
      }),
    });
    const { result } = (await answer.json()) as { result: { points: Point[]; next_page_offset: string | null } };
    found.push(...result.points);
    offset = result.next_page_offset;
    if (offset === null) return found;
  }
}
