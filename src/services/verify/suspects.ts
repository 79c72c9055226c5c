import { kindOf } from '../../domain/errors.ts';
import type { DocumentId, RowKey, TableId } from '../../domain/ids.ts';
import type { Instant } from '../../domain/time.ts';
import type { LiveSource } from '../live-source.ts';
import type { Problem } from './compare.ts';
import type { ExpectedDocument } from './expected.ts';

/** A document whose stored state differs from its row, and where to look again. */
export interface Suspect {
  readonly id: DocumentId;
  readonly table: TableId;
  /** Unknown for a document whose row was not found: heads hold no keys. */
  readonly row: { readonly live: LiveSource; readonly key: RowKey } | undefined;
  readonly problems: readonly Problem[];
  readonly vectorsWrong: boolean;
  /** Not later than when its state in the index was read first. */
  readonly foundAt: Instant;
}

/** What a suspect's row gives; undefined when it must not be indexed. */
export type Expected = ExpectedDocument | undefined | 'poison';

/** A row that cannot be indexed as it is: its dead letter says so. */
export async function orPoison<T>(work: () => Promise<T>): Promise<T | 'poison'> {
  try {
    return await work();
  } catch (error) {
    if (kindOf(error) === 'poison') return 'poison';
    throw error;
  }
}

/** Suspects that are looked at together: what their rows give is held in memory, and a table that can only be read whole is read once for them. */
const AT_ONCE = 200;

export function* inBatches(suspects: readonly Suspect[]): Generator<readonly Suspect[]> {
  for (let from = 0; from < suspects.length; from += AT_ONCE) yield suspects.slice(from, from + AT_ONCE);
}
