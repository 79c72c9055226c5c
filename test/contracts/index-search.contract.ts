import { describe, expect, it } from 'vitest';
import { tableId } from '../../src/domain/ids.ts';
import type { MetadataFilter } from '../../src/domain/search.ts';
import type { IndexContext } from './index-context.ts';
import { angled, documentId, lexical, never, NOW, query, search, texts, write } from './index-fixtures.ts';

const DAY = 86_400_000;

/** Ranking, filters, tenants, and what users may type. */
export function describeIndexSearch(current: () => IndexContext): void {
  const put = (name: string, spec: Partial<Parameters<typeof write>[1]> = {}) =>
    current().index.apply(write(name, { version: 1, chunks: [name], ...spec }), never);

  describe('dense search', () => {
    it('orders by cosine, exactly', async () => {
      for (const degrees of [80, 0, 45, 120, 10]) await put(`at${degrees}`, { chunks: [[`at${degrees}`, degrees]] });
      const hits = await search(current().index, query({ limit: 4 }));
      expect(hits.map(({ text }) => text)).toEqual(['at0', 'at10', 'at45', 'at80']);
      hits.forEach(({ score }, place) =>
        expect(score).toBeCloseTo(Math.cos(([0, 10, 45, 80][place]! * Math.PI) / 180), 5),
      );
    });

    it('tells all that a reader needs of a hit', async () => {
      await put('a', {
        version: 3,
        chunks: [['one', 0]],
        title: 'T',
        metadata: { lang: 'en' },
        committedAt: NOW - DAY,
      });
      const [hit] = await search(current().index, query({}));
      expect(hit).toMatchObject({
        table: 'app.public.articles',
        title: 'T',
        uri: 'kb://a',
        metadata: { lang: 'en' },
        version: 3,
        committedAt: NOW - DAY,
        indexedAt: NOW,
        start: 0,
        end: 3,
        headings: ['Top', 'Part 1'],
      });
    });

    it('finds the right neighbours after many inserts, edits and deletes', async () => {
      const { index } = current();
      const all = Array.from({ length: 120 }, (_, at) => at);
      await Promise.all(all.map((at) => put(`d${at}`, { chunks: [[`d${at}`, at]] })));
      await Promise.all(
        all.filter((at) => at % 3 === 0).map((at) => put(`d${at}`, { version: 2, deleted: true, chunks: [] })),
      );
      await Promise.all(
        all.filter((at) => at % 3 === 1).map((at) => put(`d${at}`, { version: 2, chunks: [[`e${at}`, at]] })),
      );
      const found = await texts(index, query({ limit: 10, vector: angled(60) }));
      const expected = [59, 61, 58, 62, 56, 64, 55, 65, 53, 67].map((at) => (at % 3 === 1 ? `e${at}` : `d${at}`));
      expect(new Set(found)).toEqual(new Set(expected));
    });

    it('gives nothing on an empty index, on an unknown tenant and on a limit of zero', async () => {
      expect(await texts(current().index)).toEqual([]);
      await put('a');
      expect(await texts(current().index, query({ tenant: 'nobody' }))).toEqual([]);
      expect(await texts(current().index, query({ limit: 0 }))).toEqual([]);
    });
  });

  describe('lexical search', () => {
    it('finds words whatever their case and ranks more and rarer matches higher', async () => {
      await put('a', { chunks: ['The harbour master keeps the harbour log'] });
      await put('b', { chunks: ['A log of the weather on the hills'] });
      await put('c', { chunks: ['Weather and hills and meadows'] });
      const hits = await search(current().index, lexical('HARBOUR log'));
      expect(hits.map(({ document }) => document)).toEqual([documentId('a'), documentId('b')]);
      expect(hits[0]!.score).toBeGreaterThan(hits[1]!.score);
    });

    it('does not find a word that is not there', async () => {
      await put('a', { chunks: ['harbour'] });
      expect(await texts(current().index, lexical('lighthouse'))).toEqual([]);
    });

    it('forgets the words of an edited and of a deleted document', async () => {
      await put('a', { chunks: ['harbour'] });
      await put('a', { version: 2, chunks: ['lighthouse'] });
      expect(await texts(current().index, lexical('harbour'))).toEqual([]);
      expect(await texts(current().index, lexical('lighthouse'))).toEqual(['lighthouse']);
      await put('a', { version: 3, deleted: true, chunks: [] });
      expect(await texts(current().index, lexical('lighthouse'))).toEqual([]);
    });

    it('finds other forms of a word, where the adapter stems', async () => {
      await put('a', { chunks: ['the runners were running'] });
      expect(await texts(current().index, lexical('runs'))).toHaveLength(current().lexical.stems ? 1 : 0);
    });

    it.each([
      ['Japanese', '東京都に住んでいます。大阪には行きません。', '大阪'],
      ['Chinese', '今天天气很好，我们去公园散步。', '公园'],
      ['Thai', 'วันนี้อากาศดีมากเราไปเดินเล่นที่สวนสาธารณะ', 'อากาศ'],
    ])('finds a word inside %s text, where the adapter segments', async (_language, text, word) => {
      await put('a', { chunks: [text] });
      await put('b', { chunks: ['nothing of the kind'] });
      expect(await texts(current().index, lexical(word))).toEqual(current().lexical.segments ? [text] : []);
    });

    it.each([
      ['nothing', ''],
      ['white space', ' \n\t '],
      ['an open quote', 'apple " pie'],
      ['operators', 'apple AND OR NOT NEAR(pie, 2) ^* - + text:apple {scope} : t1'],
      ['brackets', '((apple'],
      ['a star', 'app*'],
      ['NUL', 'apple\0pie'],
      ['lone surrogates', 'apple \ud800 \udfff'],
      ['emoji', '🍏 apple 🥧'],
      ['only emoji', '🍏🥧'],
      ['SQL', `apple'); DROP TABLE chunks; --`],
      ['only stop words', 'the and with'],
      ['ten thousand characters', 'apple pie is '.repeat(800)],
      ['ten thousand different words', Array.from({ length: 2_000 }, (_, at) => `w${at}`).join(' ')],
      ['one endless word', 'a'.repeat(10_000)],
      ['combining marks', '\u0301\u0301 apple'],
    ])('takes a query of %s without an error', async (_what, text) => {
      await put('a', { chunks: ['apple pie'] });
      for (const mode of ['lexical', 'hybrid'] as const) {
        const found = await texts(current().index, query({ text, mode }));
        if (mode === 'hybrid' || /\bapple\b/.test(text)) expect(found).toEqual(['apple pie']);
        else expect(found).toEqual([]);
      }
    });

    it('answers by words alone when there is no vector, in every mode', async () => {
      await put('a', { chunks: ['harbour'] });
      await put('b', { chunks: ['hills'] });
      for (const mode of ['hybrid', 'dense', 'lexical'] as const) {
        expect(await texts(current().index, { ...lexical('harbour'), mode })).toEqual(['harbour']);
      }
    });
  });

  describe('hybrid search', () => {
    it('puts what both lists know first, by reciprocal ranks with k = 60', async () => {
      await put('both', { chunks: [['harbour', 20]] });
      await put('near', { chunks: [['hills', 0]] });
      await put('far', { chunks: [['meadow', 90]] });
      const hits = await search(current().index, query({ text: 'harbour', mode: 'hybrid' }));
      expect(hits.map(({ text }) => text)).toEqual(['harbour', 'hills', 'meadow']);
      expect(hits[0]!.score).toBeCloseTo(1 / 62 + 1 / 61, 8);
      expect(hits[1]!.score).toBeCloseTo(1 / 61, 8);
      expect(hits[2]!.score).toBeCloseTo(1 / 63, 8);
    });

    it('adds recency to the score: old documents are outranked, never erased', async () => {
      await put('old', { chunks: [['old', 0]], committedAt: NOW - 10 * DAY });
      await put('new', { chunks: [['new', 30]], committedAt: NOW - DAY });
      const recency = { halfLifeMs: DAY, weight: 1 };
      const hits = await search(current().index, query({ text: 'none', mode: 'hybrid', recency }));
      expect(hits.map(({ text }) => text)).toEqual(['new', 'old']);
      expect(hits[0]!.score).toBeCloseTo(1 / 62 + 1 / 2, 6);
      expect(hits[1]!.score).toBeCloseTo(1 / 61 + 2 ** -10, 6);
    });

    it('counts a commit time in the future as now', async () => {
      await put('a', { chunks: [['a', 0]], committedAt: NOW + 10 * DAY });
      const [hit] = await search(
        current().index,
        query({ text: 'none', mode: 'hybrid', recency: { halfLifeMs: DAY, weight: 1 } }),
      );
      expect(hit!.score).toBeCloseTo(1 / 61 + 1, 6);
    });
  });

  describe.each(['dense', 'lexical', 'hybrid'] as const)('filters in %s mode', (mode) => {
    const ask = (rest: Parameters<typeof query>[0]) => texts(current().index, query({ text: 'common', mode, ...rest }));
    const named = (name: string, spec: Partial<Parameters<typeof write>[1]> = {}) =>
      put(name, { chunks: [`common ${name}`], ...spec });

    it('never crosses tenants', async () => {
      await named('red', { tenant: 'red' });
      await named('blue', { tenant: 'blue' });
      expect(await ask({ tenant: 'red' })).toEqual(['common red']);
      expect(await ask({ tenant: 'blue' })).toEqual(['common blue']);
      expect(await ask({ tenant: 'Red' })).toEqual([]);
      expect(await ask({ tenant: '' })).toEqual([]);
    });

    it('keeps a small tenant apart from large ones, also when a document moves between them', async () => {
      for (let at = 0; at < 20; at++)
        await named(`large${at}`, { tenant: 'large', chunks: [[`common large${at}`, 5]] });
      await named('small', { tenant: 'small', chunks: [['common small', 60]] });
      await named('moves', { tenant: 'large', chunks: [['common moves', 0]] });
      expect(await ask({ tenant: 'small', limit: 5 })).toEqual(['common small']);
      await named('moves', { version: 2, tenant: 'small', chunks: ['common moves'], keep: ['common moves'] });
      expect(new Set(await ask({ tenant: 'small', limit: 5 }))).toEqual(new Set(['common small', 'common moves']));
      expect(await ask({ tenant: 'large', limit: 50 })).toHaveLength(20);
      expect(await ask({ tenant: 'large', limit: 50 })).not.toContain('common moves');
    });

    it('shows open documents to everyone and restricted ones to their principals only', async () => {
      await named('open');
      await named('ann', { access: ['user:ann', 'group:staff'] });
      expect(await ask({ principals: [] })).toEqual(['common open']);
      expect(new Set(await ask({ principals: ['group:staff'] }))).toEqual(new Set(['common open', 'common ann']));
      expect(await ask({ principals: ['user:bob'] })).toEqual(['common open']);
      expect((await ask({})).length).toBe(2);
    });

    it('keeps to the tables asked for', async () => {
      await named('a');
      await named('b', { table: 'app.public.other' });
      expect(await ask({ tables: [tableId('app.public.other')] })).toEqual(['common b']);
      expect(await ask({ tables: [] })).toEqual([]);
    });

    it('keeps to the commit times asked for, from inclusive, to exclusive', async () => {
      await named('early', { committedAt: NOW - 3000 });
      await named('late', { committedAt: NOW - 1000 });
      expect(await ask({ committedFrom: NOW - 1000 })).toEqual(['common late']);
      expect(await ask({ committedTo: NOW - 1000 })).toEqual(['common early']);
      expect(await ask({ committedFrom: NOW - 3000, committedTo: NOW - 2999 })).toEqual(['common early']);
    });

    it('is never shortened by what a filter drops', async () => {
      for (let at = 0; at < 60; at++) await named(`no${at}`, { chunks: [[`common no${at}`, 0]], access: ['other'] });
      for (let at = 0; at < 5; at++) await named(`yes${at}`, { chunks: [[`common yes${at} and many more words`, 80]] });
      expect((await ask({ principals: ['me'], limit: 5 })).every((text) => text.startsWith('common yes'))).toBe(true);
      expect(await ask({ principals: ['me'], limit: 5 })).toHaveLength(5);
    });

    it('takes at most so many chunks of one document and fills up from others', async () => {
      await named('long', { chunks: Array.from({ length: 40 }, (_, at) => [`common long ${at}`, 0] as const) });
      for (let at = 0; at < 3; at++)
        await named(`short${at}`, { chunks: [[`common and some more words short${at}`, 80]] });
      const found = await ask({ perDocument: 2, limit: 5 });
      expect(found.filter((text) => text.includes('long'))).toHaveLength(2);
      expect(found.filter((text) => text.includes('short'))).toHaveLength(3);
    });
  });

  describe('metadata filters', () => {
    const cases: readonly (readonly [string, MetadataFilter, readonly string[]])[] = [
      ['eq on text', { key: 'lang', op: 'eq', value: 'en' }, ['a']],
      ['eq on a number', { key: 'stars', op: 'eq', value: 3 }, ['b']],
      ['eq on a boolean', { key: 'draft', op: 'eq', value: true }, ['b']],
      ['eq on any value of an array', { key: 'tags', op: 'eq', value: 'x' }, ['a', 'b']],
      ['ne, which a missing field passes', { key: 'lang', op: 'ne', value: 'en' }, ['b', 'c']],
      ['gt', { key: 'stars', op: 'gt', value: 3 }, ['a']],
      ['gte', { key: 'stars', op: 'gte', value: 3 }, ['a', 'b']],
      ['lt on text', { key: 'lang', op: 'lt', value: 'en' }, ['b']],
      ['lte', { key: 'stars', op: 'lte', value: 3 }, ['b']],
      ['in', { key: 'lang', op: 'in', value: ['de', 'fr'] }, ['b']],
      ['in on any value of an array', { key: 'tags', op: 'in', value: ['y', 'z'] }, ['b']],
      ['nin, which a missing field passes', { key: 'lang', op: 'nin', value: ['de', 'fr'] }, ['a', 'c']],
      [
        'and',
        {
          and: [
            { key: 'tags', op: 'eq', value: 'x' },
            { key: 'stars', op: 'lt', value: 5 },
          ],
        },
        ['b'],
      ],
      [
        'or',
        {
          or: [
            { key: 'lang', op: 'eq', value: 'en' },
            { key: 'lang', op: 'eq', value: 'de' },
          ],
        },
        ['a', 'b'],
      ],
      ['an empty and', { and: [] }, ['a', 'b', 'c']],
      ['an empty or', { or: [] }, []],
      ['values of another type, which never match', { key: 'stars', op: 'eq', value: '3' }, []],
      ['bounds of another type, which never match', { key: 'lang', op: 'gt', value: 0 }, []],
      [
        'names of object properties, which are no fields',
        { key: 'constructor', op: 'ne', value: 'x' },
        ['a', 'b', 'c'],
      ],
    ];

    it.each(cases)('understand %s', async (_what, filter, expected) => {
      await put('a', { metadata: { lang: 'en', stars: 5, tags: ['x'] } });
      await put('b', { metadata: { lang: 'de', stars: 3, draft: true, tags: ['x', 'y'] } });
      await put('c', {});
      expect([...(await texts(current().index, query({ filter })))].sort()).toEqual(expected);
    });

    it('see new metadata of kept chunks', async () => {
      const { index } = current();
      await put('a', { metadata: { lang: 'en' } });
      await put('a', { version: 2, keep: ['a'], metadata: { lang: 'de' } });
      expect(await texts(index, query({ filter: { key: 'lang', op: 'eq', value: 'en' } }))).toEqual([]);
      expect(await texts(index, query({ filter: { key: 'lang', op: 'eq', value: 'de' } }))).toEqual(['a']);
    });
  });
}
