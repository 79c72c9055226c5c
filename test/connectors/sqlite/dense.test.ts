import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CatalogueEntry } from '../../../connectors/sqlite/catalogue.ts';
import { VectorSlab } from '../../../connectors/sqlite/dense.ts';

const DIMENSIONS = 3;
const QUERY = Float32Array.of(1, 0.5, -0.25);
const entry = { facts: {} } as CatalogueEntry;
const bytes = (vector: Float32Array): Uint8Array => new Uint8Array(vector.buffer);
const dot = (vector: Float32Array): number => vector[0]! + 0.5 * vector[1]! - 0.25 * vector[2]!;

function expectSame(slab: VectorSlab, model: ReadonlyMap<number, Float32Array>, count: number): void {
  expect(slab.size).toBe(model.size);
  const best = slab.best(
    slab.scores(QUERY, () => true),
    count,
  );
  const expected = [...model]
    .map(([row, vector]) => ({ row, score: Math.fround(dot(vector)) }))
    .sort((a, b) => b.score - a.score || a.row - b.row)
    .slice(0, count);
  expect(best.map(({ row }) => row)).toEqual(expected.map(({ row }) => row));
}

describe('the vectors of a tenant', () => {
  it('answer as a plain list would, whatever is put, replaced and removed', () => {
    const vector = fc.tuple(...Array.from({ length: DIMENSIONS }, () => fc.integer({ min: -8, max: 8 })));
    const action = fc.record({ row: fc.integer({ min: 0, max: 80 }), vector: fc.option(vector) });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 300 }), fc.integer({ min: 1, max: 90 }), (actions, count) => {
        const slab = new VectorSlab(DIMENSIONS);
        const model = new Map<number, Float32Array>();
        for (const { row, vector } of actions) {
          if (vector === null) {
            slab.remove(row);
            model.delete(row);
          } else {
            slab.put(row, entry, bytes(Float32Array.from(vector)));
            model.set(row, Float32Array.from(vector));
          }
        }
        expectSame(slab, model, count);
      }),
      { numRuns: 200 },
    );
  });

  it('stay right across segments, when they grow, shrink and grow again', () => {
    const slab = new VectorSlab(DIMENSIONS);
    const model = new Map<number, Float32Array>();
    const put = (row: number): void => {
      const vector = Float32Array.of((row * 7919) % 1009, (row * 104729) % 997, row % 13);
      slab.put(row, entry, bytes(vector));
      model.set(row, vector);
    };
    const remove = (row: number): void => {
      slab.remove(row);
      model.delete(row);
    };
    for (let row = 0; row < 5_000; row++) put(row);
    expectSame(slab, model, 50);
    for (let row = 0; row < 5_000; row++) if (row % 3 !== 0) remove(row);
    expectSame(slab, model, 50);
    for (let row = 4_999; row >= 2_000; row--) remove(row);
    expectSame(slab, model, 50);
    for (let row = 10_000; row < 14_500; row++) put(row);
    expectSame(slab, model, 6_000);
  });

  it('leave out rows whose document does not pass, and rows that have no cosine', () => {
    const slab = new VectorSlab(DIMENSIONS);
    const other = { facts: {} } as CatalogueEntry;
    slab.put(1, entry, bytes(Float32Array.of(1, 0, 0)));
    slab.put(2, other, bytes(Float32Array.of(2, 0, 0)));
    slab.put(3, entry, bytes(Float32Array.of(Number.NaN, 0, 0)));
    const scores = slab.scores(QUERY, (one) => one === entry);
    expect(slab.best(scores, 10).map(({ row }) => row)).toEqual([1]);
  });
});
