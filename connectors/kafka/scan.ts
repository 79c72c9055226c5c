import { FreshetError, throwIfAborted } from '../../src/domain/errors.ts';
import type { TableId } from '../../src/domain/ids.ts';
import type { RowScan } from '../../src/ports/rows.ts';
import { partitionKey, type LogReader, type TopicPartition } from './client/client.ts';
import { Tables } from './decode/tables.ts';
import type { DecodedTable } from './decode/options.ts';
import type { KafkaRecord, RecordDecoder } from './record.ts';
import { placeOf, TableFold } from './scan-fold.ts';
import { RowGatherer, type ScannedRow } from './scan-gather.ts';
import { matchingTopics } from './topics.ts';

export interface TopicScanOptions {
  /** Name of the source, for messages. */
  readonly source: string;
  readonly log: LogReader;
  /** A decoder for one reading of the log; not the one that reads the stream, which remembers other records. */
  readonly decoder: () => RecordDecoder;
  /** As the source reads them. */
  readonly topics: readonly (string | RegExp)[];
  readonly tables: readonly DecodedTable[];
  readonly topicPrefix?: string;
  /** What rows may hold that wait for values from elsewhere in the log. Beyond it the log is read once more. Default 64 MiB. */
  readonly budgetBytes?: number;
}

const BUDGET_BYTES = 64 * 1024 * 1024;
/** A fetch may come back empty while a broker is busy. */
const EMPTY_FETCHES_MAX = 5;

interface PartitionSpan extends TopicPartition {
  readonly from: bigint;
  readonly to: bigint;
  /** Records before `from` are gone, and not because newer ones of their keys replaced them. */
  readonly cut: boolean;
}

/**
 * The rows of a table from its topics, if these hold them all: they never lost a record, or only to compaction, or have a whole snapshot.
 * Rows come in no particular order, each once. The log is read twice, so that of a row only its key and the place of its last record are kept.
 */
export function createTopicScan(options: TopicScanOptions): RowScan {
  return {
    origin: originOf(options.topics),
    rows: (table, signal) => scanTable(options, table, signal),
  };
}

function originOf(topics: readonly (string | RegExp)[]): string {
  const names = topics.map((topic) => (typeof topic === 'string' ? topic : topic.source));
  const shown = names.slice(0, 3).join(', ') + (names.length > 3 ? ', …' : '');
  return `${names.length === 1 && typeof topics[0] === 'string' ? 'the topic' : 'the topics'} ${shown}`;
}

async function* scanTable(options: TopicScanOptions, table: TableId, signal: AbortSignal): AsyncGenerator<ScannedRow> {
  const spans = await spansOf(options, table);
  const fold = new TableFold(table);
  const firstAt = new Map<string, number>();
  const decoder = options.decoder();
  for await (const record of readAll(options.log, spans, signal)) {
    const key = partitionKey(record);
    if (!firstAt.has(key)) firstAt.set(key, record.timestamp);
    fold.add(record, await decoder.decode(record, 0, signal));
  }
  for (let plan = fold.plan(snapshotNeeded(options, table, spans, fold, firstAt)); ; ) {
    const gatherer = new RowGatherer(plan, options.budgetBytes ?? BUDGET_BYTES);
    const again = options.decoder();
    for await (const record of readAll(options.log, spans, signal)) {
      const place = placeOf(record);
      if (!gatherer.wants(place)) continue;
      const { event } = await again.decode(record, 0, signal);
      if (event.kind === 'row-upserted') yield* gatherer.take(place, event.row, record.value?.length ?? 0);
    }
    yield* gatherer.unfinished();
    const rest = gatherer.rest();
    if (rest === undefined) return;
    plan = rest;
  }
}

/**
 * Where records are gone, only a snapshot that began after the last of them was written brings back what they said.
 * @returns when the snapshot to build on began; undefined where nothing is gone
 * @throws poison TOPIC_INCOMPLETE
 */
function snapshotNeeded(
  { source }: TopicScanOptions,
  table: TableId,
  spans: readonly PartitionSpan[],
  fold: TableFold,
  firstAt: ReadonlyMap<string, number>,
): number | undefined {
  const cut = spans.filter((span) => span.cut);
  if (cut.length === 0) return undefined;
  const snapshot = fold.wholeSnapshot();
  const reaches = (span: PartitionSpan): boolean =>
    snapshot !== undefined && (firstAt.get(partitionKey(span)) ?? Infinity) <= snapshot.startedAt;
  if (snapshot !== undefined && cut.every(reaches)) return snapshot.startedAt;
  const [first] = cut;
  throw incomplete(
    source,
    table,
    `records before offset ${first?.from} of partition ${first?.partition} of ${first?.topic} are gone, and no whole snapshot lies behind that`,
  );
}

async function spansOf(options: TopicScanOptions, table: TableId): Promise<readonly PartitionSpan[]> {
  const { log, source } = options;
  const { topics: there } = await log.cluster();
  const topics = topicsOf(options, table, matchingTopics(options.topics, there.keys()));
  if (topics.length === 0) throw incomplete(source, table, 'no topic of it exists');
  // The end first: what lies between two answers may be gone from the front, never from behind.
  const ends = await log.offsets(topics, 'end');
  const starts = await log.offsets(topics, 'earliest');
  const compacted = await log.compacted(topics);
  return topics.flatMap((topic) =>
    Array.from({ length: there.get(topic) ?? 0 }, (_, partition): PartitionSpan => {
      const key = partitionKey({ topic, partition });
      const from = starts.get(key) ?? 0n;
      return { topic, partition, from, to: ends.get(key) ?? from, cut: from > 0n && !compacted.has(topic) };
    }),
  );
}

/** Topics that are not another table's by their name. */
function topicsOf(
  { tables, topicPrefix }: TopicScanOptions,
  table: TableId,
  topics: readonly string[],
): readonly string[] {
  const own = tables.find(({ id }) => id === table)?.topic;
  if (own !== undefined) return topics.filter((topic) => topic === own);
  const names = new Tables(tables, topicPrefix);
  return topics.filter((topic) => (names.ofTopic(topic)?.id ?? table) === table);
}

async function* readAll(
  log: LogReader,
  spans: readonly PartitionSpan[],
  signal: AbortSignal,
): AsyncGenerator<KafkaRecord> {
  for (const { topic, partition, from, to } of spans) {
    let empty = 0;
    for (let offset = from; offset < to && empty < EMPTY_FETCHES_MAX; ) {
      throwIfAborted(signal);
      const { records, next } = await log.fetch({ topic, partition, offset });
      for (const record of records) if (record.offset < to) yield record;
      empty = next > offset ? 0 : empty + 1;
      offset = next;
    }
  }
}

function incomplete(source: string, table: TableId, why: string): FreshetError {
  return new FreshetError(
    'TOPIC_INCOMPLETE',
    'poison',
    `The topics of source ${source} do not hold all rows of table ${table}: ${why}. Give the source a connection to the database ` +
      `(sources.${source}.lookup.connection), or let the connector take a snapshot anew.`,
    { details: { source, table } },
  );
}
