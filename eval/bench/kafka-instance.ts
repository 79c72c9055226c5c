import { createKafkaSource } from '../../connectors/kafka/source.ts';
import { createMemoryCheckpoints } from '../../connectors/memory/checkpoints.ts';
import { openSqliteIndex } from '../../connectors/sqlite/index.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { Embedder } from '../../src/ports/embedder.ts';
import type { Index } from '../../src/ports/index-store.ts';
import {
  createBenchDecoder,
  createBenchObserver,
  createBenchPipeline,
  createInstantEmbedder,
  createInstantIndex,
  NOTES,
  SOURCE_NAME,
} from './kafka-pipeline.ts';
import { monotonicMs, sleep } from './statistics.ts';
import { createSyntheticEmbedder } from './synthetic-embedder.ts';

export interface InstanceOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly groupId: string;
  /**
   * - `slow`    an engine and an index that take 20 ms for each call and no processor, and few calls at a time
   * - `sqlite`  the embedded index in this file, and an engine of 4 ms per call and 2 ms per text
   */
  readonly engines: { readonly kind: 'slow' } | { readonly kind: 'sqlite'; readonly file: string };
}

export type InstanceSays =
  | { readonly type: 'assigned'; readonly partitions: number }
  | { readonly type: 'visible'; readonly document: string; readonly at: number };

const CALL_MS = 20;
const TEXTS_PER_CALL = 8;
const INDEX_CALLS = 8;
const EMBED_TOKENS = 100;

/** One Freshet of a group: the real Kafka source and the real pipeline, with engine and index as slow as they are told to be. */
export async function runInstance(
  { brokers, topic, groupId, engines }: InstanceOptions,
  say: (message: InstanceSays) => void,
  stopped: Promise<void>,
): Promise<void> {
  const life = new AbortController();
  const stop = new AbortController();
  const observer = createBenchObserver((event) => {
    if (event.type === 'document-visible') say({ type: 'visible', document: event.document, at: monotonicMs() });
  });
  await using source = createKafkaSource({
    ...{ name: SOURCE_NAME, connection: { brokers }, groupId, topics: [topic], clock: systemClock, observer },
    tables: [{ id: NOTES, fingerprint: 'bench' }],
    decoder: createBenchDecoder(),
    checkpoints: createMemoryCheckpoints(),
  });
  await using embedder = engines.kind === 'slow' ? slowEmbedder() : createSyntheticEmbedder();
  await using index = await openIndex(engines, embedder);
  const pipeline = createBenchPipeline({ source, index, embedder, observer, signal: life.signal });
  const running = pipeline.run(stop.signal);
  let assigned = -1;
  const watch = setInterval(() => {
    void source.freshness().then(({ partitions }) => {
      if (partitions.length === assigned) return;
      assigned = partitions.length;
      say({ type: 'assigned', partitions: assigned });
    });
  }, 50);
  await Promise.race([stopped, running]);
  clearInterval(watch);
  stop.abort();
  await running;
  life.abort();
}

function openIndex(engines: InstanceOptions['engines'], embedder: Embedder): Index | Promise<Index> {
  if (engines.kind === 'slow') return slowIndex(createInstantIndex());
  const { dimensions, fingerprint } = embedder;
  return openSqliteIndex({ path: engines.file, dimensions, embedderFingerprint: fingerprint });
}

/** One call at a time, of some texts. */
function slowEmbedder(): Embedder {
  const instant = createInstantEmbedder();
  return {
    ...instant,
    ...{ concurrency: 1, maxBatchTokens: TEXTS_PER_CALL * EMBED_TOKENS },
    embed: async (...args) => {
      await sleep(CALL_MS);
      return instant.embed(...args);
    },
  };
}

function slowIndex(instant: Index): Index {
  const slots: (() => void)[] = [];
  let free = INDEX_CALLS;
  const slow = async <T>(call: () => Promise<T>): Promise<T> => {
    if (free === 0) await new Promise<void>((resolve) => slots.push(resolve));
    else free -= 1;
    await sleep(CALL_MS);
    const next = slots.shift();
    if (next === undefined) free += 1;
    else next();
    return call();
  };
  return {
    ...instant,
    heads: (ids, signal) => slow(() => instant.heads(ids, signal)),
    apply: (write, signal) => slow(() => instant.apply(write, signal)),
  };
}
