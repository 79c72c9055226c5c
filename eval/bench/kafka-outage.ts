import { FreshetError } from '../../src/domain/errors.ts';
import type { KafkaRecord } from '../../connectors/kafka/record.ts';
import { makeRecord } from './kafka-records.ts';
import {
  createBenchDecoder,
  createBenchObserver,
  createBenchPipeline,
  createInstantEmbedder,
  createInstantIndex,
  createRecordsSource,
} from './kafka-pipeline.ts';
import { sleep } from './statistics.ts';

export interface OutageMemory {
  /** Highest resident memory while everything is up and events come as fast as they are taken. */
  readonly upMb: number;
  readonly downMb: number;
  /** Taken from the source while the index was away. */
  readonly readWhileDown: number;
  readonly inFlightWhileDown: number;
  readonly settledWithinMs: number;
}

const WARM_UP_MS = 5_000;
const SAMPLE_MS = 200;
const DOCUMENTS = 20_000;

/** A log without an end, and an index that goes away for a while. */
export async function measureOutage(downMs: number): Promise<OutageMemory> {
  let read = 0;
  function* log(): Generator<KafkaRecord> {
    for (let sequence = 1; ; sequence += 1) {
      read = sequence;
      const revision = Math.floor(sequence / DOCUMENTS);
      const document = 1 + (sequence % DOCUMENTS);
      yield makeRecord({ document, revision, changesText: true }, BigInt(sequence), 0, sequence);
    }
  }
  const life = new AbortController();
  const stop = new AbortController();
  const instant = createInstantIndex();
  let isUp = true;
  const index = {
    ...instant,
    apply: ((write, signal) =>
      isUp
        ? instant.apply(write, signal)
        : Promise.reject(new FreshetError('INDEX_AWAY', 'transient', 'Away.'))) satisfies typeof instant.apply,
  };
  let committed = 0n;
  const source = createRecordsSource(log(), createBenchDecoder(), (offset) => (committed = offset));
  const observer = createBenchObserver(() => undefined);
  const embedder = createInstantEmbedder();
  const pipeline = createBenchPipeline({ source, index, embedder, observer, signal: life.signal });
  const running = pipeline.run(stop.signal);

  const highest = async (ms: number): Promise<number> => {
    let most = 0;
    for (const until = performance.now() + ms; performance.now() < until; await sleep(SAMPLE_MS)) {
      most = Math.max(most, process.memoryUsage.rss() / 2 ** 20);
    }
    return most;
  };
  const upMb = await highest(WARM_UP_MS);
  isUp = false;
  const readBefore = read;
  const downMb = await highest(downMs);
  const [readWhileDown, inFlightWhileDown] = [read - readBefore, pipeline.inFlight];
  isUp = true;
  const upAgainAt = performance.now();
  const waiting = BigInt(read);
  while (committed < waiting) await sleep(1);
  const settledWithinMs = performance.now() - upAgainAt;
  stop.abort();
  await running;
  life.abort();
  return { upMb, downMb, readWhileDown, inFlightWhileDown, settledWithinMs };
}
