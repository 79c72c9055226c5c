import type { Schemas } from '@qdrant/js-client-rest';
import { EPOCH_START, type SourcePosition, type Truncation } from '../../src/domain/source-position.ts';
import type { Stamp } from '../../src/domain/version.ts';
import type { TableId } from '../../src/domain/ids.ts';
import { packText } from './pack.ts';

export type Filter = Schemas['Filter'];
export type Condition = Schemas['Condition'];
type Range = Schemas['Range'];

export const is = (key: string, value: string | number | boolean): Condition => ({ key, match: { value } });
export const oneOf = (key: string, values: readonly string[]): Condition => ({ key, match: { any: [...values] } });
export const within = (key: string, range: Range): Condition => ({ key, range });
export const empty = (key: string): Condition => ({ is_empty: { key } });
export const hasId = (ids: readonly string[]): Condition => ({ has_id: [...ids] });
/** Empty lists are left out: what "none of nothing" and "any of nothing" mean is nobody's to guess. */
export const all = (...must: Condition[]): Filter => ({ must });
export const any = (...should: Condition[]): Filter => ({ should });
export const none = (...must_not: Condition[]): Filter => ({ must_not });

/** What is stored may be replaced by a write of this stamp: it is below it, or has no stamp at all. Every part of every write has it. */
export function below({ version, generation }: Stamp): Filter {
  return any(
    within('ver', { lt: version }),
    all(is('ver', version), within('gen', { lt: generation })),
    // Without this arm a point that lost its stamp would refuse every write for ever.
    empty('ver'),
  );
}

export const at = ({ version, generation }: Stamp): Filter => all(is('ver', version), is('gen', generation));
export const atOrBelow = (stamp: Stamp): Filter => any(below(stamp), at(stamp));

/**
 * A list of numbers below another, as the words of a dictionary are: the only order a filter has is that of single numbers.
 * @param last what the last number is compared by, when all before it are equal
 */
export function ordered(
  keys: readonly string[],
  bound: readonly number[],
  op: 'lt' | 'gt',
  last: 'lt' | 'lte' | 'gt' | 'gte',
): Filter {
  const [key, ...keysLeft] = keys;
  const [value, ...boundLeft] = bound;
  if (key === undefined || value === undefined) throw new RangeError('An order needs at least one number.');
  if (keysLeft.length === 0) return all(within(key, { [last]: value }));
  return any(
    within(key, { [op]: value }),
    all(within(key, { gte: value, lte: value }), ordered(keysLeft, boundLeft, op, last)),
  );
}

/** A source position (32 hex digits) as three numbers a filter can compare exactly. */
export const POSITION_KEYS = ['pos1', 'pos2', 'pos3'] as const;
const POSITION_CUTS = [0, 12, 24, 32] as const;

export function positionNumbers(position: SourcePosition): readonly [number, number, number] {
  const part = (n: 0 | 1 | 2): number => Number.parseInt(position.slice(POSITION_CUTS[n], POSITION_CUTS[n + 1]), 16);
  return [part(0), part(1), part(2)];
}

const EPOCH_SIZE = 2 ** 48;

/** `isTruncated` of domain/visibility.ts, as a filter. */
export function truncated(table: TableId, { epoch, sourcePosition }: Truncation): Filter {
  const older = within('ver', { lt: epoch * EPOCH_SIZE });
  if (sourcePosition === EPOCH_START) return all(is('table', packText(table)), older);
  const covered = all(
    within('ver', { gte: epoch * EPOCH_SIZE, lt: (epoch + 1) * EPOCH_SIZE }),
    any(empty(POSITION_KEYS[0]), ordered(POSITION_KEYS, positionNumbers(sourcePosition), 'lt', 'lte')),
  );
  return all(is('table', packText(table)), any(older, covered));
}
