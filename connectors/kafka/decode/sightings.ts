import type {
  AddedFields,
  EnvelopeRecord,
  MessageRecord,
  SnapshotMarker as DebeziumMarker,
  SourceBlock,
} from 'debezium-ts-types';
import type { Instant } from '../../../src/domain/time.ts';
import type { DecodedRecord, SnapshotMarker } from '../record.ts';
import type { DecodedTable } from './options.ts';
import { addedTime, commitTime } from './positions.ts';

/** What a record says of how far its connector is in the database's log. */
export type Sighting = Pick<DecodedRecord, 'sourceTime' | 'lsn' | 'connector' | 'snapshot'>;

export function sightingOf(record: Exclude<EnvelopeRecord, MessageRecord>, table?: DecodedTable): Sighting {
  const { source, snapshot } = record;
  if (isRead(record)) return read(source.name, snapshot, table);
  return streamed(source.name, commitTime(source), lsnOf(source));
}

/** Some connectors write what a snapshot read as creates. */
export const isRead = (record: EnvelopeRecord): boolean =>
  record.kind === 'change' && (record.op === 'r' || record.snapshot !== 'false');

/** A message outside a transaction has no commit: it bears the connector's time. */
export function sightingOfMessage({ source }: MessageRecord): Sighting {
  const isInTransaction = 'txId' in source && source.txId !== null && source.txId !== undefined;
  return streamed(source.name, isInTransaction ? commitTime(source) : undefined, lsnOf(source));
}

/** Only where the added fields tell that the row was not read by a snapshot: those have times and LSNs too. */
export function sightingOfUnwrapped(added: AddedFields, isRead: boolean, table?: DecodedTable): Sighting {
  const name = added.all['source_name'] ?? added.all['name'];
  const connector = typeof name === 'string' ? name : undefined;
  if (isRead) return read(connector, added.snapshot ?? 'true', table);
  const isTold = added.snapshot !== null || added.op === 'u' || added.op === 'd';
  return isTold ? streamed(connector, addedTime(added), added.lsn ?? added.sequence?.[1] ?? undefined) : {};
}

/** What was read bears the time of the reading, and no change's place in the log. */
function read(connector: string | undefined, marker: DebeziumMarker, table: DecodedTable | undefined): Sighting {
  const snapshot = { table: table?.id, marker: (marker === 'false' ? 'true' : marker) as SnapshotMarker };
  return connector === undefined ? { snapshot } : { connector, snapshot };
}

function streamed(connector: string | undefined, time: Instant | undefined, lsn: bigint | undefined): Sighting {
  return {
    ...(connector === undefined ? {} : { connector }),
    ...(time === undefined ? {} : { sourceTime: time }),
    ...(lsn === undefined ? {} : { lsn }),
  };
}

const lsnOf = (source: SourceBlock): bigint | undefined =>
  'lsn' in source && source.lsn !== null && source.lsn !== undefined ? BigInt(source.lsn as bigint) : undefined;
