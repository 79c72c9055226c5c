import { throwIfAborted } from '../../../../src/domain/errors.ts';
import type { LogReader } from '../../../../connectors/kafka/client/client.ts';
import type { KafkaRecord } from '../../../../connectors/kafka/record.ts';

/**
 * Every record of the topics from the first kept to the end as it was at the start, partition by partition, each in order. Joins no group
 * and moves no offset. Records of transactions that are open or were aborted are left out.
 */
export async function* readToEnd(
  log: LogReader,
  topics: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<KafkaRecord> {
  if (topics.length === 0) return;
  const [starts, ends] = await Promise.all([log.offsets(topics, 'earliest'), log.offsets(topics, 'end')]);
  for (const [key, end] of [...ends].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const slash = key.lastIndexOf('/');
    const where = { topic: key.slice(0, slash), partition: Number(key.slice(slash + 1)) };
    let offset = starts.get(key) ?? 0n;
    while (offset < end) {
      throwIfAborted(signal);
      const { records, next } = await log.fetch({ ...where, offset });
      for (const record of records) if (record.offset < end) yield record;
      // Nothing more to be had: what is left belongs to a transaction that is still open.
      if (next === offset) break;
      offset = next;
    }
  }
}
