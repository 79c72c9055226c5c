import type { Version } from '../../../src/domain/version.ts';
import type { PackedLetter } from './letter.ts';

/** What a record of the topic says about the letter of its key. */
export type LetterChange =
  | { readonly kind: 'put'; readonly letter: PackedLetter }
  | { readonly kind: 'removed' }
  | { readonly kind: 'resolved'; readonly version: Version };

export interface Folded {
  readonly letter: PackedLetter | undefined;
  /**
   * The record came from a writer that did not know the letter as it stands (a zombie, or two instances at once): it must be written once
   * more, above that record, or compaction would keep the wrong one of the two.
   */
  readonly overwritten: boolean;
}

/**
 * The letter of a key after one more record, in the order of the log. Every instance folds the same records to the same letters; a newer
 * failure is never lost to an older one that was written after it.
 */
export function fold(stored: PackedLetter | undefined, change: LetterChange): Folded {
  switch (change.kind) {
    case 'put': {
      const { letter } = change;
      if (stored === undefined || !isOlder(letter, stored)) return { letter, overwritten: false };
      // Its attempt counts, but what is to be retried is the newer failure.
      return {
        letter: { ...stored, attempts: Math.max(stored.attempts, letter.attempts) },
        overwritten: true,
      };
    }
    case 'removed':
      return { letter: undefined, overwritten: false };
    case 'resolved': {
      const isNewer = stored !== undefined && !isResolvedBy(stored, change.version);
      return { letter: isNewer ? stored : undefined, overwritten: isNewer };
    }
  }
}

/** Where one of the versions is not known, the later record is the newer one. */
export const isOlder = (letter: { readonly version?: number | undefined }, stored: PackedLetter): boolean =>
  stored.version !== undefined && letter.version !== undefined && letter.version < stored.version;

/** A letter of unknown version may be of a later change than the one just indexed, and stays. */
export const isResolvedBy = (letter: PackedLetter, version: Version): boolean =>
  letter.version !== undefined && letter.version <= version;
