import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CatalogueState, IndexCatalogue, IndexSpec } from '../../src/ports/index-catalogue.ts';
import { DIMENSIONS, never, texts, write } from './index-fixtures.ts';

export interface IndexCatalogueContext extends AsyncDisposable {
  readonly catalogue: IndexCatalogue;
}

export const SPEC: IndexSpec = { dimensions: DIMENSIONS, embedderFingerprint: 'test-embedder' };

/**
 * What every IndexCatalogue adapter must do. `open` gives an empty catalogue for every test.
 * @param takesAnyEmbedder its indexes keep vectors of several embedders apart by themselves
 */
export function describeIndexCatalogue(
  name: string,
  open: () => Promise<IndexCatalogueContext>,
  { takesAnyEmbedder } = { takesAnyEmbedder: false },
): void {
  describe(`Index catalogue contract: ${name}`, () => {
    let context: IndexCatalogueContext;
    let catalogue: IndexCatalogue;
    beforeEach(async () => {
      context = await open();
      catalogue = context.catalogue;
    });
    afterEach(() => context[Symbol.asyncDispose]());

    const next = (state: Partial<CatalogueState>): Omit<CatalogueState, 'revision'> => ({
      ...{ live: undefined, candidate: undefined, previous: undefined, canaryShare: 0 },
      ...state,
    });

    it('begins with nothing', async () => {
      const state = await catalogue.state(never);
      expect(state).toMatchObject(next({}));
      expect(await catalogue.list(never)).toEqual([]);
    });

    it('makes what it opens, and lists it', async () => {
      await using _blue = await catalogue.open('blue', SPEC, never);
      await using _green = await catalogue.open('green', SPEC, never);
      expect(await catalogue.list(never)).toEqual(['blue', 'green']);
    });

    it('keeps its indexes apart', async () => {
      await using blue = await catalogue.open('blue', SPEC, never);
      await using green = await catalogue.open('green', { ...SPEC, dimensions: DIMENSIONS }, never);
      await blue.apply(write('a', { version: 1, chunks: ['one'] }), never);
      await blue.save('app', { at: 1 });
      expect(await texts(green)).toEqual([]);
      expect(await green.load('app')).toBeUndefined();
    });

    it('gives two handles on one index, of which one may be closed', async () => {
      await using first = await catalogue.open('blue', SPEC, never);
      const second = await catalogue.open('blue', SPEC, never);
      await second.apply(write('a', { version: 1, chunks: ['one'] }), never);
      await second[Symbol.asyncDispose]();
      expect(await texts(first)).toEqual(['one']);
    });

    it('finds what was written when it opens an index again', async () => {
      {
        await using index = await catalogue.open('blue', SPEC, never);
        await index.apply(write('a', { version: 1, chunks: ['one'] }), never);
      }
      await using again = await catalogue.open('blue', SPEC, never);
      expect(await texts(again)).toEqual(['one']);
    });

    it.skipIf(takesAnyEmbedder)('refuses an index of other dimensions, and says so', async () => {
      await using _index = await catalogue.open('blue', SPEC, never);
      await _index[Symbol.asyncDispose]();
      const other = catalogue.open('blue', { ...SPEC, dimensions: DIMENSIONS + 1 }, never);
      await expect(other).rejects.toMatchObject({ kind: 'fatal' });
    });

    it('remembers which index answers, counts its changes, and gives back what it was given', async () => {
      await using _blue = await catalogue.open('blue', SPEC, never);
      await using _green = await catalogue.open('green', SPEC, never);
      const { revision } = await catalogue.state(never);
      const first = await catalogue.update(revision, next({ live: 'blue' }), never);
      expect(first).toEqual({ ...next({ live: 'blue' }), revision: revision + 1 });
      const wanted = next({ live: 'blue', candidate: 'green', canaryShare: 0.25 });
      await catalogue.update(first.revision, wanted, never);
      expect(await catalogue.state(never)).toEqual({ ...wanted, revision: revision + 2 });
    });

    it('refuses a change decided on an older state', async () => {
      await using _blue = await catalogue.open('blue', SPEC, never);
      const { revision } = await catalogue.state(never);
      await catalogue.update(revision, next({ live: 'blue' }), never);
      const late = catalogue.update(revision, next({ candidate: 'blue' }), never);
      await expect(late).rejects.toMatchObject({ kind: 'stale', code: 'CATALOGUE_CHANGED' });
      expect((await catalogue.state(never)).live).toBe('blue');
    });

    it('lets one of several changes through that were decided on the same state', async () => {
      await using _blue = await catalogue.open('blue', SPEC, never);
      const { revision } = await catalogue.state(never);
      const shares = [0.1, 0.2, 0.3, 0.4];
      const results = await Promise.allSettled(
        shares.map((canaryShare) => catalogue.update(revision, next({ live: 'blue', canaryShare }), never)),
      );
      const winners = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      expect(winners).toHaveLength(1);
      expect(await catalogue.state(never)).toEqual(winners[0]);
    });

    it('switches and goes back', async () => {
      await using _blue = await catalogue.open('blue', SPEC, never);
      await using _green = await catalogue.open('green', SPEC, never);
      const { revision } = await catalogue.state(never);
      await catalogue.update(revision, next({ live: 'blue', candidate: 'green' }), never);
      await catalogue.update(revision + 1, next({ live: 'green', previous: 'blue' }), never);
      await catalogue.update(revision + 2, next({ live: 'blue', candidate: 'green' }), never);
      expect(await catalogue.state(never)).toMatchObject({ live: 'blue', candidate: 'green', previous: undefined });
    });

    it('drops an index that nothing names, for good', async () => {
      {
        await using index = await catalogue.open('blue', SPEC, never);
        await index.apply(write('a', { version: 1, chunks: ['one'] }), never);
      }
      await catalogue.drop('blue', never);
      expect(await catalogue.list(never)).toEqual([]);
      await using again = await catalogue.open('blue', SPEC, never);
      expect(await texts(again)).toEqual([]);
    });

    it('drops nothing for a name it does not know', async () => {
      await catalogue.drop('nobody', never);
      expect(await catalogue.list(never)).toEqual([]);
    });

    it.each(['live', 'candidate', 'previous'] as const)('refuses to drop the %s index', async (role) => {
      await using _blue = await catalogue.open('blue', SPEC, never);
      const { revision } = await catalogue.state(never);
      await catalogue.update(revision, next({ [role]: 'blue' }), never);
      await expect(catalogue.drop('blue', never)).rejects.toMatchObject({ kind: 'poison', code: 'INDEX_IN_USE' });
      expect(await catalogue.list(never)).toEqual(['blue']);
    });
  });
}
