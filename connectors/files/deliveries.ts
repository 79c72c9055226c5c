import type { ChangeEvent, Delivery } from '../../src/domain/change.ts';
import { partitionId, tableId, type PartitionId, type TableId } from '../../src/domain/ids.ts';
import { sourcePosition } from '../../src/domain/source-position.ts';
import type { Instant } from '../../src/domain/time.ts';
import { fileVersion } from './hybrid-clock.ts';
import type { Seen } from './ledger.ts';
import { pathKey } from './paths.ts';
import type { ReadResult } from './read-text.ts';
import { fileRow, type RowRules } from './row.ts';

export const filesTable = (name: string): TableId => tableId(`${name}.files`);
export const filesPartition = (name: string): PartitionId => partitionId(`${name}.files`);

/** What is known of a change when it is handed out. */
export interface Change {
  readonly path: string;
  readonly seen: Seen;
  readonly result: Exclude<ReadResult, { kind: 'changing' | 'busy' }>;
  /** Read as part of the first whole copy, instead of as an edit. */
  readonly snapshot: boolean;
  readonly noticedAt: Instant;
}

/** Beside its text a row costs about this much. */
const ROW_OVERHEAD = 512;

export function toDelivery(name: string, change: Change, rules: RowRules): Delivery {
  const { seen, result } = change;
  return {
    position: { partition: filesPartition(name), offset: BigInt(seen.n) },
    endsPosition: true,
    event: toEvent(name, change, rules),
    receivedAt: change.noticedAt,
    bytes: ROW_OVERHEAD + (result.kind === 'text' ? result.text.length * 2 : 0),
  };
}

function toEvent(name: string, { path, seen, result, snapshot, noticedAt }: Change, rules: RowRules): ChangeEvent {
  const table = filesTable(name);
  const key = pathKey(path);
  const position = { version: fileVersion(seen.n), sourcePosition: sourcePosition(BigInt(seen.n)) };
  if (result.kind === 'undecodable') {
    return {
      kind: 'undecodable',
      table,
      key,
      error: result.error,
      ...position,
      committedAt: writtenAt(result.outside, noticedAt),
    };
  }
  if (result.kind === 'missing') return { kind: 'row-deleted', table, key, ...position, committedAt: noticedAt };
  return {
    kind: 'row-upserted',
    table,
    key,
    row: fileRow(path, result.text, result.outside.mtimeMs, rules),
    version: position.version,
    ...(snapshot ? {} : { sourcePosition: position.sourcePosition }),
    committedAt: writtenAt(result.outside, noticedAt),
    snapshot,
  };
}

/** ctime too: copies and archives keep an old mtime, but the file changed here when its inode did. */
function writtenAt(outside: { readonly mtimeMs: number; readonly ctimeMs: number }, now: Instant): Instant {
  return Math.min(now, Math.max(outside.mtimeMs, outside.ctimeMs));
}
