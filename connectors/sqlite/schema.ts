import { statSync } from 'node:fs';
import { FreshetError } from '../../src/domain/errors.ts';
import { Database } from './database.ts';
import type { LoadProgress } from './load.ts';
import { searchTitles } from './migrate.ts';
import type { StorageWords } from './storage-error.ts';
import { WORDS_TABLE } from './words-table.ts';

/** 'Frsh': tells `file` and us that a database is one of ours (PRAGMA application_id). */
const APPLICATION_ID = 0x46727368;

/**
 * The index. Chunks carry no stamp of their own: a write is one transaction, so every chunk of a document stands at its head's stamp,
 * and a version-only write touches one row. Vectors lie apart from texts so that opening reads nothing else.
 */
const INDEX_TABLES = `
  CREATE TABLE tenants (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE embedders (number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, dimensions INTEGER NOT NULL, UNIQUE (fingerprint, dimensions)) STRICT;
  CREATE TABLE heads (
    doc INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    tbl TEXT NOT NULL,
    part TEXT NOT NULL,
    ver INTEGER NOT NULL,
    gen INTEGER NOT NULL,
    pos TEXT,
    committed_at REAL NOT NULL,
    received_at REAL NOT NULL,
    indexed_at REAL NOT NULL,
    row_hash TEXT,
    tenant INTEGER NOT NULL REFERENCES tenants,
    access TEXT NOT NULL,
    metadata TEXT NOT NULL,
    titles TEXT NOT NULL,
    refs TEXT NOT NULL,
    deleted INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX heads_of_table ON heads (tbl, id);
  CREATE INDEX tombstones ON heads (indexed_at) WHERE deleted = 1;
  CREATE TABLE chunks (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    doc INTEGER NOT NULL REFERENCES heads,
    text ANY NOT NULL
  ) STRICT;
  CREATE INDEX chunks_of_doc ON chunks (doc);
  CREATE TABLE vectors (row INTEGER PRIMARY KEY REFERENCES chunks, embedder INTEGER NOT NULL REFERENCES embedders, vector BLOB NOT NULL) STRICT;
  ${WORDS_TABLE}
  CREATE TABLE truncations (tbl TEXT PRIMARY KEY, epoch INTEGER NOT NULL, pos TEXT NOT NULL) STRICT;
  CREATE TABLE floors (part TEXT PRIMARY KEY, ver INTEGER NOT NULL, pos TEXT, committed_at REAL NOT NULL) STRICT;
  CREATE TABLE generations (generation INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL) STRICT;
  CREATE TABLE checkpoints (source TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT;
`;

/** What must survive a rebuild of the index: dead letters, and pushed documents, whose only source this file is. */
const STATE_TABLES = `
  CREATE TABLE seal (one INTEGER PRIMARY KEY CHECK (one = 1), probe BLOB NOT NULL) STRICT;
  CREATE TABLE dead_letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    identity TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    document TEXT,
    version INTEGER,
    attempts INTEGER NOT NULL,
    sealed_key BLOB,
    letter TEXT NOT NULL
  ) STRICT;
  CREATE TABLE pushed (
    key TEXT PRIMARY KEY,
    seq INTEGER NOT NULL UNIQUE,
    source_version INTEGER,
    committed_at REAL NOT NULL,
    row TEXT
  ) STRICT;
  CREATE TABLE pushed_clock (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL) STRICT;
`;

/** `quick_check` reads about 200 MB a second. */
const ALWAYS_CHECKED_BYTES = 64 * 2 ** 20;

type OnProgress = (progress: LoadProgress) => void;

export interface StoreKind {
  readonly words: StorageWords;
  readonly schemaVersion: number;
  /** FULL: every commit waits for the disk. NORMAL: the log is written in order, and synced where the store asks for it (log-sync.ts). */
  readonly synchronous: 'FULL' | 'NORMAL';
  readonly tables: string;
  /** Format n to n + 1, in place, at the key n: one per older format. */
  readonly migrations: Readonly<Record<number, (db: Database, onProgress: OnProgress) => void>>;
}

