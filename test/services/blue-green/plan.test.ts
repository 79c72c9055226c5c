import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FreshetError } from '../../../src/domain/errors.ts';
import type { CatalogueState } from '../../../src/ports/index-catalogue.ts';
import {
  isMadeFor,
  lineId,
  lineName,
  lineSuffix,
  rebuildName,
  type LineId,
} from '../../../src/services/blue-green/line-name.ts';
import { planLines, type LinePlan, type StoreFacts } from '../../../src/services/blue-green/plan.ts';

/** Settings A and B share their embedder, X has another one. */
const settings = (embedder: string, rest: string): LineId => lineId({ embedder, redactor: rest, chunker: rest });
const A = settings('minilm', 'a');
const B = settings('minilm', 'b');
const C = settings('minilm', 'c');
const X = settings('bge', 'a');

const v1A = lineName(0, A);
const v1B = lineName(0, B);
const v1X = lineName(0, X);
const v2A = lineName(1, A);
const v2B = lineName(1, B);
const v2X = lineName(1, X);
const v3C = lineName(2, C);

const state = (over: Partial<CatalogueState>): CatalogueState => ({
  live: undefined,
  candidate: undefined,
  previous: undefined,
  canaryShare: 0,
  revision: 7,
  ...over,
});
const embedded = { changesEmbedderInPlace: true };
const server = { changesEmbedderInPlace: false };

const plan = (
  configured: { main: LineId; candidate?: LineId },
  recorded: Partial<CatalogueState>,
  store: StoreFacts = embedded,
): LinePlan => planLines({ main: configured.main, candidate: configured.candidate }, state(recorded), store);
const opened = ({ lines }: LinePlan): readonly string[] => lines.map(({ name, settings: of }) => `${name} from ${of}`);

