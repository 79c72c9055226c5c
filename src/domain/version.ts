import type { Brand } from './brand.ts';
import { FreshetError } from './errors.ts';

/**
 * One totally ordered number per row: `epoch × 2^48 + n`, always below 2^53 so that it is exact as an IEEE double
 * (Qdrant's range filters are f64). What `n` is, the source defines; it never repeats within an epoch for one row.
 */
export type Version = Brand<number, 'Version'>;

/**
 * Counts the settings (mapping, redaction, chunker, embedder) an index was written under. Versions compare as the pair
 * (version, generation): the same change under newer settings replaces, the same change under the same settings is nothing to do.
 */
export type Generation = number;

export interface Stamp {
  readonly version: Version;
  readonly generation: Generation;
}

const N_LIMIT = 2 ** 48;
/** Epochs 0 … 31 fit below 2^53. */
export const EPOCH_MAX = 31;

export function makeVersion(epoch: number, n: bigint | number): Version {
  const number = Number(n);
  if (!Number.isSafeInteger(number) || number < 0 || number >= N_LIMIT) {
    throw new FreshetError(
      'VERSION_OUT_OF_RANGE',
      'fatal',
      `A position of ${n} does not fit in a version (0 … 2^48 − 1). Stop Freshet, move index.sqlite out of the data folder and start again: everything is indexed anew from epoch 0.`,
      { details: { n: String(n), epoch } },
    );
  }
  if (!Number.isInteger(epoch) || epoch < 0 || epoch > EPOCH_MAX) {
    throw new FreshetError(
      'EPOCH_EXHAUSTED',
      'fatal',
      `Epoch ${epoch} does not fit in a version (0 … ${EPOCH_MAX}). Stop Freshet, move index.sqlite out of the data folder and start again: everything is indexed anew from epoch 0.`,
      { details: { epoch } },
    );
  }
  return (epoch * N_LIMIT + number) as Version;
}

/** The lowest version of an epoch: rows read by SELECT outside the log carry it, so that any streamed change beats them. */
export function snapshotVersion(epoch: number): Version {
  return makeVersion(epoch, 0);
}

export function epochOf(version: Version): number {
  return Math.floor(version / N_LIMIT);
}

/** Negative when `a` is below `b`, 0 when equal, positive when above. */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a.version - b.version || a.generation - b.generation;
}

export function isBelow(a: Stamp, b: Stamp): boolean {
  return compareStamps(a, b) < 0;
}
