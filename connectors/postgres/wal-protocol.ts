import type { Instant } from '../../src/domain/time.ts';
import type { Lsn } from './lsn.ts';

/**
 * Frames inside the CopyBoth stream of START_REPLICATION.
 * https://www.postgresql.org/docs/current/protocol-replication.html
 */
export type Frame =
  | { readonly kind: 'data'; readonly walEnd: Lsn; readonly payload: Buffer }
  | { readonly kind: 'keepalive'; readonly walEnd: Lsn; readonly replyRequested: boolean };

const DATA = 0x77; // 'w': int64 start, int64 end, int64 clock, payload
const KEEPALIVE = 0x6b; // 'k': int64 end, int64 clock, byte reply requested
const STATUS = 0x72; // 'r': int64 written, int64 flushed, int64 applied, int64 clock, byte reply requested

const EPOCH_2000_MS = 946_684_800_000;

export function parseFrame(chunk: Buffer): Frame | undefined {
  if (chunk[0] === DATA) return { kind: 'data', walEnd: chunk.readBigUInt64BE(9), payload: chunk.subarray(25) };
  if (chunk[0] === KEEPALIVE) {
    return { kind: 'keepalive', walEnd: chunk.readBigUInt64BE(1), replyRequested: chunk[17] === 1 };
  }
  return undefined;
}

export interface Status {
  readonly written: Lsn;
  /** 0 says nothing: the slot stays where it is and the server's shutdown looks at `written` instead. */
  readonly flushed: Lsn;
  readonly replyRequested: boolean;
}

export function statusFrame({ written, flushed, replyRequested }: Status, now: Instant): Buffer {
  const frame = Buffer.alloc(34);
  frame[0] = STATUS;
  frame.writeBigUInt64BE(written, 1);
  frame.writeBigUInt64BE(flushed, 9);
  frame.writeBigUInt64BE(flushed, 17);
  frame.writeBigInt64BE(BigInt(Math.round((now - EPOCH_2000_MS) * 1000)), 25);
  frame[33] = replyRequested ? 1 : 0;
  return frame;
}
