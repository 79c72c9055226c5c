import { createHash } from 'node:crypto';
import type { Metadata } from '../../src/domain/document.ts';
import type { MetadataCondition, MetadataFilter } from '../../src/domain/search.ts';
import { all, any, is, none, oneOf, ordered, within, type Condition, type Filter } from './filters.ts';

/**
 * Metadata beside itself, in the forms that one index each can answer for any field, whatever its name:
 * - `has`: a token per field and value, for equality. It holds the value's type, so that "3" and 3 never match.
 * - `numbers`: field and value, for the order of numbers.
 * - `texts`: field and the text's first code units as numbers, for the order of text, which no filter of the server has.
 */
export interface MetadataFields {
  readonly has: readonly string[];
  readonly numbers: readonly { readonly field: string; readonly value: number }[];
  readonly texts: readonly ({ readonly field: string } & Record<string, number | string>)[];
}

/** Tokens beyond this are hashed: a keyword index keeps them whole. */
const TOKEN_MAX = 200;

function token(...parts: readonly unknown[]): string {
  const json = JSON.stringify(parts);
  return json.length <= TOKEN_MAX ? json : `#${createHash('sha256').update(json).digest('base64url')}`;
}

/** Three UTF-16 code units to a number below 2^48, so that numbers compare as the text does. Enough for an RFC 3339 date and its hour. */
const UNITS = 3;
export const PREFIX_KEYS = ['a', 'b', 'c', 'd', 'e'] as const;

function prefixOf(text: string): readonly number[] {
  return PREFIX_KEYS.map((_, at) => {
    let number = 0;
    for (let unit = at * UNITS; unit < (at + 1) * UNITS; unit++) {
      // Where the text has ended, lower than any unit but NUL: a bound on the prefix may take in too much, never too little.
      number = number * 65_536 + (unit < text.length ? text.charCodeAt(unit) : 0);
    }
    return number;
  });
}

export function metadataFields(metadata: Metadata): MetadataFields {
  const values = Object.entries(metadata).flatMap(([key, value]) =>
    (typeof value === 'object' ? value : [value]).map((one) => [key, one] as const),
  );
  return {
    has: [...new Set(values.map(([key, value]) => token(key, value)))],
    numbers: values.flatMap(([key, value]) => (typeof value === 'number' ? [{ field: token(key), value }] : [])),
    texts: values.flatMap(([key, value]) => {
      if (typeof value !== 'string') return [];
      const prefix = prefixOf(value);
      return [{ field: token(key), ...Object.fromEntries(PREFIX_KEYS.map((name, at) => [name, prefix[at]!])) }];
    }),
  };
}

/** Matches everything and nothing, in a language without constants. */
const NOTHING = is('kind', 'nothing');

/**
 * A filter over {@link MetadataFields}. It lets everything through that `matchesFilter` does, and besides that only texts which differ from
 * a bound behind their first 15 code units: the reader checks what it gets.
 */
export function metadataFilter(filter: MetadataFilter): Filter {
  if ('and' in filter) return filter.and.length === 0 ? none(NOTHING) : all(...filter.and.map(metadataFilter));
  if ('or' in filter) return filter.or.length === 0 ? all(NOTHING) : any(...filter.or.map(metadataFilter));
  return all(conditionOf(filter));
}

function conditionOf(condition: MetadataCondition): Condition {
  const { key } = condition;
  switch (condition.op) {
    case 'eq':
    case 'ne': {
      const { value } = condition;
      return holds(condition.op === 'eq', key, typeof value === 'object' ? value : [value]);
    }
    case 'in':
    case 'nin':
      return holds(condition.op === 'in', key, condition.value);
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return typeof condition.value === 'number'
        ? inOneObject('numbers', all(is('field', token(key)), within('value', { [condition.op]: condition.value })))
        : inOneObject('texts', all(is('field', token(key)), textOrder(condition.op, condition.value)));
  }
}

function holds(wanted: boolean, key: string, values: readonly unknown[]): Condition {
  if (values.length === 0) return wanted ? all(NOTHING) : none(NOTHING);
  const found = oneOf('has', [...new Set(values.map((value) => token(key, value)))]);
  return wanted ? found : none(found);
}

const inOneObject = (key: string, filter: Filter): Condition => ({ nested: { key, filter } });

function textOrder(op: 'gt' | 'gte' | 'lt' | 'lte', bound: string): Filter {
  const upward = op === 'gt' || op === 'gte';
  return ordered(PREFIX_KEYS, prefixOf(bound), upward ? 'gt' : 'lt', upward ? 'gte' : 'lte');
}
