import type { LogReader, TopicPartition } from './client/client.ts';
import type { Observed } from './epoch.ts';
import { witnessOf } from './partition-progress.ts';
import type { Witness } from './state.ts';

/** Whether a partition still holds the record that was remembered of it, and so is still the one that was read. */
export async function compareWitness(
  log: LogReader,
  { topic, partition }: TopicPartition,
  witness: Witness | undefined,
  earliest: bigint,
  end: bigint,
): Promise<Observed['witness']> {
  if (witness === undefined || witness.offset < earliest || witness.offset >= end) return 'gone';
  const { records } = await log.fetch({ topic, partition, offset: witness.offset }, 'batch');
  const found = records.find(({ offset }) => offset === witness.offset);
  if (found === undefined) return 'gone';
  const { timestamp, crc } = witnessOf(found);
  return timestamp === witness.timestamp && crc === witness.crc ? 'same' : 'another';
}
