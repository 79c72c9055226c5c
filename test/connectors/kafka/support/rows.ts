import { makeVersion } from '../../../../src/domain/version.ts';
import { rowKey, tableId } from '../../../../src/domain/ids.ts';
import type { DecodedRecord, KafkaRecord, RecordDecoder, SnapshotMarker } from '../../../../connectors/kafka/record.ts';

export const TABLE = tableId('app.public.articles');

/** What the records of these tests hold: a row, and what Debezium would say beside it. */
export interface TestRow {
  readonly text?: string;
  readonly time?: number;
  readonly lsn?: number;
  readonly marker?: SnapshotMarker;
  /** Of a table that is none of ours. */
  readonly other?: boolean;
  readonly connector?: string;
}

const utf8 = (bytes: Uint8Array | null): string => Buffer.from(bytes ?? []).toString('utf8');

/** Keys are numbers, values JSON of a {@link TestRow}; without a value the row is gone. */
export function createTestDecoder(
  hook: (record: KafkaRecord) => void | Promise<void> = () => undefined,
): RecordDecoder {
  const decode = (record: KafkaRecord, epoch: number): DecodedRecord => {
    const version = makeVersion(epoch, record.offset);
    const key = rowKey([utf8(record.key)]);
    const common = { table: TABLE, key, version };
    if (record.value === null) {
      return { event: { kind: 'row-deleted', ...common, committedAt: record.timestamp } };
    }
    const { text, time, lsn, marker, other = false, connector } = JSON.parse(utf8(record.value)) as TestRow;
    const isRead = marker !== undefined;
    const rest = {
      ...(time === undefined || isRead ? {} : { sourceTime: time }),
      ...(lsn === undefined || isRead ? {} : { lsn: BigInt(lsn) }),
      ...(marker === undefined ? {} : { snapshot: { table: other ? undefined : TABLE, marker } }),
      ...(connector === undefined ? {} : { connector }),
    };
    if (other) return { event: { kind: 'nothing', reason: 'untracked-table' }, ...rest };
    const committedAt = time ?? record.timestamp;
    const row = { text: text ?? '' };
    return { event: { kind: 'row-upserted', ...common, row, committedAt, snapshot: isRead }, ...rest };
  };
  return {
    decode: (record, epoch) => {
      const waiting = hook(record);
      return waiting instanceof Promise ? waiting.then(() => decode(record, epoch)) : decode(record, epoch);
    },
  };
}
