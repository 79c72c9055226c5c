import { describe, expect, it } from 'vitest';
import type { SourceBlock } from 'debezium-ts-types';
import { addedTime, commitTime, positionOf } from '../../../../connectors/kafka/decode/positions.ts';

const common = { name: 's', ts_ms: 1_700_000_000_000, db: 'app' } as const;
const postgres = (sequence: string | null): SourceBlock => ({
  ...common,
  connector: 'postgresql',
  schema: 'public',
  table: 't',
  sequence,
  lsn: 99,
});
const mysql = (file: string | null, pos: number, row?: number): SourceBlock => ({
  ...common,
  connector: 'mysql',
  table: 't',
  file,
  pos,
  row: row ?? null,
});
const sqlServer = (commit: string, change: string, serial = 1): SourceBlock => ({
  ...common,
  connector: 'sqlserver',
  schema: 'dbo',
  table: 't',
  commit_lsn: commit,
  change_lsn: change,
  event_serial_no: serial,
});
const mongodb = (ms: number, ord: number | null, more: object = {}): SourceBlock => ({
  ...common,
  connector: 'mongodb',
  collection: 'c',
  ts_ms: ms,
  ord,
  ...more,
});

const inOrder = (...blocks: SourceBlock[]): void => {
  const positions = blocks.map(positionOf);
  expect(positions).not.toContain(undefined);
  expect(positions).toEqual([...new Set(positions)].sort());
};

describe('positions in the source’s log', () => {
  it('of PostgreSQL go by the last commit first, so that an insert with a lower LSN than the delete it waited for is later', () => {
    inOrder(postgres('["100","150"]'), postgres('["200","140"]'), postgres('["200","141"]'));
  });

  it('of PostgreSQL before the first commit stand below all that follows, and above everything before', () => {
    inOrder(postgres('[null,"150"]'), postgres('[null,"160"]'), postgres('["170","165"]'));
    // The connector's offsets were lost: it begins anew, behind what it sent before.
    inOrder(postgres('["170","175"]'), postgres('[null,"300"]'));
  });

  it('of PostgreSQL never come from an LSN alone', () => {
    expect(positionOf(postgres(null))).toBeUndefined();
    expect(positionOf(postgres('[null,null]'))).toBeUndefined();
  });

  it('of MySQL go by file, position and row', () => {
    inOrder(
      mysql('binlog.000009', 4_000_000_000),
      mysql('binlog.000010', 4),
      mysql('binlog.000010', 4, 1),
      mysql('binlog.000010', 5),
    );
    inOrder(mysql('binlog.999999', 4), mysql('binlog.1000000', 4));
    expect(positionOf(mysql(null, 4))).toBeUndefined();
    expect(positionOf(mysql('binlog', 4))).toBeUndefined();
  });

  it('of SQL Server go by commit, change and serial number, also where a transaction spans log files', () => {
    inOrder(
      sqlServer('00000027:00000ac0:0002', '00000027:00000ab0:0001'),
      sqlServer('00000027:00000ac0:0002', '00000027:00000ab0:0001', 2),
      sqlServer('00000027:00000ac0:0002', '00000027:00000ab0:0002'),
      sqlServer('00000027:00000ac0:0003', '00000026:00000001:0001'),
      sqlServer('00000028:00000001:0001', '00000027:0000ffff:0001'),
      sqlServer('00000028:00000001:0001', '00000028:00000001:0001'),
    );
    expect(positionOf(sqlServer('x', 'y'))).toBeUndefined();
    expect(positionOf(sqlServer('00000027:00000ac0:0002', '00000028:00000001:0001'))).toBeUndefined();
  });

  it('of MongoDB go by the oplog’s time; inside a transaction all changes have one, so there they have no position', () => {
    inOrder(mongodb(1_000, 1), mongodb(1_000, 2), mongodb(2_000, 1));
    expect(positionOf(mongodb(1_000, null))).toBeUndefined();
    expect(positionOf(mongodb(1_000, 1, { lsid: 's', txnNumber: 3 }))).toBeUndefined();
  });
});

describe('commit times', () => {
  it('keep microseconds where they came', () => {
    expect(commitTime({ ...postgres(null), ts_us: 1_700_000_000_000_123 })).toBe(1_700_000_000_000.123);
    expect(commitTime(postgres(null))).toBe(1_700_000_000_000);
    const none = {
      op: null,
      db: null,
      schema: null,
      table: null,
      lsn: null,
      sequence: null,
      snapshot: null,
      txId: null,
      all: {},
    };
    const times = { sourceTsMs: 5, sourceTsUs: null, sourceTsNs: 5_123_456n };
    expect(addedTime({ ...none, ...times })).toBe(5.123);
    expect(addedTime({ ...none, ...times, sourceTsNs: null })).toBe(5);
    expect(addedTime({ ...none, sourceTsMs: null, sourceTsUs: null, sourceTsNs: null })).toBeUndefined();
  });
});
