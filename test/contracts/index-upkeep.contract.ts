import { describe, expect, it } from 'vitest';
import { tableId, tenantId } from '../../src/domain/ids.ts';
import { sourcePosition } from '../../src/domain/source-position.ts';
import { makeVersion } from '../../src/domain/version.ts';
import type { SweepLimits } from '../../src/ports/index-store.ts';
import type { IndexContext } from './index-context.ts';
import {
  angled,
  ARTICLES,
  collect,
  documentId,
  idOf,
  lexical,
  never,
  NOW,
  PARTITION,
  texts,
  write,
} from './index-fixtures.ts';

/** Scans, sweep and floors, repair, figures. */
export function describeIndexUpkeep(current: () => IndexContext): void {
  describe('scans', () => {
    it('yield every head, tombstones included, in id order', async () => {
      const { index } = current();
      await index.apply(write('c', { version: 1, chunks: ['three'] }), never);
      await index.apply(write('a', { version: 2, chunks: ['one'] }), never);
      await index.apply(write('b', { version: 3, deleted: true }), never);
      const heads = await collect(index.scanHeads({}, never));
      expect(heads.map(({ id, deleted }) => [id, deleted])).toEqual([
        [documentId('a'), false],
        [documentId('b'), true],
        [documentId('c'), false],
      ]);
    });

    it('yield the heads of one table below a version only', async () => {
      const { index } = current();
      await index.apply(write('old', { version: 4, chunks: ['old'] }), never);
      await index.apply(write('edge', { version: 5, chunks: ['edge'] }), never);
      await index.apply(write('other', { version: 4, chunks: ['other'], table: 'app.public.other' }), never);
      const heads = await collect(index.scanHeads({ table: ARTICLES, belowVersion: makeVersion(0, 5) }, never));
      expect(heads.map(({ id }) => id)).toEqual([documentId('old')]);
      const others = await collect(index.scanHeads({ table: tableId('app.public.other') }, never));
      expect(others.map(({ id }) => id)).toEqual([documentId('other')]);
    });

    it('yield the living heads outside some tables only', async () => {
      const { index } = current();
      const other = 'app.public.other';
      await index.apply(write('kept', { version: 1, chunks: ['kept'] }), never);
      await index.apply(write('left', { version: 2, chunks: ['left'], table: other }), never);
      await index.apply(write('gone', { version: 3, deleted: true, table: other }), never);
      const outside = async (...livingOutside: (typeof ARTICLES)[]) =>
        (await collect(index.scanHeads({ livingOutside }, never))).map(({ id }) => id);
      expect(await outside(ARTICLES)).toEqual([documentId('left')]);
      expect(new Set(await outside())).toEqual(new Set([documentId('kept'), documentId('left')]));
      expect(await outside(ARTICLES, tableId(other))).toEqual([]);
    });

    it('go through more heads than one page, each once, also while others are written', async () => {
      const { index } = current();
      const names = Array.from({ length: 1201 }, (_, at) => `n${String(at).padStart(5, '0')}`);
      await Promise.all(names.map((name) => index.apply(write(name, { version: 1, chunks: [] }), never)));
      const seen: string[] = [];
      for await (const head of index.scanHeads({}, never)) {
        if (seen.length === 10) await index.apply(write('n00000', { version: 2, chunks: ['edited'] }), never);
        seen.push(head.id);
      }
      expect(seen).toEqual(names.map(documentId));
    });

    it('yield the visible chunks of all tenants with stamp, text, attributes and, when asked, vectors', async () => {
      const { index } = current();
      await index.apply(
        write('a', { version: 7, generation: 2, chunks: [['one', 30]], tenant: 'red', access: ['ann'] }),
        never,
      );
      await index.apply(write('b', { version: 1, chunks: [['two', 45]], position: null }), never);
      const alive = async (vectors: boolean) =>
        (await collect(index.scanChunks({ vectors }, never))).filter(({ deleted }) => !deleted);
      const [one, two] = await alive(true);
      expect(one).toMatchObject({
        id: idOf('a', 'one'),
        document: documentId('a'),
        text: 'one',
        version: makeVersion(0, 7),
        generation: 2,
        sourcePosition: sourcePosition(7n),
        attributes: { tenant: tenantId('red'), access: ['ann'] },
      });
      expect([...one!.vector!]).toEqual([...angled(30)]);
      expect(two?.sourcePosition).toBeUndefined();
      expect((await alive(false)).map(({ vector }) => vector)).toEqual([undefined, undefined]);
    });

    it('yield the chunks of one document', async () => {
      const { index } = current();
      await index.apply(write('a', { version: 1, chunks: ['one', 'two', 'three'] }), never);
      await index.apply(write('b', { version: 1, chunks: ['other'] }), never);
      await index.apply(write('a', { version: 2, chunks: ['three', 'one'], keep: ['one', 'three'] }), never);
      const chunks = await collect(index.scanChunks({ vectors: false, document: documentId('a') }, never));
      expect(new Set(chunks.filter(({ deleted }) => !deleted).map(({ text }) => text))).toEqual(
        new Set(['one', 'three']),
      );
      expect(await collect(index.scanChunks({ vectors: false, document: documentId('none') }, never))).toEqual([]);
    });

    it('stop for a caller that left', async () => {
      const { index } = current();
      await index.apply(write('a', { version: 1, chunks: ['one'] }), never);
      await expect(collect(index.scanHeads({}, AbortSignal.abort()))).rejects.toMatchObject({ kind: 'aborted' });
    });
  });

  describe('sweep', () => {
    const HORIZON = 1_000;
    const limits = (mark: number | undefined, now = NOW + HORIZON): SweepLimits => ({
      horizonMs: HORIZON,
      now,
      committed: mark === undefined ? new Map() : new Map([[PARTITION, makeVersion(0, mark)]]),
    });

    it('forgets old tombstones below the committed mark and raises the floor over them', async () => {
      const { index } = current();
      await index.apply(write('a', { version: 4, deleted: true, committedAt: NOW - 500 }), never);
      await index.apply(write('b', { version: 6, deleted: true, committedAt: NOW - 900 }), never);
      expect((await index.sweep(limits(6), never)).heads).toBe(2);
      expect((await index.heads([documentId('a'), documentId('b')], never)).size).toBe(0);
      expect(await index.floor(PARTITION, never)).toEqual({
        version: makeVersion(0, 6),
        sourcePosition: sourcePosition(6n),
        committedAt: NOW - 500,
      });
    });

    it('leaves tombstones that are young, above the mark, or of a partition whose mark is not known', async () => {
      const { index } = current();
      await index.apply(write('young', { version: 1, deleted: true, indexedAt: NOW + 1 }), never);
      await index.apply(write('above', { version: 9, deleted: true }), never);
      await index.apply(write('unknown', { version: 1, deleted: true, partition: 'other' }), never);
      expect((await index.sweep(limits(8), never)).heads).toBe(0);
      expect((await index.sweep(limits(undefined), never)).heads).toBe(0);
      const ids = [documentId('young'), documentId('above'), documentId('unknown')];
      expect((await index.heads(ids, never)).size).toBe(3);
      expect(await index.floor(PARTITION, never)).toBeUndefined();
    });

    it('never lowers a floor', async () => {
      const { index } = current();
      await index.apply(write('a', { version: 8, deleted: true, committedAt: NOW - 100 }), never);
      await index.sweep(limits(9), never);
      await index.apply(write('b', { version: 3, deleted: true, committedAt: NOW - 800, position: null }), never);
      await index.sweep(limits(9), never);
      expect(await index.floor(PARTITION, never)).toMatchObject({ version: makeVersion(0, 8), committedAt: NOW - 100 });
      expect((await index.floor(PARTITION, never))?.sourcePosition).toBe(sourcePosition(8n));
    });

    it('leaves living documents alone', async () => {
      const { index } = current();
      await index.apply(write('a', { version: 1, chunks: ['one'] }), never);
      expect(await index.sweep(limits(9, NOW + 10 * HORIZON), never)).toEqual({ heads: 0, chunks: 0 });
      expect(await texts(index)).toEqual(['one']);
    });

    it('makes tombstones of what a truncation covers, keeping their version, and forgets them a horizon later', async () => {
      const { index } = current();
      await index.apply(write('old', { version: 5, chunks: ['old'] }), never);
      await index.apply(write('new', { version: 9, chunks: ['new'] }), never);
      await index.truncate(ARTICLES, { epoch: 0, sourcePosition: sourcePosition(7n) }, never);
      await index.sweep(limits(9, NOW), never);
      const head = (await index.heads([documentId('old')], never)).get(documentId('old'));
      expect(head).toMatchObject({ deleted: true, version: makeVersion(0, 5), chunks: [] });
      await index.sweep(limits(9, NOW + 2 * HORIZON), never);
      await index.sweep(limits(9, NOW + 4 * HORIZON), never);
      expect((await index.heads([documentId('old')], never)).size).toBe(0);
      expect(await texts(index)).toEqual(['new']);
      const left = await collect(index.scanChunks({ vectors: false }, never));
      expect(left.map(({ text }) => text)).toEqual(['new']);
    });

    it('removes what edits and deletes left behind', async () => {
      const { index } = current();
      await index.apply(write('a', { version: 1, chunks: ['gone', 'kept'] }), never);
      await index.apply(write('a', { version: 2, chunks: ['kept'], keep: ['kept'] }), never);
      await index.apply(write('b', { version: 1, chunks: ['deleted'] }), never);
      await index.apply(write('b', { version: 2, deleted: true }), never);
      await index.sweep(limits(9, NOW + 10 * HORIZON), never);
      await index.sweep(limits(9, NOW + 20 * HORIZON), never);
      expect((await collect(index.scanChunks({ vectors: false }, never))).map(({ text }) => text)).toEqual(['kept']);
    });
  });

  describe('repair', () => {
    it('deletes chunks by id, whatever their stamp, and takes them back in a new generation', async () => {
      const { index } = current();
      await index.apply(write('a', { version: 1, chunks: ['apple', 'pear'] }), never);
      await index.deleteChunks([idOf('a', 'apple'), idOf('a', 'no such chunk')], never);
      expect(await texts(index)).toEqual(['pear']);
      expect(await texts(index, lexical('apple'))).toEqual([]);
      await index.apply(write('a', { version: 1, generation: 2, chunks: [['apple', 0], 'pear'] }), never);
      expect(await texts(index)).toEqual(['apple', 'pear']);
      expect(await texts(index, lexical('pear'))).toEqual(['pear']);
    });
  });

  describe('figures', () => {
    it('count living documents and visible chunks', async () => {
      const { index } = current();
      await index.apply(write('a', { version: 1, chunks: ['one', 'two'] }), never);
      await index.apply(write('b', { version: 1, chunks: ['three'] }), never);
      await index.apply(write('b', { version: 2, deleted: true }), never);
      expect(await index.stats(never)).toMatchObject({ documents: 1, chunks: 2 });
    });
  });
}