describe('which indexes an instance opens', () => {
  it.each([
    ['the first start makes one index', { main: A }, { revision: 0 }, [`${v1A} from main`]],
    ['no candidate: the live one', { main: A }, { live: v1A }, [`${v1A} from main`]],
    ['main settings changed: the live one, filled anew in place', { main: B }, { live: v1A }, [`${v1A} from main`]],
    ['another embedder, where the store can', { main: X }, { live: v1A }, [`${v1A} from main`]],
    [
      'a recorded candidate goes on',
      { main: A, candidate: B },
      { live: v1A, candidate: v2B },
      [`${v1A} from main`, `${v2B} from candidate`],
    ],
    [
      'a candidate that left the configuration is not fed',
      { main: A },
      { live: v1A, candidate: v2B },
      [`${v1A} from main`],
    ],
    [
      'after a switch: both, the sections as they were',
      { main: A, candidate: B },
      { live: v2B, previous: v1A },
      [`${v2B} from candidate`, `${v1A} from main`],
    ],
    [
      'after a switch, the sections exchanged: both',
      { main: B, candidate: A },
      { live: v2B, previous: v1A },
      [`${v2B} from main`, `${v1A} from candidate`],
    ],
    [
      'after a switch, the settings moved: the live one alone',
      { main: B },
      { live: v2B, previous: v1A },
      [`${v2B} from main`],
    ],
    [
      'after a switch, the previous dropped, nothing moved yet: the live one alone',
      { main: A, candidate: B },
      { live: v2B },
      [`${v2B} from candidate`],
    ],
    [
      'the previous was changed in place while it was live: it is what is left of the configuration',
      { main: C, candidate: B },
      { live: v2B, previous: v1A },
      [`${v2B} from candidate`, `${v1A} from main`],
    ],
    [
      'the candidate repeats the main settings: nothing to build',
      { main: A, candidate: A },
      { live: v1A },
      [`${v1A} from main`],
    ],
    [
      'an index of the same settings, begun by a rebuild, is fed by them too',
      { main: A },
      { live: v1A, candidate: v2A },
      [`${v1A} from main`, `${v2A} from main`],
    ],
    [
      'a rebuild of an index whose settings were changed in place before',
      { main: B },
      { live: v1A, candidate: rebuildName(6, B) },
      [`${v1A} from main`, `${rebuildName(6, B)} from main`],
    ],
    [
      'rolled back: what was live is the candidate again',
      { main: A, candidate: B },
      { live: v1A, candidate: v2B, previous: undefined },
      [`${v1A} from main`, `${v2B} from candidate`],
    ],
    [
      'back to settings the live index once had: a new one beside it',
      { main: B, candidate: A },
      { live: v2B, candidate: undefined, previous: undefined, revision: 7 },
      [`${v2B} from main`, `${lineName(7, A)} from candidate`],
    ],
    [
      'three recorded, two sections',
      { main: B, candidate: C },
      { live: v2B, candidate: v3C, previous: v1A },
      [`${v2B} from main`, `${v3C} from candidate`],
    ],
  ] as const)('%s', (_case, configured, recorded, expected) => {
    expect(opened(plan(configured, recorded))).toEqual(expected);
  });

  it('records the first index as the live one before it is opened', () => {
    expect(plan({ main: A, candidate: B }, { revision: 0 }).record).toEqual({
      live: v1A,
      candidate: undefined,
      previous: undefined,
      canaryShare: 0,
    });
  });

  it('records a new candidate, which answers no queries yet, and keeps the previous one', () => {
    const { record } = plan({ main: B, candidate: C }, { live: v2B, previous: v1A, canaryShare: 0.5, revision: 2 });
    expect(record).toEqual({ live: v2B, candidate: v3C, previous: v1A, canaryShare: 0 });
  });

  it('a candidate of other settings takes the place of the one before, which is kept and named', () => {
    const { record, lines, notes } = plan({ main: A, candidate: C }, { live: v1A, candidate: v2B, revision: 2 });
    expect(record?.candidate).toBe(v3C);
    expect(lines.map(({ name }) => name)).toEqual([v1A, v3C]);
    expect(notes.join()).toContain(`freshet index drop ${v2B}`);
  });

  it('says that an index which is not fed any more holds back log at the sources until it is dropped', () => {
    for (const { notes } of [
      plan({ main: A }, { live: v1A, candidate: v2B }),
      plan({ main: A }, { live: v1A, previous: v2B }),
    ]) {
      expect(notes.join()).toContain(`Index ${v2B} is not fed`);
      expect(notes.join()).toContain('replication slot');
    }
    expect(plan({ main: A, candidate: B }, { live: v1A, candidate: v2B }).notes).toEqual([]);
  });

  it('says to move the settings of a live index that come from "candidate:"', () => {
    expect(plan({ main: A, candidate: B }, { live: v2B, previous: v1A }).notes.join()).toContain(
      'Make them the main ones',
    );
    expect(plan({ main: B, candidate: A }, { live: v2B, previous: v1A }).notes).toEqual([]);
  });
});

describe('a candidate whose model cannot be opened', () => {
  const unopened = new FreshetError('MODEL_UNAVAILABLE', 'fatal', 'It is not there.');
  const planWith = (recorded: Partial<CatalogueState>) =>
    planLines({ main: A, candidate: undefined, unopened }, state(recorded), embedded);

  it('leaves the live index alone, replaces nothing, and is told with the reason', () => {
    const { lines, record, notes } = planWith({ live: v1A, candidate: v2B });
    expect([lines.map(({ name }) => name), record]).toEqual([[v1A], undefined]);
    expect(notes).toEqual([expect.stringContaining('(MODEL_UNAVAILABLE): It is not there.')]);
    expect(planWith({ revision: 0 }).record).toMatchObject({ live: v1A });
  });

  it('stops the start where the live index may be made from it', () => {
    expect(() => planWith({ live: v2B, previous: v1A })).toThrow(unopened);
  });
});

