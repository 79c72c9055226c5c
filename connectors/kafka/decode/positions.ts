import {
  parseSequence,
  type AddedFields,
  type MongodbSource,
  type MysqlSource,
  type SourceBlock,
  type SqlServerSource,
} from 'debezium-ts-types';
import { sourcePosition, type SourcePosition } from '../../../src/domain/source-position.ts';
import type { Instant } from '../../../src/domain/time.ts';

/**
 * Where a streamed change stands in its database's log, for telling re-sends: strictly increasing per row, the same when sent again.
 *
 * Undefined where the block does not say it exactly enough. Such a change is ordered by its offset alone, like a read: a run of re-sends then
 * shows old rows for a moment until it has caught up, and ends right. A position that is only nearly right would lose changes for ever.
 */
export function positionOf(source: SourceBlock): SourcePosition | undefined {
  switch (source.connector) {
    case 'postgresql':
      return postgresPosition(parseSequence(source.sequence));
    case 'mysql':
    case 'mariadb':
      return mysqlPosition(source);
    case 'sqlserver':
      return sqlServerPosition(source);
    case 'mongodb':
      return mongodbPosition(source);
  }
}

/**
 * (LSN of the last commit before the change, LSN of the change). Never the second alone: an insert that waited on a unique index has a lower
 * one than the delete it waited for.
 *
 * Before the first commit that a connector sees there is no first part. The change's own LSN stands in: it is below the commit of its own
 * transaction, so below all that follows, and above everything before if the connector's offsets were lost and it starts anew behind old
 * records. With 0 instead, such a change would count as older than a TRUNCATE it came after.
 */
export function postgresPosition(sequence: AddedFields['sequence'] | undefined): SourcePosition | undefined {
  const [lastCommit, lsn] = sequence ?? [null, null];
  return lsn === null ? undefined : sourcePosition(lastCommit ?? lsn, lsn);
}

const ROW_BITS = 20n;

/** (number of the binlog file, position in it and row of the event). Holds as long as the connector reads from one server. */
function mysqlPosition({ file, pos, row }: MysqlSource): SourcePosition | undefined {
  const digits = /\.(\d{1,18})$/.exec(file ?? '')?.[1];
  if (digits === undefined || pos === null || pos === undefined || BigInt(pos) >= 1n << (64n - ROW_BITS))
    return undefined;
  const limited = Math.max(0, Math.min(row ?? 0, 2 ** Number(ROW_BITS) - 1));
  return sourcePosition(BigInt(digits), (BigInt(pos) << ROW_BITS) | BigInt(limited));
}

/** `00000027:00000ac0:0002`: virtual log file, block in it, record in the block. */
interface SqlServerLsn {
  readonly file: bigint;
  readonly block: bigint;
  readonly record: bigint;
}

function parseSqlServerLsn(text: string | null | undefined): SqlServerLsn | undefined {
  const match = /^([0-9a-f]{8}):([0-9a-f]{8}):([0-9a-f]{4})$/i.exec(text ?? '');
  if (match === null) return undefined;
  const [file, block, record] = match.slice(1).map((part) => BigInt(`0x${part}`)) as [bigint, bigint, bigint];
  return { file, block, record };
}

/**
 * Commit LSN, then the change's own LSN, then the serial number (an update of key columns is a delete and an insert of one LSN). Two LSNs have
 * 160 bits, a position 128: the change's log file is written as its distance from the commit's, where larger numbers come first.
 */
function sqlServerPosition(source: SqlServerSource): SourcePosition | undefined {
  const commit = parseSqlServerLsn(source.commit_lsn);
  const change = parseSqlServerLsn(source.change_lsn);
  if (commit === undefined || change === undefined) return undefined;
  const distance = commit.file - change.file;
  const serial = BigInt(source.event_serial_no ?? 1);
  const fits =
    distance >= 0n &&
    distance < 1n << 10n &&
    change.block < 1n << 24n &&
    change.record < 1n << 12n &&
    serial >= 0n &&
    serial < 4n;
  if (!fits) return undefined;
  const major = (commit.file << 32n) | commit.block;
  const own = ((((1n << 10n) - 1n - distance) << 24n) | change.block) << 14n;
  return sourcePosition(major, (commit.record << 48n) | own | (change.record << 2n) | serial);
}

/** The oplog's timestamp: seconds and a counter. Inside a transaction all changes have the same one, so there they have no position. */
function mongodbPosition({ ts_ms: ms, ord, lsid, txnNumber }: MongodbSource): SourcePosition | undefined {
  if (ord === null || ord === undefined || ord < 0 || (lsid ?? txnNumber ?? null) !== null) return undefined;
  return sourcePosition(BigInt(Math.floor(ms / 1000)), BigInt(ord));
}

/** When the source committed, with the digits it has below a millisecond. */
export function commitTime(source: SourceBlock): Instant {
  const { ts_ms: ms, ts_us: us } = source;
  return us === null || us === undefined ? ms : Number(us) / 1000;
}

export function addedTime({ sourceTsMs, sourceTsUs, sourceTsNs }: AddedFields): Instant | undefined {
  if (sourceTsUs !== null) return sourceTsUs / 1000;
  // As in an envelope, microseconds: what lies below is lost in a double anyway.
  if (sourceTsNs !== null) return Number(sourceTsNs / 1000n) / 1000;
  return sourceTsMs ?? undefined;
}
