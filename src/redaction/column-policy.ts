import type { ColumnValue, Row } from '../domain/change.ts';
import type { ColumnPolicy } from '../domain/mapping.ts';
import { keyedHash, requireKey } from './key.ts';

/**
 * Drops, hashes and masks columns before anything is composed from them.
 *
 * - `drop`: the column is absent from the result.
 * - `hash`: each value becomes `[HASH_…]` with 12 hex digits of HMAC-SHA256(key): equal values stay equal, also across columns and tables
 *   and between `42` and `"42"`.
 * - `mask`: letters, digits and marks become `*`, the rest of the shape stays.
 *
 * Arrays and JSON keep their structure and member names, their values are treated one by one. NULL and values the source left out
 * (TOAST) stay what they are. Columns without a policy, or with `scan`, are returned as they came.
 * @throws FreshetError `fatal` REDACTION_KEY_MISSING when a column is to be hashed and there is no key.
 */
export function applyColumnPolicy(
  row: Row,
  policy: Readonly<Record<string, ColumnPolicy>>,
  key: Uint8Array | undefined,
): Row {
  const entries: [string, ColumnValue][] = [];
  for (const [column, value] of Object.entries(row)) {
    const rule = Object.hasOwn(policy, column) ? (policy[column] as ColumnPolicy) : 'scan';
    switch (rule) {
      case 'scan':
        entries.push([column, value]);
        break;
      case 'drop':
        break;
      case 'hash': {
        const hashKey = requireKey(key, 'A column with the policy "hash"');
        entries.push([column, mapLeaves(value, (leaf) => hashLeaf(leaf, hashKey))]);
        break;
      }
      case 'mask':
        entries.push([column, mapLeaves(value, maskLeaf)]);
        break;
    }
  }
  return Object.fromEntries(entries);
}

type Leaf = string | number | bigint | boolean | Uint8Array;

function mapLeaves(value: ColumnValue, map: (leaf: Leaf) => ColumnValue): ColumnValue {
  if (value === null || typeof value === 'symbol') return value;
  if (typeof value !== 'object' || value instanceof Uint8Array) return map(value);
  if (isArray(value)) return value.map((item) => mapLeaves(item, map));
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, mapLeaves(inner, map)]));
}

/** `Array.isArray` does not narrow readonly arrays. */
const isArray = (value: object): value is readonly ColumnValue[] => Array.isArray(value);

const hashLeaf = (leaf: Leaf, key: Uint8Array): string =>
  `[HASH_${keyedHash(key, 'column', leaf instanceof Uint8Array ? Buffer.from(leaf).toString('latin1') : String(leaf)).slice(0, 12)}]`;

/** Bytes have no shape worth keeping. */
const maskLeaf = (leaf: Leaf): string =>
  leaf instanceof Uint8Array ? '*' : String(leaf).replace(/[\p{L}\p{N}\p{M}\p{Cs}]/gu, '*');
