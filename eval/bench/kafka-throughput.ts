import type { Index } from '../../src/ports/index-store.ts';
import type { KafkaRecord } from '../../connectors/kafka/record.ts';
import { makeRecords } from './kafka-records.ts';
import {
  createBenchDecoder,
  createBenchObserver,
  createBenchPipeline,
  createInstantEmbedder,
  createInstantIndex,
  createRecordsSource,
} from './kafka-pipeline.ts';
import { monotonicMs } from './statistics.ts';

export interface Throughput {
  readonly events: number;
  readonly bytesPerEvent: number;
  readonly wallMs: number;
  /** Of the whole process: main thread, compiler and garbage collector. */
  readonly cpuMs: number;
  readonly outcomes: Readonly<Record<string, number>>;
  /** The same records through JSON.parse alone. */
  readonly parseCpuMs: number;
}

/** Changes of documents that are indexed already, as fast as the pipeline takes them. */
export async function measureThroughput(documents: number, rounds: number, changesText: boolean): Promise<Throughput> {
  const index = createInstantIndex();
  await run(makeRecords(documents, { from: 0, to: 1 }, changesText), index);
  const records = makeRecords(documents, { from: 1, to: 1 + rounds }, changesText);
  const bytes = records.reduce((sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0), 0);
  const parseCpuMs = parseAlone(records);
  const measured = await run(records, index);
  return { ...measured, events: records.length, bytesPerEvent: bytes / records.length, parseCpuMs };
}

async function run(
  records: readonly KafkaRecord[],
  index: Index,
): Promise<Pick<Throughput, 'wallMs' | 'cpuMs' | 'outcomes'>> {
  const outcomes: Record<string, number> = {};
  const last = records.at(-1)?.offset ?? 0n;
  const life = new AbortController();
  const stop = new AbortController();
  const source = createRecordsSource(records, createBenchDecoder(), (offset) => {
    if (offset === last) stop.abort();
  });
  const observer = createBenchObserver((event) => {
    if (event.type !== 'change-settled') return;
    outcomes[event.outcome] = (outcomes[event.outcome] ?? 0) + 1;
  });
  const embedder = createInstantEmbedder();
  const pipeline = createBenchPipeline({ source, index, embedder, observer, signal: life.signal });
  const startedAt = monotonicMs();
  const cpu = process.cpuUsage();
  await pipeline.run(stop.signal);
  const { user, system } = process.cpuUsage(cpu);
  const wallMs = monotonicMs() - startedAt;
  life.abort();
  return { wallMs, cpuMs: (user + system) / 1_000, outcomes };
}

function parseAlone(records: readonly KafkaRecord[]): number {
  const cpu = process.cpuUsage();
  let seen = 0;
  for (const { value } of records) {
    const { op } = JSON.parse(Buffer.from(value as Uint8Array).toString('utf8')) as { readonly op: string };
    if (op !== '') seen += 1;
  }
  const { user, system } = process.cpuUsage(cpu);
  return seen === records.length ? (user + system) / 1_000 : Number.NaN;
}
