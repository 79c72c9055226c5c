import type { Redacted } from '../../src/domain/document.ts';
import type { RowKey } from '../../src/domain/ids.ts';
import type { Instant } from '../../src/domain/time.ts';
import type { PushedEntry, PushedLog, PushedOutcome, PushedRecord, PushedWrite } from '../../src/ports/pushed-log.ts';
import type { Cells, Database } from './database.ts';
import { packJson, unpackJson } from './odd-text.ts';
import type { GroupCommit } from './writer.ts';

const COLUMNS = 'key, seq, committed_at, row';
/** 2020-01-01T00:00:00Z, in milliseconds since 1970. */
const CLOCK_START = Date.UTC(2020, 0, 1);

/** The log of pushed documents in the state file. */
export class SqlitePushedLog implements PushedLog {
  readonly #db: Database;
  readonly #writer: GroupCommit;

  constructor(db: Database, writer: GroupCommit) {
    this.#db = db;
    this.#writer = writer;
  }

  append(writes: readonly PushedWrite[], now: Instant): Promise<readonly PushedOutcome[]> {
    return this.#writer.write(() => ({ value: writes.map((write) => this.#append(write, now)) }));
  }

  async after(sequence: number, limit: number): Promise<readonly PushedEntry[]> {
    return this.#db
      .prepare(`SELECT ${COLUMNS} FROM pushed WHERE seq > ? ORDER BY seq LIMIT ?`)
      .all(sequence, limit)
      .map(entryOf);
  }

  async last(): Promise<number> {
    return this.#last();
  }

  async countAfter(sequence: number): Promise<number> {
    return this.#db.prepare('SELECT count(*) FROM pushed WHERE seq > ?').get(sequence)?.[0] as number;
  }

  async entry(key: RowKey): Promise<PushedEntry | undefined> {
    const cells = this.#db.prepare(`SELECT ${COLUMNS} FROM pushed WHERE key = ?`).get(key);
    return cells === undefined ? undefined : entryOf(cells);
  }

  async scan(after: RowKey | undefined, limit: number): Promise<readonly PushedEntry[]> {
    return this.#db
      .prepare(`SELECT ${COLUMNS} FROM pushed WHERE key > ? AND row IS NOT NULL ORDER BY key LIMIT ?`)
      .all(after ?? '', limit)
      .map(entryOf);
  }

  #append({ key, document, sourceVersion }: PushedWrite, now: Instant): PushedOutcome {
    const stored = this.#db.prepare('SELECT seq, source_version FROM pushed WHERE key = ?').get(key);
    const known = (stored?.[1] as number | null | undefined) ?? null;
    if (sourceVersion !== undefined && known !== null && sourceVersion <= known) {
      const reason = sourceVersion === known ? 'duplicate' : 'superseded';
      return { accepted: false, reason, sequence: stored![0] as number };
    }
    const sequence = Math.max(this.#last() + 1, Math.floor((now - CLOCK_START) * 1000));
    this.#db
      .prepare(
        `INSERT INTO pushed (key, seq, source_version, committed_at, row) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET seq = excluded.seq, committed_at = excluded.committed_at, row = excluded.row,
           source_version = coalesce(excluded.source_version, source_version)`,
      )
      .run(key, sequence, sourceVersion ?? null, now, document === undefined ? null : packJson(document));
    this.#db
      .prepare('INSERT INTO pushed_clock (one, seq) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET seq = excluded.seq')
      .run(sequence);
    return { accepted: true, sequence };
  }

  #last(): number {
    return (this.#db.prepare('SELECT seq FROM pushed_clock').get()?.[0] as number | undefined) ?? 0;
  }
}

function entryOf([key, sequence, committedAt, row]: Cells): PushedEntry {
  return {
    key: key as RowKey,
    sequence: sequence as number,
    committedAt: committedAt as number,
    document: row === null ? undefined : unpackJson<Redacted<PushedRecord>>(row),
  };
}
