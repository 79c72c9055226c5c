import type { PartitionId, TableId } from '../../src/domain/ids.ts';
import type { SourcePosition, Truncation } from '../../src/domain/source-position.ts';
import { isTruncated } from '../../src/domain/visibility.ts';
import type { Version } from '../../src/domain/version.ts';
import type { Floor, SweepLimits } from '../../src/ports/index-store.ts';
import type { Applier } from './apply.ts';
import type { Catalogue } from './catalogue.ts';
import type { Database } from './database.ts';
import type { GroupCommit, Outcome } from './writer.ts';

export interface Swept {
  readonly heads: number;
  readonly chunks: number;
}

/** One transaction of the sweep touches no more heads than this: edits slip in between. */
const HEADS_MAX = 200;

interface SweepDeps {
  readonly db: Database;
  readonly writer: GroupCommit;
  readonly applier: Applier;
  readonly catalogue: Catalogue;
  readonly truncations: ReadonlyMap<TableId, Truncation>;
}

/**
 * Two steps, as everywhere in Freshet: heads under a truncation become tombstones (keeping their version), and tombstones older than the
 * horizon and at or below their partition's committed mark are deleted, while the partition's floor rises over them in the same
 * transaction. Each slice reads anew inside its transaction, so nothing is deleted on an old view. Chunks need no sweep here: their rows
 * went with the write that dropped them.
 */
export async function sweep(deps: SweepDeps, limits: SweepLimits, signal: AbortSignal): Promise<Swept> {
  let chunks = 0;
  for (const [table, truncation] of [...deps.truncations]) {
    for (let after = ''; ; ) {
      const step = await deps.writer.write(() => buryTruncated(deps, table, truncation, after, limits.now), signal);
      chunks += step.chunks;
      if (step.last === undefined) break;
      after = step.last;
    }
  }
  let heads = 0;
  for (let after = -1; ; ) {
    const step = await deps.writer.write(() => forget(deps, limits, after), signal);
    heads += step.heads;
    if (step.last === undefined) return { heads, chunks };
    after = step.last;
  }
}

function buryTruncated(
  { db, applier, catalogue }: SweepDeps,
  table: TableId,
  truncation: Truncation,
  after: string,
  now: number,
): Outcome<{ chunks: number; last: string | undefined }> {
  const page = db
    .prepare('SELECT doc, id, ver, gen, pos, deleted FROM heads WHERE tbl = ? AND id > ? ORDER BY id LIMIT ?')
    .all(table, after, HEADS_MAX) as readonly (readonly [
    number,
    string,
    Version,
    number,
    SourcePosition | null,
    number,
  ])[];
  const bury = db.prepare(
    `UPDATE heads SET deleted = 1, refs = '[]', row_hash = NULL, access = '[]', metadata = '{}', titles = '["",""]', indexed_at = ? WHERE doc = ?`,
  );
  const buried: number[] = [];
  let chunks = 0;
  for (const [doc, , version, generation, position, deleted] of page) {
    const stamp = { version, generation, ...(position === null ? {} : { sourcePosition: position }) };
    if (deleted === 1 || !isTruncated(stamp, truncation)) continue;
    for (const row of applier.chunkRowsOf(doc)) {
      applier.deleteRow(row);
      chunks += 1;
    }
    bury.run(now, doc);
    buried.push(doc);
  }
  const last = page.length < HEADS_MAX ? undefined : page.at(-1)![1];
  return { value: { chunks, last }, effect: () => buried.forEach((doc) => catalogue.delete(doc)) };
}

type Tombstone = readonly [
  doc: number,
  part: PartitionId,
  ver: Version,
  pos: SourcePosition | null,
  committedAt: number,
];

function forget(
  { db }: SweepDeps,
  limits: SweepLimits,
  after: number,
): Outcome<{ heads: number; last: number | undefined }> {
  const page = db
    .prepare(
      'SELECT doc, part, ver, pos, committed_at FROM heads WHERE deleted = 1 AND indexed_at <= ? AND doc > ? ORDER BY doc LIMIT ?',
    )
    .all(limits.now - limits.horizonMs, after, HEADS_MAX) as readonly unknown[] as readonly Tombstone[];
  const raise = db.prepare(
    `INSERT INTO floors (part, ver, pos, committed_at) VALUES (?, ?, ?, ?)
     ON CONFLICT (part) DO UPDATE SET ver = max(ver, excluded.ver), committed_at = max(committed_at, excluded.committed_at),
       pos = CASE WHEN pos IS NULL OR excluded.pos > pos THEN coalesce(excluded.pos, pos) ELSE pos END`,
  );
  const remove = db.prepare('DELETE FROM heads WHERE doc = ?');
  let heads = 0;
  for (const [doc, partition, version, position, committedAt] of page) {
    const mark = limits.committed.get(partition);
    if (mark === undefined || version > mark) continue;
    raise.run(partition, version, position, committedAt);
    remove.run(doc);
    heads += 1;
  }
  return { value: { heads, last: page.length < HEADS_MAX ? undefined : page.at(-1)![0] } };
}

export function floorOf(db: Database, partition: PartitionId): Floor | undefined {
  const cells = db.prepare('SELECT ver, pos, committed_at FROM floors WHERE part = ?').get(partition);
  if (cells === undefined) return undefined;
  const [version, position, committedAt] = cells;
  return {
    version: version as Version,
    ...(position === null ? {} : { sourcePosition: position as SourcePosition }),
    committedAt: committedAt as number,
  };
}
