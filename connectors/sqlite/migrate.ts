import type { Database } from './database.ts';
import type { LoadProgress } from './load.ts';
import { unpackJson, unpackText } from './odd-text.ts';
import { WORDS_TABLE, WordsTable } from './words-table.ts';

const PAGE_ROWS = 1_000;

/** To format 2, where titles are searched too: the full-text index is derived from the rest of the file, and made anew. */
export function searchTitles(db: Database, onProgress: (progress: LoadProgress) => void): void {
  db.exec(`DROP TABLE words; ${WORDS_TABLE}`);
  const words = new WordsTable(db);
  const page = db.prepare(
    `SELECT c.row, h.tenant, h.titles, c.text FROM chunks c JOIN heads h ON h.doc = c.doc WHERE c.row > ? ORDER BY c.row LIMIT ${PAGE_ROWS}`,
  );
  const total = db.prepare('SELECT count(*) FROM chunks').get()![0] as number;
  let done = 0;
  for (let after = -1; ; ) {
    const rows = page.all(after) as readonly (readonly [number, number, string, unknown])[];
    for (const [row, tenant, titles, text] of rows)
      words.insert(row, tenant, unpackJson<readonly [string, string]>(titles)[0], unpackText(text));
    onProgress({ done: (done += rows.length), total });
    if (rows.length < PAGE_ROWS) return;
    after = rows.at(-1)![0];
  }
}
