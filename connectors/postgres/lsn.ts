/** A position in the write-ahead log: a byte offset, unsigned 64 bit. */
export type Lsn = bigint;

/** `16/B374D848` → number; undefined when the text is no LSN. */
export function parseLsn(text: string): Lsn | undefined {
  const match = /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i.exec(text.trim());
  if (match === null) return undefined;
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** For LSNs the server itself sent. */
export function lsn(text: string | null | undefined): Lsn {
  const parsed = text === null || text === undefined ? undefined : parseLsn(text);
  if (parsed === undefined) throw new Error('the server sent no LSN where one belongs');
  return parsed;
}

/** As PostgreSQL prints it: `16/B374D848`. */
export function formatLsn(position: Lsn): string {
  return `${(position >> 32n).toString(16).toUpperCase()}/${(position & 0xffff_ffffn).toString(16).toUpperCase()}`;
}

const PAGE_BYTES = 8192n;
const PAGE_HEADER_BYTES = 24n;
const SEGMENT_HEADER_BYTES = 40n;

/**
 * `pg_current_wal_insert_lsn()` at a page boundary points behind the header of a page nothing was written to yet, which no commit's or
 * keepalive's end ever reaches. The same point as the end of what is written (xlog.c: XLogBytePosToRecPtr / XLogBytePosToEndRecPtr).
 */
export function endOfWritten(insertLsn: Lsn, segmentBytes: bigint): Lsn {
  if (insertLsn % segmentBytes === SEGMENT_HEADER_BYTES) return insertLsn - SEGMENT_HEADER_BYTES;
  if (insertLsn % PAGE_BYTES === PAGE_HEADER_BYTES) return insertLsn - PAGE_HEADER_BYTES;
  return insertLsn;
}

export const maxLsn = (a: Lsn, b: Lsn): Lsn => (a > b ? a : b);
