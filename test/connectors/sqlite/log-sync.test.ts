import { describe, expect, it } from 'vitest';
import { Database } from '../../../connectors/sqlite/database.ts';
import { LogSync } from '../../../connectors/sqlite/log-sync.ts';
import { testFolder } from './support.ts';

const WORDS = { code: 'INDEX', noun: 'index file', mend: '' } as const;

describe('syncing the write-ahead log', () => {
  it('syncs the log of an open store, for all who ask while it runs', async () => {
    using folder = testFolder();
    const db = new Database(folder.file('test.db'), WORDS);
    db.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER)');
    const log = new LogSync(folder.file('test.db'), WORDS);
    const first = log.sync();
    const shared = [log.sync(), log.sync()];
    expect(shared[0]).toBe(shared[1]);
    await Promise.all([first, ...shared]);
    db.exec('INSERT INTO t VALUES (1)');
    await log.sync();
    await log.close();
    db.close();
  });

  it('is fatal when the disk refuses: a second try could succeed for nothing', async () => {
    using folder = testFolder();
    const log = new LogSync(folder.file('nothing-here.db'), WORDS);
    await expect(log.sync()).rejects.toMatchObject({ code: 'INDEX_SYNC_FAILED', kind: 'fatal' });
    await log.close();
  });
});
