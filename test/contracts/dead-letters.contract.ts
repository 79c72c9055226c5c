import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { partitionId, rowKey, tableId, type DocumentId } from '../../src/domain/ids.ts';
import { sourcePosition } from '../../src/domain/source-position.ts';
import { makeVersion } from '../../src/domain/version.ts';
import type { DeadLetter, DeadLetters } from '../../src/ports/dead-letters.ts';

export interface DeadLettersContext extends AsyncDisposable {
  readonly deadLetters: DeadLetters;
}

const DOCUMENT = 'doc-7' as DocumentId;

export function deadLetter(overrides: Partial<DeadLetter> = {}): DeadLetter {
  return {
    source: 'app',
    table: tableId('app.public.articles'),
    key: rowKey(['ann@example.com']),
    document: DOCUMENT,
    position: { partition: partitionId('app'), offset: 2n ** 60n + 1n },
    version: makeVersion(0, 7),
    sourcePosition: sourcePosition(7n),
    committedAt: 1_790_000_000_000.5,
    stage: 'embed',
    code: 'EMBED_REFUSED',
    message: 'The engine refused the text.',
    attempts: 2,
    failedAt: 1_790_000_001_000,
    ...overrides,
  };
}

/** What every DeadLetters adapter must do. `open` gives an empty store for every test. */
export function describeDeadLetters(name: string, open: () => Promise<DeadLettersContext>): void {
  describe(`DeadLetters contract: ${name}`, () => {
    let context: DeadLettersContext;
    let letters: DeadLetters;
    beforeEach(async () => {
      context = await open();
      letters = context.deadLetters;
    });
    afterEach(() => context[Symbol.asyncDispose]());

    const only = async () => {
      const [letter, ...others] = await letters.list({ limit: 10 });
      expect(others).toEqual([]);
      return letter!;
    };

    it('is empty at first', async () => {
      expect(await letters.count()).toBe(0);
      expect(await letters.list({ limit: 10 })).toEqual([]);
      expect(await letters.get('no-such-letter')).toBeUndefined();
    });

    it('gives back every field of a letter, the key included', async () => {
      await letters.put(deadLetter());
      const { key: _key, ...fields } = deadLetter();
      const letter = await only();
      expect(letter).toMatchObject(fields);
      expect(letter.key).toBe(rowKey(['ann@example.com']));
      expect((await letters.get(letter.id))?.key).toBe(rowKey(['ann@example.com']));
      expect(await letters.count()).toBe(1);
    });

    it('gives back what is not known as undefined', async () => {
      const unknown = { table: undefined, key: undefined, document: undefined, version: undefined };
      await letters.put(deadLetter({ ...unknown, sourcePosition: undefined, committedAt: undefined, stage: 'decode' }));
      const letter = await only();
      for (const field of [...Object.keys(unknown), 'sourcePosition', 'committedAt'] as const) {
        expect(letter[field as keyof DeadLetter]).toBeUndefined();
      }
    });

    it('keeps one letter per document: a newer failure replaces the older and adds up its attempts', async () => {
      await letters.put(deadLetter({ attempts: 2 }));
      const before = await only();
      await letters.put(deadLetter({ attempts: 3, version: makeVersion(0, 9), code: 'OTHER', key: rowKey(['bob']) }));
      const after = await only();
      expect(after).toMatchObject({ attempts: 5, version: makeVersion(0, 9), code: 'OTHER', id: before.id });
      expect(after.key).toBe(rowKey(['bob']));
      expect(await letters.count()).toBe(1);
    });

    it('counts an older failure that comes late without forgetting the newer one', async () => {
      await letters.put(deadLetter({ attempts: 2, version: makeVersion(0, 9), code: 'NEWER' }));
      await letters.put(deadLetter({ attempts: 1, version: makeVersion(0, 7), code: 'OLDER' }));
      expect(await only()).toMatchObject({ attempts: 3, version: makeVersion(0, 9), code: 'NEWER' });
    });

    it('keeps one letter per position where the document is not known', async () => {
      const at = (offset: bigint) => ({ document: undefined, position: { partition: partitionId('app'), offset } });
      await letters.put(deadLetter(at(1n)));
      await letters.put(deadLetter(at(1n)));
      await letters.put(deadLetter(at(2n)));
      expect((await letters.list({ limit: 10 })).map(({ position, attempts }) => [position.offset, attempts])).toEqual([
        [1n, 4],
        [2n, 2],
      ]);
    });

    it('keeps the letters of two sources apart', async () => {
      await letters.put(deadLetter());
      await letters.put(deadLetter({ source: 'other' }));
      expect(await letters.count()).toBe(2);
    });

    it('lists in pages, in the order of first failure', async () => {
      const documents = ['a', 'b', 'c', 'd', 'e'] as DocumentId[];
      for (const document of documents) await letters.put(deadLetter({ document }));
      const first = await letters.list({ limit: 2 });
      const second = await letters.list({ limit: 2, after: first.at(-1)!.id });
      const third = await letters.list({ limit: 2, after: second.at(-1)!.id });
      expect([...first, ...second, ...third].map(({ document }) => document)).toEqual(documents);
      expect(await letters.list({ limit: 2, after: third.at(-1)!.id })).toEqual([]);
    });

    it('removes a letter by its id, and does not mind one that is gone', async () => {
      await letters.put(deadLetter());
      const { id } = await only();
      await letters.remove(id);
      await letters.remove(id);
      expect(await letters.get(id)).toBeUndefined();
      expect(await letters.count()).toBe(0);
    });

    it('resolves the letter of a document indexed at its version or above, and no other', async () => {
      await letters.put(deadLetter());
      await letters.put(deadLetter({ document: 'doc-8' as DocumentId }));
      await letters.resolve('app', DOCUMENT, makeVersion(0, 6));
      await letters.resolve('other', DOCUMENT, makeVersion(0, 9));
      expect(await letters.count()).toBe(2);
      await letters.resolve('app', DOCUMENT, makeVersion(0, 7));
      expect((await only()).document).toBe('doc-8');
      await letters.resolve('app', 'never-failed' as DocumentId, makeVersion(0, 9));
      expect(await letters.count()).toBe(1);
    });

    it('keeps a letter of unknown version when its document is indexed: it may be of a later change', async () => {
      await letters.put(deadLetter({ version: undefined }));
      await letters.resolve('app', DOCUMENT, makeVersion(1, 0));
      expect((await only()).document).toBe(DOCUMENT);
    });

    it('finds the letter of a document among many, with its key, and none of a document that has none', async () => {
      const documents = Array.from({ length: 1_100 }, (_, n) => `doc-${n}` as DocumentId);
      await Promise.all(documents.map((document) => letters.put(deadLetter({ document }))));
      const found = await letters.ofDocument('doc-1099' as DocumentId);
      expect(found?.document).toBe('doc-1099');
      expect(found?.key).toBe(rowKey(['ann@example.com']));
      expect(await letters.ofDocument('doc-1100' as DocumentId)).toBeUndefined();
    });

    it('says the lowest version per partition, of every letter whose version is known', async () => {
      expect(await letters.lowestVersions()).toEqual(new Map());
      const at = (document: string, partition: string, n: number | undefined) =>
        deadLetter({
          document: document as DocumentId,
          position: { partition: partitionId(partition), offset: 1n },
          version: n === undefined ? undefined : makeVersion(0, n),
        });
      await letters.put(at('a', 'app', 9));
      await letters.put(at('b', 'app', 5));
      await letters.put(at('c', 'app', 7));
      await letters.put(at('d', 'app', undefined));
      await letters.put(at('e', 'other "one"', 3));
      await letters.put(at('f', 'unknown', undefined));
      expect(await letters.lowestVersions()).toEqual(
        new Map([
          ['app', makeVersion(0, 5)],
          ['other "one"', makeVersion(0, 3)],
        ]),
      );
    });

    it('does not print the key: not as JSON, not by inspection', async () => {
      await letters.put(deadLetter());
      const letter = await only();
      expect(inspect(letter, { depth: 5 })).not.toContain('ann@example.com');
      const json = JSON.stringify(letter, (_key, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      );
      expect(json).not.toContain('ann@example.com');
    });
  });
}
