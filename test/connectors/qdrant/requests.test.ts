import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { truncated, type Condition, type Filter } from '../../../connectors/qdrant/filters.ts';
import { documentNumber, metaId } from '../../../connectors/qdrant/ids.ts';
import { metadataFields, metadataFilter } from '../../../connectors/qdrant/metadata.ts';
import { packText, packValue, unpackText, unpackValue } from '../../../connectors/qdrant/pack.ts';
import { coverageOf, coverageRequest, queryRequest, type HybridPlan } from '../../../connectors/qdrant/query.ts';
import { documentTerms, queryTerms, termNumber } from '../../../connectors/qdrant/terms.ts';
import { sizeOf, writeRequests } from '../../../connectors/qdrant/write.ts';
import type { Metadata } from '../../../src/domain/document.ts';
import { tableId } from '../../../src/domain/ids.ts';
import { matchesFilter } from '../../../src/domain/metadata-filter.ts';
import type { MetadataFilter } from '../../../src/domain/search.ts';
import { EPOCH_START, sourcePosition } from '../../../src/domain/source-position.ts';
import { makeVersion } from '../../../src/domain/version.ts';
import { isTruncated } from '../../../src/domain/visibility.ts';
import { documentId, query, write } from '../../contracts/index-fixtures.ts';

const LIMITS = { averageWords: 150, requestBytesMax: 1 << 24 };

describe('A write to Qdrant', () => {
  const change = write('a', { version: 7, generation: 1, chunks: ['kept', ['new', 0]], keep: ['kept'] });
  const guard = {
    should: [
      { key: 'ver', range: { lt: 7 } },
      {
        must: [
          { key: 'ver', match: { value: 7 } },
          { key: 'gen', range: { lt: 1 } },
        ],
      },
      { is_empty: { key: 'ver' } },
    ],
  };

  it('is one request: kept chunks, their titles, new chunks, tombstones, and the head last, every part guarded', () => {
    const requests = writeRequests(change, LIMITS);
    expect(requests).toHaveLength(1);
    const [keep, titles, insert, tombstones, head] = requests[0]!;
    expect(keep).toMatchObject({
      set_payload: {
        payload: { ver: 7, gen: 1, deleted: false },
        filter: { must: [{ has_id: [change.keep[0]] }, guard] },
      },
    });
    expect(titles).toMatchObject({ update_vectors: { points: [{ id: change.keep[0] }] } });
    expect(insert).toMatchObject({ upsert: { points: [{ id: change.insert[0]!.chunk.id }], update_filter: guard } });
    expect(tombstones).toMatchObject({
      set_payload: {
        payload: { ver: 7, gen: 1, deleted: true },
        filter: {
          must: [{ key: 'doc', match: { value: documentId('a') } }, { key: 'kind', match: { value: 'chunk' } }, guard],
        },
      },
    });
    expect(head).toMatchObject({
      upsert: {
        points: [{ id: documentId('a'), vector: {}, payload: { kind: 'head', ver: 7 } }],
        update_filter: guard,
      },
    });
  });

  it('goes in several requests, in the same order, when it is larger than one may be', () => {
    const chunks = Array.from({ length: 40 }, (_, at) => [`text ${at} ${'x'.repeat(500)}`, at] as const);
    const large = write('a', { version: 1, chunks });
    const requests = writeRequests(large, { ...LIMITS, requestBytesMax: 16_000 });
    expect(requests.length).toBeGreaterThan(3);
    for (const request of requests) expect(JSON.stringify(request).length).toBeLessThanOrEqual(16_000);
    const operations = requests.flat();
    const ids = operations.flatMap((one) => ('upsert' in one && 'points' in one.upsert ? one.upsert.points : []));
    expect(ids.map(({ id }) => id)).toEqual([...large.insert.map(({ chunk }) => chunk.id), large.head.id]);
    expect(Object.keys(operations.at(-2)!)).toEqual(['set_payload']);
  });

  it('is refused when a part of it fits in no request', () => {
    const large = write('a', { version: 1, chunks: [['x'.repeat(5_000), 0]] });
    expect(() => writeRequests(large, { ...LIMITS, requestBytesMax: 4_000 })).toThrowError(
      expect.objectContaining({ kind: 'poison', code: 'INDEX_DOCUMENT_TOO_LARGE' }),
    );
  });

  it('is never larger than it is taken for', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => Buffer.byteLength(JSON.stringify(value)) <= sizeOf(value)));
  });
});

