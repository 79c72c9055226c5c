import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../../connectors/sqlite/database.ts';
import { GroupCommit } from '../../../connectors/sqlite/writer.ts';
import { testFolder, type TestFolder } from './support.ts';

describe('group commit', () => {
  let folder: TestFolder;
  let db: Database;
  let writer: GroupCommit;
  let begun: number;
  beforeEach(() => {
    folder = testFolder();
    db = new Database(folder.file('test.db'), { code: 'INDEX', noun: 'test file', mend: '' });
    db.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER PRIMARY KEY)');
    begun = 0;
    const exec = db.exec.bind(db);
    db.exec = (sql) => {
      if (sql.startsWith('BEGIN')) begun += 1;
      exec(sql);
    };
    writer = new GroupCommit(db);
  });
  afterEach(async () => {
    await writer.close();
    db.close();
    folder[Symbol.dispose]();
  });

  const insert = (n: number) => () => ({ value: db.prepare('INSERT INTO t VALUES (?)').run(n) });
  const stored = () => db.prepare('SELECT n FROM t ORDER BY n').all().flat();

  it('puts what arrives together into one transaction, in order', async () => {
    const order: number[] = [];
    await Promise.all(
      [1, 2, 3].map((n) => writer.write(() => ({ value: insert(n)(), effect: () => void order.push(n) }))),
    );
    expect(begun).toBe(1);
    expect(order).toEqual([1, 2, 3]);
    expect(stored()).toEqual([1, 2, 3]);
  });

  it('begins at once when idle, without a timer', async () => {
    await writer.write(insert(1));
    await writer.write(insert(2));
    expect(begun).toBe(2);
  });

  it('lets a patient write share the next transaction, in its place in the order', async () => {
    const order: string[] = [];
    const noting = (name: string, n: number) => () => ({
      value: insert(n)(),
      effect: () => void order.push(name),
    });
    await Promise.all([writer.write(noting('patient', 1), undefined, 'patient'), writer.write(noting('prompt', 2))]);
    expect(begun).toBe(1);
    expect(order).toEqual(['patient', 'prompt']);
  });

  it('gives a patient write a transaction of its own when no other comes, and at once when it is closed', async () => {
    await writer.write(insert(1), undefined, 'patient');
    const last = writer.write(insert(2), undefined, 'patient');
    await writer.close();
    await last;
    expect(stored()).toEqual([1, 2]);
    expect(begun).toBe(2);
  });

  it('undoes a failing write alone and runs no effect for it', async () => {
    const effects: number[] = [];
    const results = await Promise.allSettled([
      writer.write(insert(1)),
      writer.write(() => {
        insert(2)();
        throw new Error('changed its mind');
      }),
      writer.write(() => ({ ...insert(1)(), effect: () => void effects.push(1) })),
      writer.write(insert(3)),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
    expect(stored()).toEqual([1, 3]);
    expect(effects).toEqual([]);
  });

  it('runs effects only after the commit', async () => {
    let inside: boolean | undefined;
    await writer.write(() => ({ ...insert(1)(), effect: () => void (inside = db.inTransaction) }));
    expect(inside).toBe(false);
  });

  it('splits a backlog, so that the event loop gets its turn', async () => {
    let turns = 0;
    const counting = setInterval(() => (turns += 1), 0);
    await Promise.all(Array.from({ length: 1_000 }, (_, n) => writer.write(insert(n))));
    clearInterval(counting);
    expect(begun).toBeGreaterThan(2);
    expect(turns).toBeGreaterThan(0);
    expect(stored()).toHaveLength(1_000);
  });

  it('skips the write of a caller that left while it waited', async () => {
    const leaving = new AbortController();
    const write = writer.write(insert(1), leaving.signal);
    leaving.abort();
    await expect(write).rejects.toMatchObject({ kind: 'aborted' });
    expect(stored()).toEqual([]);
  });

  it('fails the whole transaction, and nothing else, when no transaction can begin', async () => {
    const other = new Database(folder.file('test.db'), { code: 'INDEX', noun: 'test file', mend: '' });
    other.exec('BEGIN IMMEDIATE');
    const refused = await Promise.allSettled([writer.write(insert(1)), writer.write(insert(2))]);
    for (const one of refused) expect(one).toMatchObject({ reason: { code: 'INDEX_BUSY', kind: 'transient' } });
    other.exec('COMMIT');
    await writer.write(insert(3));
    expect(stored()).toEqual([3]);
    other.close();
  });

  it('finishes what it took before it closes, and takes no more', async () => {
    const write = writer.write(insert(1));
    await writer.close();
    await write;
    await expect(writer.write(insert(2))).rejects.toMatchObject({ code: 'INDEX_CLOSED' });
    expect(stored()).toEqual([1]);
  });
});