export const INDEX_STORE: StoreKind = {
  words: {
    code: 'INDEX',
    noun: 'index file',
    mend: 'Run "freshet rebuild": it builds a new index from the sources and moves the damaged file aside.',
  },
  schemaVersion: 2,
  synchronous: 'NORMAL',
  tables: INDEX_TABLES,
  migrations: { 1: searchTitles },
};

export const STATE_STORE: StoreKind = {
  words: {
    code: 'STATE',
    noun: 'state file',
    mend: 'It holds pushed documents and dead letters: restore it from a backup, or move it away and push the documents again.',
  },
  schemaVersion: 1,
  synchronous: 'FULL',
  tables: STATE_TABLES,
  migrations: {},
};

/**
 * Opens a file, or makes it, with a write-ahead log.
 * A file of an older format is brought up to date. Every page is checked where that is quick, and always after a crash; damage found
 * later is the same error from whatever met it.
 * @param bytesMax the file never grows past this (rounded up to a page): writing then fails as on a full disk.
 * @param onProgress of bringing an older format up to date.
 * Errors: `fatal` <CODE>_CORRUPT, <CODE>_NEWER, <CODE>_FOREIGN, <CODE>_NOT_WRITABLE.
 */
export function openStore(
  path: string,
  kind: StoreKind,
  bytesMax?: number,
  onProgress: OnProgress = () => undefined,
): Database {
  const unclean = sizeOf(`${path}-wal`) > 0;
  const db = new Database(path, kind.words);
  try {
    assertOurs(db, kind);
    configure(db, kind, bytesMax);
    if (db.pragma('user_version') === 0) create(db, kind);
    if (unclean || sizeOf(path) <= ALWAYS_CHECKED_BYTES) assertWhole(db, kind);
    migrate(db, kind, onProgress);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** What every new connection to a store is told. */
export function configure(db: Database, kind: StoreKind, bytesMax: number | undefined): void {
  db.pragma('journal_mode = WAL');
  db.exec(`PRAGMA synchronous = ${kind.synchronous}; PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY;`);
  if (bytesMax !== undefined) db.pragma(`max_page_count = ${Math.ceil(bytesMax / (db.pragma('page_size') as number))}`);
}

function create(db: Database, kind: StoreKind): void {
  db.exec(
    `BEGIN IMMEDIATE; ${kind.tables} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${kind.schemaVersion}; COMMIT;`,
  );
}

/** All steps in one transaction: a crash in between leaves the older format, whole. */
function migrate(db: Database, { migrations, schemaVersion }: StoreKind, onProgress: OnProgress): void {
  const found = db.pragma('user_version') as number;
  if (found === schemaVersion) return;
  db.exec('BEGIN IMMEDIATE');
  try {
    for (let version = found; version < schemaVersion; version += 1) migrations[version]?.(db, onProgress);
    db.exec(`PRAGMA user_version = ${schemaVersion}; COMMIT;`);
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function assertOurs(db: Database, { words, schemaVersion }: StoreKind): void {
  const version = db.pragma('user_version') as number;
  const tables = db.prepare('SELECT count(*) FROM sqlite_schema').get()?.[0] as number;
  if ((tables > 0 || version > 0) && db.pragma('application_id') !== APPLICATION_ID) {
    throw new FreshetError(
      `${words.code}_FOREIGN`,
      'fatal',
      `${db.path} is a SQLite database of another program. Name another data folder for Freshet's ${words.noun}.`,
      { details: { path: db.path } },
    );
  }
  if (version > schemaVersion) {
    throw new FreshetError(
      `${words.code}_NEWER`,
      'fatal',
      `The ${words.noun} ${db.path} was written by a newer Freshet (format ${version}, this one reads up to ${schemaVersion}). Run that newer version, or name another data folder.`,
      { details: { path: db.path, found: version, supported: schemaVersion } },
    );
  }
}

function assertWhole(db: Database, kind: StoreKind): void {
  const verdict = db.pragma('quick_check(1)');
  if (verdict !== 'ok') {
    throw new FreshetError(
      `${kind.words.code}_CORRUPT`,
      'fatal',
      `The ${kind.words.noun} ${db.path} is damaged (its integrity check failed). ${kind.words.mend}`,
      { details: { path: db.path } },
    );
  }
}

/** Bytes of a file, 0 where there is none. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
