import { UNCHANGED, type ColumnValue, type Row } from './change.ts';
import { FreshetError } from './errors.ts';
import type { TableId } from './ids.ts';

const SCALARS = [
  'text',
  'integer',
  'bigint',
  'numeric',
  'number',
  'boolean',
  'date',
  'time',
  'timestamp',
  'uuid',
  'json',
  'bytes',
] as const;

export type ScalarType = (typeof SCALARS)[number];
/** `array` takes elements of any type; `text[]` only texts and NULLs, to any depth. */
export type ContractType = ScalarType | 'array' | `${ScalarType}[]`;

export const CONTRACT_TYPES: readonly ContractType[] = [
  ...SCALARS,
  'array',
  ...SCALARS.map((type) => `${type}[]` as const),
];

export interface ColumnContract {
  /** Undefined takes any. */
  readonly type?: ContractType;
  /** Default true. */
  readonly nullable?: boolean;
  /** Of a text, in characters (code points, as PostgreSQL counts them). */
  readonly maxLength?: number;
  /** The only texts or numbers allowed. */
  readonly enum?: readonly (string | number)[];
}

/** What the rows of a table must look like. Plain data: part of the mapping, and so of the settings fingerprint. */
export interface TableContract {
  readonly columns: Readonly<Record<string, ColumnContract>>;
  /** Whether columns that are not named may come too. */
  readonly additional: 'allow' | 'reject';
}

/** Names and kinds only: what the value was is nobody's business but the source's. */
export interface ContractViolation {
  readonly column: string;
  readonly expected: string;
  readonly came: string;
}

/**
 * Everything that is wrong with a row, in the contract's order. A value the source left out because it did not change passes: it was
 * checked when it came.
 */
export function checkContract(row: Row, contract: TableContract): readonly ContractViolation[] {
  const violations: ContractViolation[] = [];
  for (const [column, expected] of Object.entries(contract.columns)) {
    const violation = checkColumn(Object.hasOwn(row, column) ? row[column] : undefined, expected);
    if (violation !== undefined) violations.push({ column, ...violation });
  }
  if (contract.additional === 'reject') {
    for (const column of Object.keys(row)) {
      if (!Object.hasOwn(contract.columns, column)) {
        violations.push({ column, expected: 'no such column', came: kindOfValue(row[column]) });
      }
    }
  }
  return violations;
}

const VIOLATIONS_NAMED = 5;

/** @throws poison CONTRACT_VIOLATED, naming columns and kinds of values */
export function requireContract(row: Row, contract: TableContract, table: TableId): void {
  const violations = checkContract(row, contract);
  if (violations.length === 0) return;
  const named = violations
    .slice(0, VIOLATIONS_NAMED)
    .map(({ column, expected, came }) => `column "${column}" must be ${expected}, came ${came}`)
    .join('; ');
  const more = violations.length > VIOLATIONS_NAMED ? `; and ${violations.length - VIOLATIONS_NAMED} more` : '';
  throw new FreshetError(
    'CONTRACT_VIOLATED',
    'poison',
    `A row of table ${table} breaks its contract: ${named}${more}. Mend the row or the contract; then "freshet dlq retry all".`,
    { details: { table, column: violations[0]?.column, violations: violations.length } },
  );
}

type Fault = Omit<ContractViolation, 'column'> | undefined;

function checkColumn(value: ColumnValue | undefined, contract: ColumnContract): Fault {
  if (value === UNCHANGED) return undefined;
  const { type, nullable = true, maxLength, enum: allowed } = contract;
  const what = type ?? 'a value';
  if (value === undefined) return { expected: what, came: 'nothing: the column is missing' };
  if (value === null) return nullable ? undefined : { expected: `${what} and not NULL`, came: 'NULL' };
  if (type !== undefined && !isOfType(value, type)) return { expected: what, came: kindOfValue(value) };
  if (maxLength !== undefined && typeof value === 'string' && isLonger(value, maxLength)) {
    return { expected: `${what} of at most ${maxLength} characters`, came: 'a longer one' };
  }
  if (allowed !== undefined && !allowed.some((one) => one === value || String(one) === String(value))) {
    return { expected: `one of the ${allowed.length} values of its enum`, came: 'another' };
  }
  return undefined;
}

/** Code points are at most the UTF-16 length and at least half of it: only in between they must be counted. */
function isLonger(text: string, maxLength: number): boolean {
  if (text.length <= maxLength) return false;
  if (text.length > 2 * maxLength) return true;
  let characters = 0;
  for (const _ of text) characters += 1;
  return characters > maxLength;
}

function isOfType(value: ColumnValue, type: ContractType): boolean {
  if (type === 'array') return Array.isArray(value);
  if (!type.endsWith('[]')) return IS[type as ScalarType](value);
  const isElement = IS[type.slice(0, -2) as ScalarType];
  return Array.isArray(value) && areAll(value as readonly ColumnValue[], isElement);
}

function areAll(items: readonly ColumnValue[], isElement: (value: ColumnValue) => boolean): boolean {
  return items.every((item) => {
    if (item === null) return true;
    return Array.isArray(item) ? areAll(item as readonly ColumnValue[], isElement) : isElement(item);
  });
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|^(NaN|[+-]?Infinity)$/i;
const DATE = /^[+-]?\d{4,}-\d{2}-\d{2}( BC)?$|^-?infinity$/;
const TIME = /^\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2}){0,2})?$/;
const TIMESTAMP =
  /^[+-]?\d{4,}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2}){0,2})?( BC)?$|^-?infinity$/;
const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

const isText = (value: ColumnValue): value is string => typeof value === 'string';
const matches =
  (pattern: RegExp) =>
  (value: ColumnValue): boolean =>
    isText(value) && pattern.test(value);
/** Any width: how wide an integer column is, its database sees to. */
const isWhole = (value: ColumnValue): boolean => typeof value === 'bigint' || Number.isSafeInteger(value);
const isNumber = (value: ColumnValue): boolean =>
  typeof value === 'number' || typeof value === 'bigint' || matches(DECIMAL)(value);

/** As sources decode them: exact decimals are text, 64-bit integers bigint or number, times RFC 3339 text. */
const IS: Readonly<Record<ScalarType, (value: ColumnValue) => boolean>> = {
  text: isText,
  integer: isWhole,
  bigint: isWhole,
  numeric: isNumber,
  number: isNumber,
  boolean: (value) => typeof value === 'boolean',
  date: matches(DATE),
  time: matches(TIME),
  timestamp: matches(TIMESTAMP),
  uuid: matches(UUID),
  json: (value) => !(value instanceof Uint8Array),
  bytes: (value) => value instanceof Uint8Array,
};

function kindOfValue(value: ColumnValue | undefined): string {
  if (value === null || value === undefined) return 'NULL';
  if (value instanceof Uint8Array) return 'bytes';
  if (Array.isArray(value)) return 'an array';
  switch (typeof value) {
    case 'string':
      return 'text';
    case 'number':
      return Number.isSafeInteger(value) ? 'an integer' : 'a number';
    case 'bigint':
      return 'an integer';
    case 'boolean':
      return 'a boolean';
    default:
      return 'an object';
  }
}
