import type { Row, RowChange } from '../../src/domain/change.ts';
import { rowKey, type RowKey, type TableId, type TenantId } from '../../src/domain/ids.ts';
import { sourcePosition } from '../../src/domain/source-position.ts';
import { makeVersion, type Version } from '../../src/domain/version.ts';
import type { PushedEntry, PushedRecord } from '../../src/ports/pushed-log.ts';

const N_LIMIT = 2 ** 48;

/** Key of a pushed document: tenants name their documents independently. */
export const pushedKey = (tenant: TenantId, id: string): RowKey => rowKey([tenant, id]);

/** The columns of the virtual table `<source>.documents`. */
export function rowOf(record: PushedRecord): Row {
  return {
    id: record.id,
    tenant: record.tenant,
    title: record.title ?? null,
    uri: record.uri ?? null,
    text: record.text,
    format: record.format ?? null,
    access: record.access ?? [],
    metadata: record.metadata ?? {},
  };
}

/**
 * The sequence as a version. Microseconds since 2020 outgrow the 48 bits of one epoch in November 2028: the bits above are the epoch, so
 * the order holds until 2^53 (the year 2305). Nothing else is meant by it: this source is never truncated, nor starts a new epoch itself.
 */
export function versionOf(sequence: number): Version {
  return makeVersion(Math.floor(sequence / N_LIMIT), sequence % N_LIMIT);
}

export function changeOf(entry: PushedEntry, table: TableId): RowChange {
  const common = {
    table,
    key: entry.key,
    version: versionOf(entry.sequence),
    sourcePosition: sourcePosition(BigInt(entry.sequence)),
    committedAt: entry.committedAt,
  };
  return entry.document === undefined
    ? { kind: 'row-deleted', ...common }
    : { kind: 'row-upserted', ...common, row: rowOf(entry.document), snapshot: false };
}

/** UTF-16 bytes of what makes an entry big. */
export function bytesOf({ document }: PushedEntry): number {
  if (document === undefined) return 200;
  return 400 + 2 * (document.text.length + (document.title?.length ?? 0) + (document.uri?.length ?? 0));
}
