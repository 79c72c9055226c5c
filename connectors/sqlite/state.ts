import { Seal } from '../../src/runtime/seal.ts';
import type { DeadLetters } from '../../src/ports/dead-letters.ts';
import type { PushedLog } from '../../src/ports/pushed-log.ts';
import type { Database } from './database.ts';
import { SqliteDeadLetters } from './dead-letters.ts';
import { SqlitePushedLog } from './pushed-log.ts';
import { openStore, STATE_STORE } from './schema.ts';
import { GroupCommit } from './writer.ts';

export interface SqliteStateOptions {
  readonly path: string;
  /** 32 bytes; the same at every start. */
  readonly sealKey: Uint8Array;
}

export interface SqliteState extends AsyncDisposable {
  readonly deadLetters: DeadLetters;
  readonly pushed: PushedLog;
}

const PROBE = 'freshet';

const SEAL_ERRORS = {
  code: 'STATE_SEAL_KEY',
  wrongKey:
    'The state file was sealed with another key than the one in keys.json beside it. Restore keys.json from the same backup as state.sqlite. ' +
    'Without one, move state.sqlite and index.sqlite away: the sources are indexed anew, only pushed documents must be pushed again.',
};

/**
 * What must outlive a rebuild of the index: dead letters, and the documents pushed over HTTP, of which this file is the only source.
 * Errors: those of the index file under STATE_…, and `fatal` STATE_SEAL_KEY when the file was sealed under another key.
 */
export async function openSqliteState(options: SqliteStateOptions): Promise<SqliteState> {
  const seal = new Seal(options.sealKey, SEAL_ERRORS);
  const db = openStore(options.path, STATE_STORE);
  try {
    probe(db, seal);
    const writer = new GroupCommit(db);
    let closed: Promise<void> | undefined;
    return {
      deadLetters: new SqliteDeadLetters(db, writer, seal),
      pushed: new SqlitePushedLog(db, writer),
      [Symbol.asyncDispose]: () => (closed ??= writer.close().then(() => db.close())),
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** A wrong key is found here, at the start, and not by the first letter that is retried. */
function probe(db: Database, seal: Seal): void {
  const sealed = db.prepare('SELECT probe FROM seal').get();
  if (sealed === undefined) db.prepare('INSERT INTO seal (one, probe) VALUES (1, ?)').run(seal.seal(PROBE, PROBE));
  else seal.open(sealed[0] as Uint8Array, PROBE);
}
