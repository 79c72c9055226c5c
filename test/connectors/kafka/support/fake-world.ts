import { createMemoryCheckpoints } from '../../../../connectors/memory/checkpoints.ts';
import type { KafkaClient } from '../../../../connectors/kafka/client/client.ts';
import type { KafkaSourceOptions } from '../../../../connectors/kafka/options.ts';
import { createKafkaSource, type KafkaSource } from '../../../../connectors/kafka/source.ts';
import { systemClock } from '../../../../src/runtime/clock.ts';
import { createRecordingObserver } from '../../../support/recording-observer.ts';
import { MemoryKafka } from './memory-kafka.ts';
import { createTestDecoder, TABLE } from './rows.ts';

export const FAST = { sampleMs: 5, saveMs: 5, topicsMs: 10, closeMs: 2_000, rebalanceTimeoutMs: 20_000 };

/** One topic `t`, one group `g`, and sources on them that share the index's checkpoints. */
export function createFakeWorld(partitions = 1) {
  const kafka = new MemoryKafka();
  kafka.topic('t', partitions);
  const checkpoints = createMemoryCheckpoints();
  const observer = createRecordingObserver();
  return {
    kafka,
    checkpoints,
    observer,
    source: (options: Partial<KafkaSourceOptions> = {}, client: KafkaClient = kafka.client()): KafkaSource =>
      createKafkaSource(
        {
          name: 'app',
          connection: { brokers: [] },
          groupId: 'g',
          topics: ['t'],
          tables: [{ id: TABLE, fingerprint: 'one' }],
          decoder: createTestDecoder(),
          checkpoints,
          clock: systemClock,
          observer,
          ...options,
          limits: { ...FAST, ...options.limits },
        },
        client,
      ),
  };
}
