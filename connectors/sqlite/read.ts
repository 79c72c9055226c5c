import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Head, Redacted } from '../../src/domain/document.ts';
import { throwIfAborted } from '../../src/domain/errors.ts';
import type { ChunkId, DocumentId, TableId, TenantId } from '../../src/domain/ids.ts';
import type { SourcePosition, Truncation } from '../../src/domain/source-position.ts';
import { isTruncated } from '../../src/domain/visibility.ts';
import type { HeadFilter, StoredChunk, StoredDocument } from '../../src/ports/index-store.ts';
import type { Cells, Database } from './database.ts';
import { HEAD_COLUMNS, HEADS, headOf } from './heads.ts';
import { unpackText } from './odd-text.ts';

export interface ChunkScan {
  readonly vectors: boolean;
  readonly document?: DocumentId;
}

const PAGE_ROWS = 500;

export function readHeads(db: Database, ids: readonly DocumentId[]): ReadonlyMap<DocumentId, Head> {
  const statement = db.prepare(`SELECT ${HEAD_COLUMNS} FROM ${HEADS} WHERE h.id = ?`);
  const heads = new Map<DocumentId, Head>();
  for (const id of ids) {
    const cells = statement.get(id);
    if (cells !== undefined) heads.set(id, headOf(cells));
  }
  return heads;
}

export function readTruncations(db: Database): Map<TableId, Truncation> {
  const rows = db.prepare('SELECT tbl, epoch, pos FROM truncations').all() as readonly unknown[];
  return new Map(
    (rows as readonly (readonly [TableId, number, SourcePosition])[]).map(([table, epoch, position]) => [
      table,
      { epoch, sourcePosition: position },
    ]),
  );
}

/** Undefined also for a document of another tenant: who may not see it does not learn that it exists. */
export function readDocument(
  db: Database,
  id: DocumentId,
  tenant: TenantId,
  truncations: ReadonlyMap<TableId, Truncation>,
): StoredDocument | undefined {
  const head = readHeads(db, [id]).get(id);
  if (head === undefined || head.deleted || head.attributes.tenant !== tenant) return undefined;
  if (isTruncated(head, truncations.get(head.table))) return undefined;
  const stored = new Map(chunkRows(db, head, false).map((cells) => [cells[0], cells]));
  const chunks = head.chunks.flatMap((ref) => {
    const cells = stored.get(ref.id);
    return cells === undefined ? [] : [{ ...storedChunk(head, cells), ...ref }];
  });
  return { head, chunks };
}

export async function* scanHeads(db: Database, filter: HeadFilter, signal: AbortSignal): AsyncGenerator<Head> {
  const table = filter.table === undefined ? '' : 'AND h.tbl = ?';
  const below = filter.belowVersion === undefined ? '' : 'AND h.ver < ?';
  const { livingOutside: others } = filter;
  const outside =
    others === undefined ? '' : `AND h.deleted = 0 AND h.tbl NOT IN (${others.map(() => '?').join(', ')})`;
  const sql = `SELECT ${HEAD_COLUMNS} FROM ${HEADS} WHERE h.id > ? ${table} ${below} ${outside} ORDER BY h.id LIMIT ${PAGE_ROWS}`;
  const bounds = [filter.table, filter.belowVersion, ...(others ?? [])].filter((bound) => bound !== undefined);
  for (let after = ''; ; ) {
    throwIfAborted(signal);
    const page = db
      .prepare(sql)
      .all(after, ...bounds)
      .map(headOf);
    yield* page;
    if (page.length < PAGE_ROWS) return;
    // Nothing here waits for anything: without this, a scan of a large index would hold up every search until its end.
    await nextTurn();
    after = page.at(-1)!.id;
  }
}

/** Each document's chunks together, in the order of its list; what the list does not name comes last. */
export async function* scanChunks(db: Database, options: ChunkScan, signal: AbortSignal): AsyncGenerator<StoredChunk> {
  if (options.document !== undefined) {
    throwIfAborted(signal);
    yield* chunksOf(db, options.document, options.vectors);
    return;
  }
  for await (const { id } of scanHeads(db, {}, signal)) yield* chunksOf(db, id, options.vectors);
}

/** Head and chunks read in one go: the page that named the document may be some writes old. */
function chunksOf(db: Database, id: DocumentId, vectors: boolean): readonly StoredChunk[] {
  const head = readHeads(db, [id]).get(id);
  if (head === undefined) return [];
  const place = new Map<unknown, number>(head.chunks.map((ref, at) => [ref.id, at]));
  const placeOf = (cells: Cells): number => place.get(cells[0]) ?? place.size;
  return chunkRows(db, head, vectors)
    .toSorted((a, b) => placeOf(a) - placeOf(b))
    .map((cells) => storedChunk(head, cells));
}

function chunkRows(db: Database, head: Head, vectors: boolean): readonly Cells[] {
  const vector = vectors ? '(SELECT v.vector FROM vectors v WHERE v.row = c.row)' : 'NULL';
  return db
    .prepare(`SELECT c.id, c.text, ${vector} FROM chunks c WHERE c.doc = (SELECT doc FROM heads WHERE id = ?)`)
    .all(head.id);
}

/** A chunk stands at its head's stamp and under its head's attributes: they were written in one transaction. */
function storedChunk(head: Head, [id, text, vector]: Cells): StoredChunk {
  return {
    id: id as ChunkId,
    document: head.id,
    text: unpackText(text) as Redacted<string>,
    attributes: head.attributes,
    version: head.version,
    generation: head.generation,
    ...(head.sourcePosition === undefined ? {} : { sourcePosition: head.sourcePosition }),
    deleted: false,
    ...(vector === null ? {} : { vector: floats(vector as Uint8Array) }),
  };
}

/** Copied: a BLOB's bytes may lie at any offset, a Float32Array may not. */
function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer);
}
