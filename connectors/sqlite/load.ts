import type { Metadata } from '../../src/domain/document.ts';
import type { DocumentId, TableId } from '../../src/domain/ids.ts';
import type { SourcePosition } from '../../src/domain/source-position.ts';
import type { Version } from '../../src/domain/version.ts';
import type { Catalogue, DocumentFacts } from './catalogue.ts';
import type { Cells, Database } from './database.ts';
import { unpackJson } from './odd-text.ts';

export interface LoadProgress {
  readonly done: number;
  readonly total: number;
}

const FACTS = 'SELECT doc, id, tbl, tenant, access, metadata, ver, gen, pos, committed_at FROM heads';
const PAGE_ROWS = 5_000;

function factsOf(cells: Cells): DocumentFacts {
  const [doc, id, table, tenant, access, metadata, version, generation, position, committedAt] = cells;
  return {
    doc: doc as number,
    id: id as DocumentId,
    table: table as TableId,
    tenant: tenant as number,
    access: access === '[]' ? [] : unpackJson<readonly string[]>(access),
    metadata: metadata === '{}' ? {} : unpackJson<Metadata>(metadata),
    version: version as Version,
    generation: generation as number,
    ...(position === null ? {} : { sourcePosition: position as SourcePosition }),
    committedAt: committedAt as number,
  };
}

/**
 * Everything searches need into memory, in pages, giving way to the event loop between them (so that progress can be shown).
 * Vectors of another embedder stay where they are: their chunks are found by words until they are embedded again.
 */
export async function loadCatalogue(
  db: Database,
  catalogue: Catalogue,
  embedder: number,
  onProgress: (progress: LoadProgress) => void,
): Promise<void> {
  for await (const page of pages(db, `${FACTS} WHERE deleted = 0 AND doc > ? ORDER BY doc LIMIT ${PAGE_ROWS}`)) {
    for (const cells of page) catalogue.put(factsOf(cells), [], []);
  }
  const rows = `SELECT c.row, c.doc FROM chunks c INDEXED BY chunks_of_doc WHERE c.doc > ? ORDER BY c.doc`;
  const owners = new Map(db.prepare(rows).all(-1) as readonly (readonly [number, number])[]);
  const total = owners.size;
  let done = 0;
  const vectors = `SELECT row, iif(embedder = ${embedder}, vector, NULL) FROM vectors WHERE row > ? ORDER BY row LIMIT ${PAGE_ROWS}`;
  for await (const page of pages(db, vectors)) {
    for (const [row, vector] of page as readonly (readonly [number, Uint8Array | null])[]) {
      const entry = catalogue.entry(owners.get(row) ?? -1);
      if (entry !== undefined) catalogue.put(entry.facts, [], [{ row, vector: vector ?? undefined }]);
    }
    done += page.length;
    onProgress({ done, total });
  }
}

/** One document as the file has it now. */
export function reloadDocument(db: Database, catalogue: Catalogue, embedder: number, doc: number): void {
  catalogue.delete(doc);
  const cells = db.prepare(`${FACTS} WHERE doc = ? AND deleted = 0`).get(doc);
  if (cells === undefined) return;
  const rows = db
    .prepare(
      `SELECT v.row, iif(v.embedder = ?, v.vector, NULL) FROM chunks c JOIN vectors v ON v.row = c.row WHERE c.doc = ? ORDER BY v.row`,
    )
    .all(embedder, doc) as readonly (readonly [number, Uint8Array | null])[];
  catalogue.put(
    factsOf(cells),
    [],
    rows.map(([row, vector]) => ({ row, vector: vector ?? undefined })),
  );
}

/** Rows whose first column is a growing number, a page at a time. */
async function* pages(db: Database, sql: string): AsyncGenerator<readonly Cells[]> {
  const statement = db.prepare(sql);
  for (let after = -1; ; ) {
    const page = statement.all(after);
    if (page.length === 0) return;
    yield page;
    after = page.at(-1)![0] as number;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