describe('an index that was filled under other settings than it was made for', () => {
  const under = (name: string, id: LineId) => ({ ...embedded, filledUnder: new Map([[name, id]]) });

  it('is no index of the settings it was made for: to go back to them, a new one is built beside it', () => {
    const { lines, record } = plan({ main: B, candidate: A }, { live: v1A, revision: 7 }, under(v1A, B));
    expect(lines.map(({ name, settings: of }) => `${name} from ${of}`)).toEqual([
      `${v1A} from main`,
      `${lineName(7, A)} from candidate`,
    ]);
    expect(record?.candidate).toBe(lineName(7, A));
  });

  it('stays with its own section as the previous one', () => {
    const again = lineName(7, A);
    expect(opened(plan({ main: B, candidate: A }, { live: again, previous: v1A }, under(v1A, B)))).toEqual([
      `${again} from candidate`,
      `${v1A} from main`,
    ]);
  });
});

describe('a configuration that does not name the live index', () => {
  it('is a slip when the main settings are those of the previous one: nothing is filled anew under them', () => {
    expect(() => plan({ main: A }, { live: v2B, previous: v1A })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_LIVE_INDEX',
        kind: 'fatal',
        message: expect.stringContaining('rollback') as string,
      }),
    );
  });

  it('is a slip when the candidate’s settings were moved before the switch', () => {
    expect(() => plan({ main: B }, { live: v1A, candidate: v2B })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_LIVE_INDEX',
        message: expect.stringContaining('freshet index switch') as string,
      }),
    );
  });

  it('and asks for another embedder is refused by a store whose vectors cannot change, with the way to do it', () => {
    expect(() => plan({ main: X }, { live: v1A }, server)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_EMBEDDER_CHANGED',
        message: expect.stringContaining('candidate:') as string,
      }),
    );
    expect(opened(plan({ main: B }, { live: v1A }, server))).toEqual([`${v1A} from main`]);
    expect(opened(plan({ main: A, candidate: X }, { live: v1A, candidate: v2X }, server))).toHaveLength(2);
  });

  it('never feeds a previous index of another embedder under the main settings', () => {
    expect(opened(plan({ main: C, candidate: B }, { live: v2B, previous: v1X }, server))).toEqual([
      `${v2B} from candidate`,
    ]);
  });
});

it('whatever is configured and recorded: the live index comes first, each index is opened once, and planning again asks for nothing new', () => {
  const ids = fc.constantFrom(A, B, C, X);
  const names = fc.option(fc.constantFrom(v1A, v1B, v2A, v2B, v2X, v3C), { nil: undefined });
  fc.assert(
    fc.property(
      ids,
      fc.option(ids, { nil: undefined }),
      names,
      names,
      names,
      (main, candidate, live, second, third) => {
        const named = [live, second, third].filter((name) => name !== undefined);
        if (new Set(named).size < named.length || (live === undefined && named.length > 0)) return;
        const before = state({ live, candidate: second, previous: third, revision: named.length === 0 ? 0 : 10 });
        let found: LinePlan;
        try {
          found = planLines({ main, candidate }, before, embedded);
          for (let current = before; found.record !== undefined; ) {
            current = { ...found.record, revision: current.revision + 1 };
            found = planLines({ main, candidate }, current, embedded);
            expect(current.revision).toBeLessThan(before.revision + 3);
            expect(found.lines[0]?.name).toBe(current.live);
          }
        } catch (error) {
          expect(error).toMatchObject({ code: 'CONFIG_LIVE_INDEX' });
          return;
        }
        const lines = found.lines.map(({ name }) => name);
        expect(new Set(lines).size).toBe(lines.length);
        if (live !== undefined) expect(lines[0]).toBe(live);
        // Nobody feeds an index under settings that another section is there for.
        for (const { name, settings: of } of found.lines) {
          if (candidate !== undefined && isMadeFor(name, candidate) && !isMadeFor(name, main))
            expect(of).toBe('candidate');
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

it('names are never given twice, and only the very first one leaves the names at the sources plain', () => {
  expect(v1A).toMatch(/^v1-[0-9a-f]{8}$/);
  expect(lineSuffix(v1A)).toBe('');
  expect(lineSuffix('v12-8c41aa09')).toBe('_v12_8c41aa09');
  expect(lineSuffix('v12r-8c41aa09')).toBe('_v12r_8c41aa09');
});
