import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FreshetError } from '../../src/domain/errors.ts';
import { tenantId } from '../../src/domain/ids.ts';
import { EPOCH_START, sourcePosition } from '../../src/domain/source-position.ts';
import { makeVersion } from '../../src/domain/version.ts';
import type { Index } from '../../src/ports/index-store.ts';
import {
  ARTICLES,
  collect,
  DIMENSIONS,
  documentId,
  idOf,
  never,
  NOW,
  PARTITION,
  query,
  texts,
  write,
} from './index-fixtures.ts';
import type { IndexContext } from './index-context.ts';
import { describeIndexSearch } from './index-search.contract.ts';
import { describeIndexUpkeep } from './index-upkeep.contract.ts';

/**
 * What every Index adapter must do: each sentence of the port, and the writer's and reader's rules of the design. `open` gives a fresh,
 * empty index of `dimensions` for every test.
 */
export function describeIndex(
  name: string,
  open: (options: { readonly dimensions: number }) => Promise<IndexContext>,
): void {
  describe(`Index contract: ${name}`, () => {
    let context: IndexContext;
    let index: Index;
    beforeEach(async () => {
      context = await open({ dimensions: DIMENSIONS });
      index = context.index;
    });
    afterEach(() => context[Symbol.asyncDispose]());

    describe('writes', () => {
      it('shows a document as soon as apply resolves', async () => {
        await index.apply(write('a', { version: 1, chunks: [['one', 0], 'two'] }), never);
        expect(await texts(index)).toEqual(['one', 'two']);
        const head = (await index.heads([documentId('a')], never)).get(documentId('a'));
        expect(head).toEqual(write('a', { version: 1, chunks: [['one', 0], 'two'] }).head);
      });

      it('answers heads only for documents it knows', async () => {
        await index.apply(write('a', { version: 1, chunks: ['one'] }), never);
        const heads = await index.heads([documentId('a'), documentId('b')], never);
        expect([...heads.keys()]).toEqual([documentId('a')]);
        expect((await index.heads([], never)).size).toBe(0);
      });

      it('takes a replayed write for nothing to do', async () => {
        const first = write('a', { version: 1, chunks: ['one'] });
        await index.apply(first, never);
        await index.apply(first, never);
        expect(await texts(index)).toEqual(['one']);
        expect((await index.stats(never)).chunks).toBe(1);
      });

      it('takes a stale write for nothing to do, whatever it carries', async () => {
        await index.apply(write('a', { version: 5, chunks: ['new'] }), never);
        await index.apply(write('a', { version: 4, chunks: ['old', 'older'] }), never);
        await index.apply(write('a', { version: 3, deleted: true }), never);
        expect(await texts(index)).toEqual(['new']);
      });

      it('ends in the same state in whatever order writes of one document arrive', async () => {
        const all = [
          write('a', { version: 1, chunks: ['one'] }),
          write('a', { version: 2, chunks: ['two'] }),
          write('a', { version: 3, chunks: ['three'] }),
        ];
        await Promise.all([all[2]!, all[0]!, all[1]!].map((one) => index.apply(one, never)));
        expect(await texts(index)).toEqual(['three']);
        expect((await index.document(documentId('a'), tenantId('default'), never))?.head.version).toBe(
          makeVersion(0, 3),
        );
      });

      it('replaces the chunks that fall out and leaves the kept ones in place', async () => {
        await index.apply(
          write('a', {
            version: 1,
            chunks: [
              ['kept', 0],
              ['gone', 10],
            ],
          }),
          never,
        );
        await index.apply(
          write('a', {
            version: 2,
            chunks: [
              ['kept', 0],
              ['new', 20],
            ],
            keep: ['kept'],
          }),
          never,
        );
        expect(await texts(index)).toEqual(['kept', 'new']);
      });

      it('never drops an unchanged chunk from results while a document is edited', async () => {
        await index.apply(write('a', { version: 1, chunks: [['kept', 0], 'v1'] }), never);
        const seen: (readonly string[])[] = [];
        for (let version = 2; version < 12; version++) {
          const edit = index.apply(
            write('a', { version, chunks: [['kept', 0], `v${version}`], keep: ['kept'] }),
            never,
          );
          seen.push(await texts(index));
          await edit;
          seen.push(await texts(index));
        }
        expect(seen.filter((found) => !found.includes('kept'))).toEqual([]);
      });

      it('keeps the vector of a kept chunk', async () => {
        await index.apply(write('a', { version: 1, chunks: [['kept', 60]] }), never);
        await index.apply(write('a', { version: 2, chunks: ['kept'], keep: ['kept'] }), never);
        const [hit] = await index.search(query({}), never);
        expect(hit?.score).toBeCloseTo(0.5, 5);
      });

      it('brings a changed tenant and access list to the kept chunks too', async () => {
        await index.apply(write('a', { version: 1, chunks: ['kept'], tenant: 'red', access: ['ann'] }), never);
        await index.apply(
          write('a', { version: 2, chunks: ['kept'], keep: ['kept'], tenant: 'blue', access: ['bob'] }),
          never,
        );
        expect(await texts(index, query({ tenant: 'red' }))).toEqual([]);
        expect(await texts(index, query({ tenant: 'blue', principals: ['ann'] }))).toEqual([]);
        expect(await texts(index, query({ tenant: 'blue', principals: ['bob'] }))).toEqual(['kept']);
        const [stored] = await collect(index.scanChunks({ vectors: false }, never));
        expect(stored).toMatchObject({ attributes: { tenant: 'blue', access: ['bob'] }, version: makeVersion(0, 2) });
      });

      it('shows new titles, offsets and headings on kept chunks', async () => {
        await index.apply(write('a', { version: 1, chunks: ['kept'], title: 'Before' }), never);
        await index.apply(
          write('a', {
            version: 2,
            chunks: [
              ['new', 90],
              ['kept', 0],
            ],
            keep: ['kept'],
            title: 'After',
          }),
          never,
        );
        const hit = (await index.search(query({ limit: 5 }), never)).find((one) => one.text === 'kept');
        expect(hit).toMatchObject({
          title: 'After',
          start: 1000,
          end: 1004,
          headings: ['Top', 'Part 2'],
          version: makeVersion(0, 2),
        });
      });

      it('replaces the same version under a higher generation, and never under a lower one', async () => {
        await index.apply(write('a', { version: 1, generation: 2, chunks: ['second'] }), never);
        await index.apply(write('a', { version: 1, generation: 1, chunks: ['first'] }), never);
        expect(await texts(index)).toEqual(['second']);
        await index.apply(write('a', { version: 1, generation: 3, chunks: ['third'] }), never);
        expect(await texts(index)).toEqual(['third']);
        await index.apply(write('a', { version: 2, generation: 1, chunks: ['later'] }), never);
        expect(await texts(index)).toEqual(['later']);
      });

      it('lets a later epoch beat any version of an earlier one', async () => {
        await index.apply(write('a', { version: 2 ** 40, chunks: ['before'] }), never);
        await index.apply(write('a', { epoch: 1, version: 0, position: null, chunks: ['after'] }), never);
        expect(await texts(index)).toEqual(['after']);
      });

      it('keeps versions apart that only differ in the last of 53 bits', async () => {
        await index.apply(write('a', { epoch: 31, version: 2 ** 48 - 1, chunks: ['top'] }), never);
        await index.apply(write('a', { epoch: 31, version: 2 ** 48 - 2, chunks: ['below'] }), never);
        expect(await texts(index)).toEqual(['top']);
        expect((await index.heads([documentId('a')], never)).get(documentId('a'))?.version).toBe(2 ** 53 - 1);
      });

      it('never names a chunk that is not there when another writer dropped a kept one', async () => {
        await index.apply(write('a', { version: 1, chunks: ['one', 'two'] }), never);
        await index.apply(write('a', { version: 2, chunks: ['one'], keep: ['one'] }), never);
        const decidedOnVersion1 = write('a', { version: 3, chunks: ['one', 'two'], keep: ['one', 'two'] });
        const refused = await index.apply(decidedOnVersion1, never).then(
          () => undefined,
          (error: unknown) => error as FreshetError,
        );
        if (refused !== undefined) expect(refused.kind).toBe('stale');
        expect([...(await texts(index))].sort()).toEqual(refused === undefined ? ['one', 'two'] : ['one']);
      });

      it('hides an empty document and keeps its head', async () => {
        await index.apply(write('a', { version: 1, chunks: ['one'] }), never);
        await index.apply(write('a', { version: 2, chunks: [] }), never);
        expect(await texts(index)).toEqual([]);
        expect((await index.document(documentId('a'), tenantId('default'), never))?.chunks).toEqual([]);
      });

      it('refuses a vector of other dimensions and carries on', async () => {
        const good = write('a', { version: 1, chunks: ['one'] });
        const bad = { ...good, insert: [{ chunk: good.insert[0]!.chunk, vector: new Float32Array(DIMENSIONS + 1) }] };
        await expect(index.apply(bad, never)).rejects.toBeInstanceOf(FreshetError);
        await index.apply(good, never);
        expect(await texts(index)).toEqual(['one']);
      });

      it('does not let one failing write take others with it', async () => {
        const bad = write('bad', { version: 1, chunks: ['bad'] });
        const results = await Promise.allSettled([
          index.apply(write('a', { version: 1, chunks: [['one', 0]] }), never),
          index.apply({ ...bad, insert: [{ chunk: bad.insert[0]!.chunk, vector: new Float32Array(1) }] }, never),
          index.apply(write('b', { version: 1, chunks: [['two', 10]] }), never),
        ]);
        expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
        expect(await texts(index)).toEqual(['one', 'two']);
      });

      it('does nothing for a caller that already left', async () => {
        const left = AbortSignal.abort();
        await expect(index.apply(write('a', { version: 1, chunks: ['one'] }), left)).rejects.toMatchObject({
          kind: 'aborted',
        });
        await expect(index.search(query({}), left)).rejects.toMatchObject({ kind: 'aborted' });
        expect(await texts(index)).toEqual([]);
      });

      it.each([
        ['NUL and control characters', 'a\0b\u0001c\u007f'],
        ['lone surrogates', 'x\ud800y\udc00'],
        ['only white space', ' \n\t\u2003'],
        ['emoji and combining marks', '👩‍👩‍👧 e\u0301 \u202e'],
        ['quotes and SQL', `'; DROP TABLE chunks; -- " ( ) *`],
        ['one endless word', 'w'.repeat(100_000)],
      ])('stores and returns text with %s unchanged', async (_what, text) => {
        await index.apply(
          write('odd', { version: 1, chunks: [[text, 0]], title: text, metadata: { field: text, list: [text] } }),
          never,
        );
        const [hit] = await index.search(query({}), never);
        expect(hit?.text).toBe(text);
        expect(hit?.title).toBe(text);
        expect(hit?.metadata).toEqual({ field: text, list: [text] });
        const stored = await index.document(documentId('odd'), tenantId('default'), never);
        expect(stored?.chunks.map((chunk) => chunk.text)).toEqual([text]);
      });
    });

    describe('deletes', () => {
      it('hides a deleted document and keeps its tombstone', async () => {
        await index.apply(write('a', { version: 1, chunks: ['one'] }), never);
        await index.apply(write('a', { version: 2, deleted: true }), never);
        expect(await texts(index)).toEqual([]);
        expect(await index.document(documentId('a'), tenantId('default'), never)).toBeUndefined();
        const head = (await index.heads([documentId('a')], never)).get(documentId('a'));
        expect(head).toMatchObject({ deleted: true, chunks: [], version: makeVersion(0, 2) });
        expect(head?.rowHash).toBeUndefined();
      });

      it('keeps a document dead when an older upsert comes late', async () => {
        await index.apply(write('a', { version: 1, chunks: ['one'] }), never);
        await index.apply(write('a', { version: 3, deleted: true }), never);
        await index.apply(write('a', { version: 2, chunks: ['late'] }), never);
        expect(await texts(index)).toEqual([]);
      });

      it('writes a tombstone also where no document was, so that a late upsert stays dead', async () => {
        await index.apply(write('a', { version: 3, deleted: true }), never);
        await index.apply(write('a', { version: 2, chunks: ['late'] }), never);
        expect(await texts(index)).toEqual([]);
        expect((await index.heads([documentId('a')], never)).get(documentId('a'))?.deleted).toBe(true);
      });

      it('lets a newer upsert bring a deleted document back', async () => {
        await index.apply(write('a', { version: 1, chunks: ['one'] }), never);
        await index.apply(write('a', { version: 2, deleted: true }), never);
        await index.apply(write('a', { version: 3, chunks: ['one'] }), never);
        expect(await texts(index)).toEqual(['one']);
      });
    });

    describe('one document', () => {
      it('comes whole, in the order of its list', async () => {
        await index.apply(write('a', { version: 1, chunks: ['first', 'second', 'third'] }), never);
        await index.apply(
          write('a', { version: 2, chunks: ['third', 'new', 'first'], keep: ['third', 'first'] }),
          never,
        );
        const stored = await index.document(documentId('a'), tenantId('default'), never);
        expect(
          stored?.chunks.map(({ text, start, document, deleted }) => ({ text, start, document, deleted })),
        ).toEqual([
          { text: 'third', start: 0, document: documentId('a'), deleted: false },
          { text: 'new', start: 1000, document: documentId('a'), deleted: false },
          { text: 'first', start: 2000, document: documentId('a'), deleted: false },
        ]);
      });

      it('is unknown to another tenant', async () => {
        await index.apply(write('a', { version: 1, chunks: ['one'], tenant: 'red' }), never);
        expect(await index.document(documentId('a'), tenantId('blue'), never)).toBeUndefined();
        expect((await index.document(documentId('a'), tenantId('red'), never))?.head.id).toBe(documentId('a'));
      });
    });

    describe('truncation', () => {
      const at = (position: number, epoch = 0) => ({ epoch, sourcePosition: sourcePosition(BigInt(position)) });

      it('hides at once what it covers, and only that', async () => {
        await index.apply(write('old', { version: 5, chunks: [['old', 0]] }), never);
        await index.apply(write('read', { version: 0, position: null, chunks: [['read', 10]] }), never);
        await index.apply(write('new', { version: 9, chunks: [['new', 20]] }), never);
        await index.apply(write('other', { version: 5, chunks: [['other', 30]], table: 'app.public.other' }), never);
        await index.truncate(ARTICLES, at(7), never);
        expect(await texts(index)).toEqual(['new', 'other']);
        expect(await index.stats(never)).toMatchObject({ documents: 2, chunks: 2 });
        expect(await index.document(documentId('old'), tenantId('default'), never)).toBeUndefined();
      });

      it('shows what is written above it', async () => {
        await index.apply(write('a', { version: 5, chunks: ['before'] }), never);
        await index.truncate(ARTICLES, at(7), never);
        await index.apply(write('a', { version: 8, chunks: ['after'] }), never);
        expect(await texts(index)).toEqual(['after']);
      });

      it('covers every earlier epoch and no later one', async () => {
        await index.apply(write('earlier', { version: 99, chunks: [['earlier', 0]] }), never);
        await index.apply(write('later', { epoch: 2, version: 0, position: null, chunks: [['later', 10]] }), never);
        await index.truncate(ARTICLES, at(1, 1), never);
        expect(await texts(index)).toEqual(['later']);
      });

      it('at the start of an epoch covers older epochs and nothing of its own', async () => {
        await index.apply(write('older', { version: 99, chunks: [['older', 0]] }), never);
        await index.apply(write('read', { epoch: 1, version: 0, position: null, chunks: [['read', 10]] }), never);
        await index.apply(write('streamed', { epoch: 1, version: 1, chunks: [['streamed', 20]] }), never);
        await index.truncate(ARTICLES, { epoch: 1, sourcePosition: EPOCH_START }, never);
        expect(await texts(index)).toEqual(['read', 'streamed']);
        expect((await index.truncations(never)).get(ARTICLES)).toEqual({ epoch: 1, sourcePosition: EPOCH_START });
        await index.truncate(ARTICLES, at(0, 1), never);
        expect(await texts(index)).toEqual(['streamed']);
      });

      it('is only ever raised', async () => {
        await index.truncate(ARTICLES, at(7), never);
        await index.truncate(ARTICLES, at(6), never);
        expect((await index.truncations(never)).get(ARTICLES)).toEqual(at(7));
        await index.truncate(ARTICLES, at(1, 1), never);
        await index.truncate(ARTICLES, at(9), never);
        expect((await index.truncations(never)).get(ARTICLES)).toEqual(at(1, 1));
      });
    });

    describe('settings', () => {
      it('gives the same generation to the same settings and the next one to others', async () => {
        const first = await index.registerSettings('one', never);
        expect(await index.registerSettings('one', never)).toBe(first);
        const second = await index.registerSettings('two', never);
        expect(second).toBe(first + 1);
        expect(await index.registerSettings('one', never)).toBe(second + 1);
      });

      it('gives two registrants of the same new settings one generation, and of different ones two', async () => {
        const [a, b] = await Promise.all([
          index.registerSettings('same', never),
          index.registerSettings('same', never),
        ]);
        expect(a).toBe(b);
        const [c, d] = await Promise.all([index.registerSettings('x', never), index.registerSettings('y', never)]);
        expect(new Set([a, c, d]).size).toBe(3);
      });
    });

    it('names a floor for no partition before anything was swept', async () => {
      expect(await index.floor(PARTITION, never)).toBeUndefined();
    });

    it('has the ids the fixtures expect', async () => {
      await index.apply(write('a', { version: 1, chunks: ['one'], indexedAt: NOW }), never);
      const [hit] = await index.search(query({}), never);
      expect(hit?.chunk).toBe(idOf('a', 'one'));
    });

    describeIndexSearch(() => context);
    describeIndexUpkeep(() => context);
  });
}
