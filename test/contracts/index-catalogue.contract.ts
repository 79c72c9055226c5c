import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CatalogueState, IndexCatalogue, IndexSpec } from '../../src/ports/index-catalogue.ts';
import { DIMENSIONS, documentId, never, write } from './index-fixtures.ts';

export interface CatalogueContext extends AsyncDisposable {
  readonly catalogue: IndexCatalogue;
  /** The same catalogue as another start, or another instance, finds it; the handles of the first one stay good where the store allows. */
  reopen(): Promise<IndexCatalogue>;
}

const SPEC: IndexSpec = { dimensions: DIMENSIONS, embedderFingerprint: 'test-embedder' };
const NOTHING: Omit<CatalogueState, 'revision'> = {
  live: undefined,
  candidate: undefined,
  previous: undefined,
  canaryShare: 0,
};

/** What every IndexCatalogue adapter must do. `open` gives an empty one for every test. */
export function describeIndexCatalogue(name: string, open: () => Promise<CatalogueContext>): void {
  describe(`IndexCatalogue contract: ${name}`, () => {
    let context: CatalogueContext;
    let catalogue: IndexCatalogue;
    beforeEach(async () => {
      context = await open();
      catalogue = context.catalogue;
    });
    afterEach(() => context[Symbol.asyncDispose]());

    it('begins with no index, no roles and revision 0', async () => {
      expect(await catalogue.list(never)).toEqual([]);
      expect(await catalogue.state(never)).toEqual({ ...NOTHING, revision: 0 });
    });

    it('keeps what each index holds, and each source’s position in it, apart from the others', async () => {
      const one = await catalogue.open('v1-aaaa1111', SPEC, never);
      const two = await catalogue.open('v2-bbbb2222', SPEC, never);
      await one.apply(write('a', { version: 1, chunks: [['text of one', 0]] }), never);
      await one.save('app', { at: 1 });
      expect((await one.stats(never)).documents).toBe(1);
      expect((await two.stats(never)).documents).toBe(0);
      expect((await two.heads([documentId('a')], never)).size).toBe(0);
      expect(await one.load('app')).toEqual({ at: 1 });
      expect(await two.load('app')).toBeUndefined();
      expect(await catalogue.list(never)).toEqual(['v1-aaaa1111', 'v2-bbbb2222']);
      await one[Symbol.asyncDispose]();
      await two[Symbol.asyncDispose]();
    });

    it('gives two handles on one index, of which each can be closed', async () => {
      const first = await catalogue.open('v1-aaaa1111', SPEC, never);
      const second = await catalogue.open('v1-aaaa1111', SPEC, never);
      await first.apply(write('a', { version: 1, chunks: [['text', 0]] }), never);
      expect((await second.stats(never)).documents).toBe(1);
      await first[Symbol.asyncDispose]();
      expect((await second.heads([documentId('a')], never)).size).toBe(1);
      await second[Symbol.asyncDispose]();
      const third = await catalogue.open('v1-aaaa1111', SPEC, never);
      expect((await third.stats(never)).documents).toBe(1);
      await third[Symbol.asyncDispose]();
    });

    it('records roles by compare-and-set, each change with the next revision', async () => {
      const first = await catalogue.update(0, { ...NOTHING, live: 'v1-aaaa1111' }, never);
      expect(first).toEqual({ ...NOTHING, live: 'v1-aaaa1111', revision: 1 });
      const roles = { live: 'v2-bbbb2222', candidate: 'v3-cccc3333', previous: 'v1-aaaa1111', canaryShare: 0.25 };
      expect(await catalogue.update(1, roles, never)).toEqual({ ...roles, revision: 2 });
      await expect(catalogue.update(1, NOTHING, never)).rejects.toMatchObject({
        code: 'CATALOGUE_CHANGED',
        kind: 'stale',
      });
      expect(await catalogue.state(never)).toEqual({ ...roles, revision: 2 });
      const without = { ...roles, candidate: undefined, canaryShare: 0 };
      expect(await catalogue.update(2, without, never)).toEqual({ ...without, revision: 3 });
    });

    it('lets one of two that change the same revision win', async () => {
      const outcomes = await Promise.allSettled(
        ['v1-aaaa1111', 'v1-bbbb2222'].map((live) => catalogue.update(0, { ...NOTHING, live }, never)),
      );
      const won = outcomes.filter((outcome) => outcome.status === 'fulfilled').map(({ value }) => value);
      expect(won).toHaveLength(1);
      expect(await catalogue.state(never)).toEqual(won[0]);
    });

    it('is found again as it was left', async () => {
      const index = await catalogue.open('v1-aaaa1111', SPEC, never);
      await index.apply(write('a', { version: 1, chunks: [['text', 0]] }), never);
      await index[Symbol.asyncDispose]();
      await catalogue.update(0, { ...NOTHING, live: 'v1-aaaa1111', canaryShare: 0.5 }, never);
      const again = await context.reopen();
      expect(await again.state(never)).toMatchObject({ live: 'v1-aaaa1111', canaryShare: 0.5, revision: 1 });
      expect(await again.list(never)).toEqual(['v1-aaaa1111']);
      const found = await again.open('v1-aaaa1111', SPEC, never);
      expect((await found.heads([documentId('a')], never)).size).toBe(1);
      await found[Symbol.asyncDispose]();
      await again[Symbol.asyncDispose]();
    });

    it('drops an index for good, and never one that has a role', async () => {
      const index = await catalogue.open('v1-aaaa1111', SPEC, never);
      await index.apply(write('a', { version: 1, chunks: [['text', 0]] }), never);
      await index[Symbol.asyncDispose]();
      for (const role of ['live', 'candidate', 'previous'] as const) {
        const { revision } = await catalogue.state(never);
        await catalogue.update(revision, { ...NOTHING, [role]: 'v1-aaaa1111' }, never);
        await expect(catalogue.drop('v1-aaaa1111', never)).rejects.toMatchObject({
          code: 'INDEX_IN_USE',
          kind: 'poison',
        });
      }
      const { revision } = await catalogue.state(never);
      await catalogue.update(revision, NOTHING, never);
      await catalogue.drop('v1-aaaa1111', never);
      expect(await catalogue.list(never)).toEqual([]);
      const anew = await catalogue.open('v1-aaaa1111', SPEC, never);
      expect((await anew.stats(never)).documents).toBe(0);
      await anew[Symbol.asyncDispose]();
    });

    it('dropping what is not there is nothing to do', async () => {
      await catalogue.drop('v9-00000000', never);
      expect(await catalogue.list(never)).toEqual([]);
    });
  });
}
