import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Chunk, Head, Redacted } from '../../src/domain/document.ts';
import { chunkId, type DocumentId } from '../../src/domain/ids.ts';
import { diffChunks } from '../../src/ingest/diff.ts';

const DOCUMENT = 'document-1' as DocumentId;
const MODEL = 'model-1';

/** Few different texts, so that they repeat within a document and between versions. */
const texts = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'é'), { maxLength: 12 });

function chunksOf(list: readonly string[]): readonly Chunk[] {
  return list.map((text, at) => ({
    text: text as Redacted<string>,
    start: at * 2,
    end: at * 2 + 1,
    headings: [`h${at}`],
    tokens: 1,
  }));
}

function headOf(list: readonly string[], fingerprint = MODEL, deleted = false): Head {
  const chunks = diffChunks(DOCUMENT, fingerprint, chunksOf(list), undefined).refs;
  return { chunks: deleted ? [] : chunks, deleted } as unknown as Head;
}

/** How often each text occurs. */
function countsOf(list: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const text of list) counts.set(text, (counts.get(text) ?? 0) + 1);
  return counts;
}

describe('the diff of chunks', () => {
  it('lists every chunk in its place, and keeps or inserts each exactly once', () => {
    fc.assert(
      fc.property(texts, texts, (before, after) => {
        const { refs, keep, fresh } = diffChunks(DOCUMENT, MODEL, chunksOf(after), headOf(before));
        expect(refs.map(({ start, end, headings }) => ({ start, end, headings }))).toEqual(
          chunksOf(after).map(({ start, end, headings }) => ({ start, end, headings })),
        );
        expect([...keep, ...fresh.map(({ id }) => id)].sort()).toEqual(refs.map(({ id }) => id).sort());
        expect(new Set(refs.map(({ id }) => id)).size).toBe(refs.length);
      }),
    );
  });

  it('embeds of each text only as many as the previous version did not have', () => {
    fc.assert(
      fc.property(texts, texts, (before, after) => {
        const { fresh } = diffChunks(DOCUMENT, MODEL, chunksOf(after), headOf(before));
        const had = countsOf(before);
        const embedded = countsOf(fresh.map(({ text }) => text));
        for (const [text, count] of countsOf(after)) {
          expect(embedded.get(text) ?? 0).toBe(Math.max(0, count - (had.get(text) ?? 0)));
        }
      }),
    );
  });

  it('embeds nothing when chunks only change their order', () => {
    fc.assert(
      fc.property(
        texts.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        ([before, after]) => {
          const { keep, fresh } = diffChunks(DOCUMENT, MODEL, chunksOf(after), headOf(before));
          expect(fresh).toEqual([]);
          expect(keep).toHaveLength(after.length);
        },
      ),
    );
  });

  it('embeds everything when there is no previous version, it is deleted, or another model made its vectors', () => {
    fc.assert(
      fc.property(texts, (list) => {
        for (const previous of [undefined, headOf(list, MODEL, true), headOf(list, 'model-2')]) {
          const { keep, fresh } = diffChunks(DOCUMENT, MODEL, chunksOf(list), previous);
          expect(keep).toEqual([]);
          expect(fresh.map(({ text }) => text)).toEqual(list);
        }
      }),
    );
  });

  it('names a chunk by document, model, text and occurrence, never by its place', () => {
    const { refs } = diffChunks(DOCUMENT, MODEL, chunksOf(['b', 'a', 'a']), undefined);
    expect(refs.map(({ id }) => id)).toEqual([
      chunkId(DOCUMENT, MODEL, 'b', 0),
      chunkId(DOCUMENT, MODEL, 'a', 0),
      chunkId(DOCUMENT, MODEL, 'a', 1),
    ]);
  });
});
