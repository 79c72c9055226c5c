import type { Delivery, Position } from '../../src/domain/change.ts';
import { throwIfAborted } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { TopicPartition, LogReader } from './client/client.ts';
import type { RecordDecoder } from './record.ts';
import { bytesOf } from './record-buffer.ts';

/** `<source>/<topic>/<partition>` as {@link PartitionProgress} makes it; undefined for a partition that is none of a topic. */
export function parsePartition(source: string, id: string): TopicPartition | undefined {
  const match = /^(.+)\/(\d+)$/.exec(id.startsWith(`${source}/`) ? id.slice(source.length + 1) : '');
  return match === null ? undefined : { topic: match[1]!, partition: Number(match[2]) };
}

/** One record by its coordinates, without the group; undefined where retention or compaction removed it. */
export async function fetchRecord(
  deps: { readonly name: string; readonly log: LogReader; readonly decoder: RecordDecoder; readonly clock: Clock },
  position: Position,
  epoch: number,
  signal: AbortSignal,
): Promise<Delivery | undefined> {
  const { name, log, decoder, clock } = deps;
  const where = parsePartition(name, position.partition);
  if (where === undefined) return undefined;
  const key = `${where.topic}/${where.partition}`;
  const [earliest, end] = await Promise.all([
    log.offsets([where.topic], 'earliest'),
    log.offsets([where.topic], 'end'),
  ]);
  const { offset } = position;
  if (offset < (earliest.get(key) ?? 0n) || offset >= (end.get(key) ?? 0n)) return undefined;
  throwIfAborted(signal);
  const { records } = await log.fetch({ ...where, offset }, 'batch');
  const record = records.find((candidate) => candidate.offset === offset);
  if (record === undefined) return undefined;
  const { event } = await decoder.decode(record, epoch, signal);
  return { position, endsPosition: true, event, receivedAt: clock.now(), bytes: bytesOf(record) };
}
