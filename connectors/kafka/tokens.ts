import { FreshetError } from '../../src/domain/errors.ts';
import type { Offsets } from './client/client.ts';

/** Where a token points to: end offsets by `topic/partition`, or a PostgreSQL LSN. */
export type TokenTarget =
  | { readonly kind: 'ends'; readonly ends: Offsets }
  | { readonly kind: 'lsn'; readonly lsn: bigint };

const PREFIX = 'k1.';
/** `16/B374D848`, as pg_current_wal_insert_lsn() prints it. */
const LSN = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;
const TOPIC = /^[A-Za-z0-9._-]{1,249}$/;

/** `k1.` and base64url of JSON `{topic: [end of partition 0, of 1, …]}`; null where nothing is asked of a partition. */
export function encodeToken(ends: Offsets): string {
  const topics: Record<string, (number | null)[]> = {};
  for (const [key, end] of [...ends].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const slash = key.lastIndexOf('/');
    const list = (topics[key.slice(0, slash)] ??= []);
    const partition = Number(key.slice(slash + 1));
    while (list.length <= partition) list.push(null);
    list[partition] = Number(end);
  }
  return PREFIX + Buffer.from(JSON.stringify(topics)).toString('base64url');
}

/** @throws poison BAD_TOKEN */
export function decodeToken(token: string, isOurs: (topic: string) => boolean): TokenTarget {
  const lsn = LSN.exec(token);
  if (lsn !== null) return { kind: 'lsn', lsn: (BigInt(`0x${lsn[1]}`) << 32n) | BigInt(`0x${lsn[2]}`) };
  const ends = new Map<string, bigint>();
  try {
    if (!token.startsWith(PREFIX)) throw new SyntaxError('prefix');
    const parsed: unknown = JSON.parse(Buffer.from(token.slice(PREFIX.length), 'base64url').toString('utf8'));
    if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed)) throw new SyntaxError('shape');
    for (const [topic, list] of Object.entries(parsed)) {
      if (!TOPIC.test(topic) || !isOurs(topic) || !Array.isArray(list)) throw new SyntaxError('topic');
      list.forEach((end: unknown, partition) => {
        if (end === null) return;
        if (!Number.isSafeInteger(end) || (end as number) < 0) throw new SyntaxError('offset');
        ends.set(`${topic}/${partition}`, BigInt(end as number));
      });
    }
  } catch (cause) {
    throw new FreshetError(
      'BAD_TOKEN',
      'poison',
      'This is no token of this Kafka source. Pass the token of an answer back unchanged, or a PostgreSQL LSN.',
      { cause },
    );
  }
  return { kind: 'ends', ends };
}

export function isCovered({ ends }: { readonly ends: Offsets }, settled: (key: string) => bigint | undefined): boolean {
  for (const [key, end] of ends) if (end > 0n && (settled(key) ?? -1n) < end) return false;
  return true;
}
