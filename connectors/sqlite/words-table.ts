import { segmented } from '../../src/domain/words.ts';
import type { Database, Statement } from './database.ts';
import { scopeOf } from './lexical.ts';

/**
 * `scope` is `t<tenant number>`: the tenant is part of the MATCH itself, not a filter behind it. Every chunk carries its document's title,
 * which is a search's best word-for-word clue and often stands in none of the chunks.
 */
export const WORDS_TABLE = `CREATE VIRTUAL TABLE words USING fts5(scope, title, text, content='', contentless_delete=1,
  tokenize="porter unicode61 remove_diacritics 2 categories 'L* N* Co M*'");`;

/** The full-text index of the chunks, one row each. It keeps no text of its own: whoever writes a row hands it all of it. */
export class WordsTable {
  readonly #insert: Statement;
  readonly #delete: Statement;

  constructor(db: Database) {
    this.#insert = db.prepare('INSERT INTO words (rowid, scope, title, text) VALUES (?, ?, ?, ?)');
    this.#delete = db.prepare('DELETE FROM words WHERE rowid = ?');
  }

  insert(row: number, tenant: number, title: string, text: string): void {
    this.#insert.run(row, scopeOf(tenant), segmented(title), segmented(text));
  }

  delete(row: number): void {
    this.#delete.run(row);
  }
}
