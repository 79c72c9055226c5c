import { describe, expect, it } from 'vitest';
import type { Head } from '../../src/domain/document.ts';
import type { ChunkId } from '../../src/domain/ids.ts';
import {
  EPOCH_START,
  isLaterTruncation,
  sourcePosition,
  type SourcePosition,
} from '../../src/domain/source-position.ts';
import { makeVersion } from '../../src/domain/version.ts';
import { isTruncated, judge } from '../../src/domain/visibility.ts';

interface Place {
  readonly epoch?: number;
  readonly n: number;
  readonly generation?: number;
  readonly position?: number;
}

const stamp = ({ epoch = 0, n, generation = 1, position }: Place) => ({
  version: makeVersion(epoch, n),
  generation,
  ...(position === undefined ? {} : { sourcePosition: sourcePosition(BigInt(position)) }),
});

const chunk = (place: Place, options: { readonly id?: string; readonly deleted?: boolean } = {}) => ({
  ...stamp(place),
  id: (options.id ?? 'chunk') as ChunkId,
  deleted: options.deleted ?? false,
});

const head = (place: Place, options: { readonly lists?: readonly string[]; readonly deleted?: boolean } = {}): Head =>
  ({
    ...stamp(place),
    chunks: (options.lists ?? ['chunk']).map((id) => ({ id: id as ChunkId, start: 0, end: 1, headings: [] })),
    deleted: options.deleted ?? false,
  }) as unknown as Head;

const at = (epoch: number, position: SourcePosition) => ({ epoch, sourcePosition: position });

describe('what a reader does with a chunk', () => {
  it('shows what its head lists at the same stamp, and what stands above the head', () => {
    expect(judge(chunk({ n: 5 }), head({ n: 5 }), undefined)).toBe('show');
    expect(judge(chunk({ n: 6 }), head({ n: 5 }, { lists: [] }), undefined)).toBe('show');
    expect(judge(chunk({ n: 5, generation: 2 }), head({ n: 5, generation: 1 }, { lists: [] }), undefined)).toBe('show');
    expect(judge(chunk({ n: 6 }), head({ n: 5 }, { deleted: true }), undefined)).toBe('show');
  });

  it('hides what is deleted, has no head, or is a ghost under an id its version never knew', () => {
    expect(judge(chunk({ n: 5 }, { deleted: true }), head({ n: 5 }), undefined)).toBe('hide');
    expect(judge(chunk({ n: 5 }), undefined, undefined)).toBe('hide');
    expect(judge(chunk({ n: 5 }), head({ n: 5 }, { lists: ['other'] }), undefined)).toBe('hide');
    expect(judge(chunk({ n: 5 }), head({ n: 6 }, { deleted: true }), undefined)).toBe('hide');
  });

  it('asks for a second search where the chunk is older than its head', () => {
    expect(judge(chunk({ n: 5 }), head({ n: 6 }), undefined)).toBe('retry');
    expect(judge(chunk({ n: 5, generation: 1 }), head({ n: 5, generation: 2 }), undefined)).toBe('retry');
  });

  it('hides what a truncation covers with its head', () => {
    const truncation = at(0, sourcePosition(10n));
    expect(judge(chunk({ n: 5, position: 10 }), head({ n: 5, position: 10 }), truncation)).toBe('hide');
    expect(judge(chunk({ n: 5, position: 11 }), head({ n: 5, position: 11 }), truncation)).toBe('show');
    expect(judge(chunk({ n: 5, position: 10 }), head({ n: 4, position: 9 }), truncation)).toBe('hide');
  });

  it('asks again where only the chunk is covered: the document was written anew since', () => {
    expect(judge(chunk({ n: 5, position: 5 }), head({ n: 9, position: 11 }), at(0, sourcePosition(10n)))).toBe('retry');
    expect(judge(chunk({ n: 5, position: 5 }), head({ epoch: 1, n: 0 }), at(1, EPOCH_START))).toBe('retry');
  });
});

describe('a truncation', () => {
  it('covers older epochs whole, later ones not at all, and its own up to its position', () => {
    const truncation = at(1, sourcePosition(10n));
    expect(isTruncated(stamp({ epoch: 0, n: 99, position: 99 }), truncation)).toBe(true);
    expect(isTruncated(stamp({ epoch: 2, n: 0 }), truncation)).toBe(false);
    expect(isTruncated(stamp({ epoch: 1, n: 5, position: 10 }), truncation)).toBe(true);
    expect(isTruncated(stamp({ epoch: 1, n: 5, position: 11 }), truncation)).toBe(false);
    expect(isTruncated(stamp({ epoch: 1, n: 0 }), truncation)).toBe(true);
  });

  it('at the start of an epoch covers older epochs and nothing of its own, not even rows that were read', () => {
    expect(isTruncated(stamp({ epoch: 0, n: 99, position: 99 }), at(1, EPOCH_START))).toBe(true);
    expect(isTruncated(stamp({ epoch: 1, n: 0 }), at(1, EPOCH_START))).toBe(false);
    expect(isTruncated(stamp({ epoch: 1, n: 1, position: 0 }), at(1, EPOCH_START))).toBe(false);
  });

  it('is only ever raised: by epoch, then by position, the start of an epoch being its lowest', () => {
    expect(isLaterTruncation(at(1, EPOCH_START), at(0, sourcePosition(10n)))).toBe(true);
    expect(isLaterTruncation(at(1, EPOCH_START), at(1, sourcePosition(10n)))).toBe(false);
    expect(isLaterTruncation(at(1, sourcePosition(0n)), at(1, EPOCH_START))).toBe(true);
  });
});