/** What a filter means, on a plain object: enough of Qdrant's to check what is built. */
function holds(filter: Filter | Condition, payload: Record<string, unknown>): boolean {
  const list = (part: unknown): Condition[] =>
    part === undefined || part === null ? [] : ([part].flat() as Condition[]);
  if ('key' in filter) {
    const found = [payload[filter.key]].flat().filter((one) => one !== undefined && one !== null);
    const { match, range } = filter as { match?: { value?: unknown; any?: unknown[] }; range?: Record<string, number> };
    if (match !== undefined) {
      return found.some((one) => ('value' in match ? one === match.value : match.any!.includes(one)));
    }
    return found.some((one) =>
      Object.entries(range!).every(([op, bound]) => {
        const number = one as number;
        if (op === 'lt') return number < bound;
        if (op === 'lte') return number <= bound;
        return op === 'gt' ? number > bound : number >= bound;
      }),
    );
  }
  if ('is_empty' in filter) return [payload[filter.is_empty.key] ?? []].flat().length === 0;
  if ('nested' in filter) {
    const { key, filter: inner } = filter.nested;
    return (payload[key] as Record<string, unknown>[]).some((one) => holds(inner, one));
  }
  const { must, should, must_not } = filter as Filter;
  return (
    list(must).every((one) => holds(one, payload)) &&
    (list(should).length === 0 || list(should).some((one) => holds(one, payload))) &&
    !list(must_not).some((one) => holds(one, payload))
  );
}

describe('A metadata filter for Qdrant', () => {
  const text = fc.oneof(fc.constantFrom('a', 'b', '', '2026-01-02', '\ud800', 'constructor', '3'), fc.string());
  const value = fc.oneof(
    text,
    fc.integer({ min: -3, max: 3 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
  );
  const key = fc.constantFrom('lang', 'stars', 'a.b[]', '"', '__proto__', 'constructor', '\udfff');
  const metadata: fc.Arbitrary<Metadata> = fc.dictionary(key, fc.oneof(value, fc.array(text, { maxLength: 3 })));
  const { filter } = fc.letrec<{ filter: MetadataFilter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 2 },
      fc.record({
        key,
        op: fc.constantFrom('eq' as const, 'ne' as const),
        value: fc.oneof(value, fc.array(text, { maxLength: 2 })),
      }),
      fc.record({
        key,
        op: fc.constantFrom('gt' as const, 'gte' as const, 'lt' as const, 'lte' as const),
        value: fc.oneof(text, fc.integer({ min: -3, max: 3 })),
      }),
      fc.record({ key, op: fc.constantFrom('in' as const, 'nin' as const), value: fc.array(value, { maxLength: 3 }) }),
      fc.record({ and: fc.array(tie('filter'), { maxLength: 2 }) }),
      fc.record({ or: fc.array(tie('filter'), { maxLength: 2 }) }),
    ),
  }));

  it('lets everything through that matches, and besides that only texts that differ late from a bound', () => {
    fc.assert(
      fc.property(metadata, filter, (fields, wanted) => {
        const passes = holds(metadataFilter(wanted), { ...metadataFields(fields), kind: 'chunk' });
        if (matchesFilter(fields, wanted)) expect(passes).toBe(true);
        else if (passes) expect(JSON.stringify(wanted)).toMatch(/"op":"(gt|lt)/);
      }),
      { numRuns: 3_000 },
    );
  });

  it('orders texts as their code units do, to the first 15 of them', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 15 }), fc.string({ maxLength: 15 }), (a, b) => {
        fc.pre(!a.includes('\0') && !b.includes('\0'));
        const passes = holds(metadataFilter({ key: 'k', op: 'gte', value: b }), { ...metadataFields({ k: a }) });
        expect(passes).toBe(a >= b);
      }),
    );
  });
});

describe('A truncation as a filter', () => {
  const position = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  it('says what the rule says', () => {
    const place = fc.option(fc.tuple(fc.oneof(fc.constant(5n), position), fc.oneof(fc.constant(5n), position)));
    fc.assert(
      fc.property(fc.nat(2), fc.nat(2), place, place, (epoch, of, at, covered) => {
        const record = {
          version: makeVersion(epoch, 9),
          generation: 1,
          ...(at === null ? {} : { sourcePosition: sourcePosition(...at) }),
        };
        const truncation = { epoch: of, sourcePosition: covered === null ? EPOCH_START : sourcePosition(...covered) };
        const head = write('a', { version: 9, epoch, position: null }).head;
        const payload = writeRequests({ head: { ...head, ...record }, keep: [], insert: [] }, LIMITS)[0]!.at(-1)!;
        const stored = (payload as { upsert: { points: { payload: Record<string, unknown> }[] } }).upsert.points[0]!
          .payload;
        expect(holds(truncated(head.table, truncation), stored)).toBe(isTruncated(record, truncation));
        expect(holds(truncated(tableId('another'), truncation), stored)).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('Text in a payload', () => {
  it('comes back as it was and is always UTF-8', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\ud800', '\uffffjson:"x"', '\uffffjson:')),
        (text) => {
          expect(packText(text).isWellFormed()).toBe(true);
          expect(unpackText(packText(text))).toBe(text);
        },
      ),
    );
    const odd = { '\ud800': ['\udc00', 1, true, null], plain: { inner: 'x' } };
    expect(unpackValue(packValue(odd))).toEqual(odd);
    expect(packText('plain text')).toBe('plain text');
  });
});

describe('Terms', () => {
  it('are the same for other forms, cases and accents of a word', () => {
    expect(queryTerms('Running')).toEqual(queryTerms('RUNS'));
    expect(queryTerms('café')).toEqual(queryTerms('Cafe'));
    expect(queryTerms('the harbour')).toEqual(queryTerms('harbour'));
    expect(
      queryTerms('大阪').indices.every((term) => documentTerms('大阪には行きません', 150).indices.includes(term)),
    ).toBe(true);
  });

  it('weigh less than in proportion to how often they occur, and less in a longer text', () => {
    const [once, twice] = [documentTerms('harbour', 150), documentTerms('harbour harbour', 150)];
    expect(twice.values[0]!).toBeGreaterThan(once.values[0]!);
    expect(twice.values[0]!).toBeLessThan(2 * once.values[0]!);
    const long = documentTerms(`harbour ${'other words here '.repeat(100)}`, 150);
    expect(long.values[long.indices.indexOf(once.indices[0]!)]!).toBeLessThan(once.values[0]!);
  });

  it('have numbers that never change: stored vectors depend on them', () => {
    expect(termNumber('')).toBe(0x811c9dc5);
    expect(termNumber('a')).toBe(0xe40c292c);
    expect(termNumber('foobar')).toBe(0xbf9cf968);
  });

  it('are distinct and in order, also of a text of nothing but itself', () => {
    const { indices } = documentTerms('b a b c a', 150);
    expect(indices).toEqual([...new Set(indices)].sort((a, b) => a - b));
    expect(documentTerms('', 150)).toEqual({ indices: [], values: [] });
  });
});

describe('A query to Qdrant', () => {
  const built = (rest: Parameters<typeof query>[0], plan: Partial<HybridPlan> = {}) =>
    queryRequest(query({ text: 'harbour', ...rest }), 20, new Map(), { wordsCountFor: 1, isSharded: false, ...plan });

  it('always names the tenant, in every list it draws from', () => {
    const tenant = '{"key":"tenant","match":{"value":"red"}}';
    const asked = { tenant: 'red', recency: { halfLifeMs: 1, weight: 1 } };
    const requests = [
      ...(['hybrid', 'dense', 'lexical'] as const).map((mode) => built({ mode, ...asked })),
      built({ mode: 'hybrid', ...asked }, { isSharded: true }),
      coverageRequest(query({ text: 'harbour', mode: 'hybrid', ...asked }), new Map()),
    ];
    for (const request of requests) {
      const text = JSON.stringify(request);
      expect(text).toContain(tenant);
      expect(text.split('"using"').length).toBe(text.split(tenant).length);
    }
  });

  it('fuses outermost where there are several shards, for a fusion below another query is of one shard only', () => {
    for (const recency of [undefined, { halfLifeMs: 60_000, weight: 0.1 }]) {
      const request = built({ mode: 'hybrid', ...(recency && { recency }) }, { isSharded: true, wordsCountFor: 0.5 });
      expect(request?.query).toMatchObject({ rrf: { weights: [1, expect.any(Number)] } });
      expect(JSON.stringify(request?.prefetch)).not.toContain('rrf');
    }
  });

  it('gives the first place of a list its share in either way of fusing', () => {
    for (const wordsCountFor of [0.1, 0.5, 0.9, 1]) {
      const { rrf } = built({ mode: 'hybrid' }, { isSharded: true, wordsCountFor })!.query as {
        rrf: { k: number; weights: number[] };
      };
      // As the server computes it: 1 / (place / weight + k - 1), places from 1.
      const first = rrf.weights.map((weight) => 1 / (1 / weight + rrf.k - 1));
      expect(first[0]).toBeCloseTo(1 / 61, 9);
      expect(first[1]).toBeCloseTo(wordsCountFor / 61, 9);
    }
  });

  it('weighs words by the share of them that their best hits hold', () => {
    const asked = query({ text: 'harbour master', mode: 'hybrid' });
    const hit = (text: string) => new Set(documentTerms(text, 150).indices);
    expect(coverageOf(asked, [])).toBe(0);
    expect(coverageOf(asked, [hit('the harbour master')])).toBe(1);
    expect(coverageOf(asked, [hit('a harbour'), hit('Harbours and masters'), hit('the sea')])).toBeCloseTo(0.5);
  });

  it('gives every variable of its formula a default, so that no point without it fails the query', () => {
    const hybrid = built({ mode: 'hybrid', recency: { halfLifeMs: 60_000, weight: 0.1 } });
    expect(hybrid?.query).toMatchObject({ defaults: { updated_at: expect.any(String) } });
    const lexical = built({ mode: 'lexical' });
    expect(lexical?.query).toMatchObject({ defaults: { '$score[0]': 0, '$score[1]': 0 } });
  });

  it('is none where nothing can match', () => {
    expect(built({ tables: [] })).toBeUndefined();
    expect(built({ mode: 'lexical', text: '🍏' })).toBeUndefined();
  });
});

describe('Ids', () => {
  it('of other points never change: what is stored is found by them', () => {
    expect(metaId('settings')).toBe(metaId('settings', ''));
    expect(new Set([metaId('floor', 'a'), metaId('floor', 'b'), metaId('truncation', 'a')]).size).toBe(3);
    expect(documentNumber('ffffffff-ffff-0000-0000-000000000000')).toBe(2 ** 48 - 1);
  });
});
